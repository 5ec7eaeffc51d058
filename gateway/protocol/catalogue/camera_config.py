"""Camera endpoints `config/*`: Wi-Fi, lens, detection, name, LED, rotation, memory card."""

from typing import Any

from gateway.protocol.catalogue.response_fields import (
    describe_choices,
    int_field,
    object_list,
    string_field,
    string_list,
)
from gateway.protocol.endpoint import Endpoint, ResponseField
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.return_codes import camera_codes


def _read(number: int, action: str, title: str, *fields: ResponseField, **more: Any) -> Endpoint:
    """Declare an endpoint without parameters that only reads."""
    declared = {"scope": "pos", "return_codes": camera_codes(0, 1, 3, 5, 7), "repeatable": True, **more}
    return _config(number, action, title, response_fields=fields, **declared)


def _set(number: int, action: str, title: str, *parameters: Parameter, codes: tuple[int, ...], **more: Any) -> Endpoint:
    """Declare an endpoint that sets a whole value, so that repeating a call is safe."""
    declared = {"scope": "installer", "repeatable": True, **more}
    return _config(number, action, title, parameters=parameters, return_codes=camera_codes(0, 1, *codes), **declared)


def _config(number: int, action: str, title: str, **declared: Any) -> Endpoint:
    source = f"Basic Configurations, {number}"
    return Endpoint(path=f"config/{action}", side="camera", title=title, source=source, **declared)


_WIFI = (
    Parameter(
        name="ssid",
        type="string",
        required=True,
        min_length=1,
        max_length=32,
        format="ssid",
        description="The name (SSID) of the Wi-Fi network to join.",
        example="WeWork",
    ),
    Parameter(
        name="password",
        type="string",
        required=True,
        allow_empty=True,
        min_length=8,
        max_length=64,
        format="wifi_password",
        secret=True,
        example="a-password",
        # (NOTES: Wi-Fi password)
        description="The password of the network; empty for an open one. WEP is not supported. "
        "The lower bound is WPA's, and the vendor's app keeps to it.",
    ),
)
_WIFI_NOTE = (
    "The camera may change networks before it responds, so a lost response says nothing "
    "and sending again only hides it."
)
_ACCESS_POINTS = (
    int_field("num", "Number of networks found."),
    *object_list(
        "ap_list",
        "The networks that the camera sees.",
        string_field("ssid", "SSID."),
        string_field("key_mgmt", "Encryption."),
    ),
)

_IR_MODES = (Choice(0, "off"), Choice(1, "on"), Choice(2, "automatic (recommended)"))
_SWITCH = (Choice(0, "off"), Choice(1, "on"))
_ROTATIONS = tuple(Choice(angle, f"{angle} degrees") for angle in (0, 90, 180, 270))

_MOTION_LEVEL = "Sensitivity to motion, 0 to 3; 3 is the most sensitive."
_AUDIO_LEVEL = "Sensitivity to sound, 0 to 3; 3 is the most sensitive."
_WEEKDAY = "Days, as bits: 0 Monday to 6 Sunday; bit 7 (128) means all the time and overrides the rest."
_START = "Start, in minutes since midnight."
_STOP = "End, in minutes since midnight; before the start means on the next day."

ENDPOINTS = (
    _set(
        1, "setWifiConf", "Set WIFI Configurations", *_WIFI,
        codes=(2, 3, 5, 7, 100, 101), repeatable=False, note=_WIFI_NOTE,
    ),
    _set(
        2, "setWifiConfWithoutAuth", "Set WIFI Configurations (without authentication)", *_WIFI,
        codes=(2, 3, 5, 7, 12, 100, 101), auth="none", repeatable=False,
        note=f"Only before activation. {_WIFI_NOTE}",
    ),
    _read(
        3, "getWifiConf", "Get WIFI Configurations",
        string_field("ssid", "SSID."), ResponseField("password", "string", "Password.", secret=True),
        scope="installer",
    ),
    _read(4, "getApList", "Get AP List", *_ACCESS_POINTS),
    _read(
        5, "getApListWithoutAuth", "Get AP List (without authentication)", *_ACCESS_POINTS,
        auth="none", return_codes=camera_codes(0, 1, 3, 5, 7, 12),
        # (NOTES: Calls before activation)
        note="Only before activation. Sent without public parameters, although the sample shows them. "
        "Code 12 is listed only for the sibling that sets the Wi-Fi, and expected here as well.",
    ),
    _set(
        6, "setZoom", "Set Zoom",
        Parameter(name="zoom", type="int", required=True, min=0, max=500, description="Zoom level.", example=200),
        codes=(3, 5, 7, 110), timeout_s=18,
    ),
    _set(
        7, "manualFocus", "Manual Focus",
        Parameter(name="focus", type="int", required=True, min=0, max=780, description="Focus level.", example=200),
        codes=(3, 5, 7, 111), timeout_s=13,
    ),
    _set(
        8, "autoFocus", "Automatic Focus",
        Parameter(
            name="focus_x", type="int", required=True, min=0, max=100, example=50,
            description="Focus point, percent of the width.",
        ),
        Parameter(
            name="focus_y", type="int", required=True, min=0, max=100, example=50,
            description="Focus point, percent of the height.",
        ),
        codes=(3, 5, 7, 112), timeout_s=13,
    ),
    _set(9, "resetZoomFocus", "Reset Zoom and Focus", codes=(3, 5, 7), timeout_s=18),
    _read(
        10, "getZoomFocusConf", "Get Zoom and Focus Configurations",
        int_field("zoom", "Zoom level."), int_field("max_zoom", "Largest zoom level."),
        int_field("focus", "Focus level."), int_field("max_focus", "Largest focus level."),
        int_field("focused_x", "Focus point, percent of the width."),
        int_field("focused_y", "Focus point, percent of the height."),
        int_field("focus_x", "The same as focused_x, in the table's spelling."),
        int_field("focus_y", "The same as focused_y, in the table's spelling."),
        # (NOTES: Focus point)
        note="The sample's response has focused_x and focused_y, the table says focus_x and focus_y: accept both.",
    ),
    _set(
        11, "setIrMode", "Set IR Mode",
        Parameter(
            name="irmode", type="int", required=True, choices=_IR_MODES, example=2,
            description="Infrared light of the lens.",
        ),
        codes=(3, 5, 7, 113),
    ),
    _read(12, "getIrMode", "Get IR Mode", int_field("irmode", describe_choices(_IR_MODES))),
    _set(
        13, "setDynamicDetect", "Set Dynamic Detect",
        Parameter(name="motion_level", type="int", required=True, min=0, max=3, description=_MOTION_LEVEL, example=2),
        Parameter(name="audio_level", type="int", required=True, min=0, max=3, description=_AUDIO_LEVEL, example=2),
        Parameter(name="weekday", type="int", required=True, min=0, max=255, description=_WEEKDAY, example=128),
        Parameter(name="start_time", type="int", required=True, min=0, max=1440, description=_START, example=200),
        Parameter(name="stop_time", type="int", required=True, min=0, max=1440, description=_STOP, example=400),
        codes=(3, 5, 7, 114, 115, 116, 117),
        # (NOTES: Detection period)
        note="Times are minutes; weekday 128 overrides the lower bits and the times.",
    ),
    _read(
        14, "getDynamicDetect", "Get Dynamic Detect",
        int_field("motion_level", _MOTION_LEVEL), int_field("audio_level", _AUDIO_LEVEL),
        int_field("weekday", _WEEKDAY), int_field("start_time", _START), int_field("stop_time", _STOP),
    ),
    _set(
        15, "updateName", "Set IPC Name",
        Parameter(
            name="name", type="string", required=True, max_length=36, format="line", description="Name.",
            example="Camera1",
        ),
        codes=(3, 5, 7, 118),
    ),
    _read(
        16, "getName", "Get IPC Name", string_field("name", "Name."),
        # (NOTES: Camera name)
        note="The table types the name as int; it is text, as in the sample.",
    ),
    _set(
        17, "setLedSwitch", "Set LED",
        Parameter(
            name="led_switch", type="int", required=True, choices=_SWITCH, description="The camera's LED.", example=1
        ),
        codes=(3, 5, 7, 119),
    ),
    _read(18, "getLedSwitch", "Get LED", int_field("led_switch", describe_choices(_SWITCH))),
    _set(
        19, "setRotation", "Set Rotation",
        Parameter(
            name="rotation", type="int", required=True, choices=_ROTATIONS, open=True, example=180,
            description="Orientation of the image; getRotationAngles lists which ones this camera has.",
        ),
        codes=(3, 5, 7, 120),
        # (NOTES: Rotation)
        note="FM010 turns by 0, 90, 180 and 270 degrees, FM020 by 0 and 180.",
    ),
    _read(20, "getRotation", "Get Rotation", int_field("rotation", "Orientation of the image, in degrees.")),
    _read(
        21, "getRotationAngles", "Get Rotation Angles",
        *string_list("angles", "The orientations that this camera has."),
        # (NOTES: Rotation)
        note="The sample posts to config/getRotation: a misprint.",
    ),
    _set(
        22, "formatMemoryCard", "Format SD-card",
        codes=(3, 5, 7, 220, 221), scope="installer", repeatable=False, timeout_s=15,
        note="Erases the card, and with it the face library of an FM020.",
    ),
    _read(
        23, "getMemoryCardStatus", "Get SD-card Status",
        int_field("status", "0 no card, 1 not formatted, 2 working, 3 unknown, 4 ejected; treat any other as 3."),
        # (NOTES: Memory card status)
        note="4 is not in the documents; the vendor's app knows it.",
    ),
)  # fmt: skip
