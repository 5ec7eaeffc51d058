"""The handlers of a simulated camera's endpoints: each changes the camera's state and returns the response's data."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.vendor_events import list_camera_events
from gateway.simulator.callbacks import is_callback_url
from gateway.simulator.camera_state import (
    MAX_FACES,
    MAX_FOCUS,
    MAX_GROUPS,
    MAX_ZOOM,
    CameraState,
    DetectionConfig,
    DoorLine,
    Lens,
)
from gateway.simulator.validation import CallRefused, choose_code, find_invalid_parameters

Fields = Mapping[str, str]
"""The parameters of a call, as text."""
ResponseData = Mapping[str, Any] | None
"""The data of a response; None for a response without."""
CameraHandler = Callable[[CameraState, Fields], ResponseData]

MISSING_PARAMETER: Final = 2
_NO_CARD: Final = 220
_INVALID_PARAMETER_CODES: Final = {
    "ssid": 100, "password": 101, "zoom": 110, "focus": 111, "focus_x": 112, "focus_y": 112, "irmode": 113,
    "motion_level": 114, "audio_level": 115, "weekday": 116, "start_time": 117, "stop_time": 117, "name": 118,
    "led_switch": 119, "rotation": 120, "event_list": 310, "http_callback": 311, "resolution": 277,
    "start_x": 278, "start_y": 278, "end_x": 278, "end_y": 278, "capacity": 201, "description": 202,
}  # fmt: skip
"""The return code for an invalid value, by parameter (NOTES: Camera return codes)."""
_INVALID_COORDINATES: Final = 278
_INVALID_GROUP_NAME: Final = 200
_MAX_GROUP_NAME_BYTES: Final = 96
_INVALID_PERIOD: Final = 230
_NO_RECORDING: Final = 235
_LIMIT_EXCEEDED: Final = 211
_GROUP_EXISTS: Final = 212
_PICTURE_SIZES: Final = {0: (1920, 1080), 1: (1280, 720)}
"""Width and height of the picture by the resolution of a door line."""
FACE_CAMERA_ONLY: Final = ("face/", "peopleFlow/")
"""What begins the paths of endpoints that only an FM020 has."""
_MODEL_NAMES: Final = {"FM010": "SS", "FM020": "FS"}
_DETECTION_FIELDS: Final = tuple(known.name for known in dataclasses.fields(DetectionConfig))


def check_parameters(endpoint: Endpoint, fields: Fields) -> None:
    """Raise `CallRefused` for the first parameter that is missing or malformed."""
    invalid = find_invalid_parameters(endpoint, fields)
    for parameter in endpoint.parameters:
        if parameter.name in invalid:
            own = _INVALID_PARAMETER_CODES.get(parameter.name, MISSING_PARAMETER)
            codes = (own, MISSING_PARAMETER) if parameter.name in fields else (MISSING_PARAMETER, own)
            raise CallRefused(choose_code(endpoint, codes))


def _set_wifi(state: CameraState, fields: Fields) -> None:
    state.config.ssid, state.config.password = fields["ssid"], fields.get("password", "")
    state.pending_restart = "wifi"


def _get_wifi(state: CameraState, _: Fields) -> ResponseData:
    return {"ssid": state.config.ssid, "password": state.config.password}


def _list_access_points(state: CameraState, _: Fields) -> ResponseData:
    rows = [{"ssid": point.ssid, "key_mgmt": point.key_mgmt} for point in state.access_points]
    return {"num": len(rows), "ap_list": rows}


def _set_zoom(state: CameraState, fields: Fields) -> None:
    state.config.lens.zoom = int(fields["zoom"])


def _set_focus(state: CameraState, fields: Fields) -> None:
    state.config.lens.focus = int(fields["focus"])


def _auto_focus(state: CameraState, fields: Fields) -> None:
    lens = state.config.lens
    lens.focused_x, lens.focused_y = int(fields["focus_x"]), int(fields["focus_y"])
    lens.focus = MAX_FOCUS * lens.zoom // MAX_ZOOM


def _reset_lens(state: CameraState, _: Fields) -> None:
    state.config.lens = Lens()


def _get_lens(state: CameraState, _: Fields) -> ResponseData:
    lens = state.config.lens
    # `focused_x`, not `focus_x`: as in the sample, against the table (NOTES: Focus point).
    return {
        "zoom": lens.zoom, "max_zoom": MAX_ZOOM, "max_focus": MAX_FOCUS, "focus": lens.focus,
        "focused_x": lens.focused_x, "focused_y": lens.focused_y,
    }  # fmt: skip


def _set_ir_mode(state: CameraState, fields: Fields) -> None:
    state.config.irmode = int(fields["irmode"])


def _get_ir_mode(state: CameraState, _: Fields) -> ResponseData:
    return {"irmode": state.config.irmode}


def _set_detection(state: CameraState, fields: Fields) -> None:
    state.config.detection = DetectionConfig(**{name: int(fields[name]) for name in _DETECTION_FIELDS})


def _get_detection(state: CameraState, _: Fields) -> ResponseData:
    return dataclasses.asdict(state.config.detection)


def _set_name(state: CameraState, fields: Fields) -> None:
    state.config.name = fields["name"]


def _get_name(state: CameraState, _: Fields) -> ResponseData:
    return {"name": state.name}


def _set_led(state: CameraState, fields: Fields) -> None:
    state.config.led_switch = int(fields["led_switch"])


def _get_led(state: CameraState, _: Fields) -> ResponseData:
    return {"led_switch": state.config.led_switch}


def _set_rotation(state: CameraState, fields: Fields) -> None:
    rotation = int(fields["rotation"])
    if rotation not in state.rotation_angles:
        raise CallRefused(_INVALID_PARAMETER_CODES["rotation"])
    state.config.rotation = rotation


def _get_rotation(state: CameraState, _: Fields) -> ResponseData:
    return {"rotation": state.config.rotation}


def _list_rotation_angles(state: CameraState, _: Fields) -> ResponseData:
    return {"angles": [str(angle) for angle in state.rotation_angles]}


def _format_card(state: CameraState, _: Fields) -> None:
    if state.card_status == 0:
        raise CallRefused(_NO_CARD)
    state.card_status = 2


def _get_card_status(state: CameraState, _: Fields) -> ResponseData:
    return {"status": state.card_status}


def _get_info(state: CameraState, _: Fields) -> ResponseData:
    return {
        "sn": state.sn,
        "model_name": _MODEL_NAMES[state.model],
        "name": state.name,
        "software_version": state.software_version,
        "hardware_version": state.hardware_version,
        "ip": state.ip,
        "mac": state.printed_mac,
    }


def _reset(state: CameraState, _: Fields) -> None:
    state.pending_restart = "reset"


def _reboot(state: CameraState, _: Fields) -> None:
    state.pending_restart = "reboot"


def _add_hook(state: CameraState, fields: Fields) -> None:
    events = json_text.loads(fields["event_list"])
    if not events or not set(events) <= set(list_camera_events(state.model)):
        raise CallRefused(_INVALID_PARAMETER_CODES["event_list"])
    if not is_callback_url(fields["http_callback"]):
        raise CallRefused(_INVALID_PARAMETER_CODES["http_callback"])
    state.hooks |= dict.fromkeys(events, fields["http_callback"])


def _delete_hook(state: CameraState, fields: Fields) -> None:
    for event in json_text.loads(fields["event_list"]):
        state.hooks.pop(event, None)


def _get_live_stream(state: CameraState, _: Fields) -> ResponseData:
    return {f"{name}_live_url": state.open_stream(f"live_{name}", float("inf")) for name in ("hd", "fhd")}


def _get_playback_stream(state: CameraState, fields: Fields) -> ResponseData:
    start, end = int(fields["start_time"]), int(fields["end_time"])
    if state.card_status != 2:
        raise CallRefused(_NO_RECORDING)
    if end <= start:
        raise CallRefused(_INVALID_PERIOD)
    return {"playback_url": state.open_stream("playback", end - start)}


def _set_door_line(state: CameraState, fields: Fields) -> None:
    line = DoorLine(**{known.name: int(fields[known.name]) for known in dataclasses.fields(DoorLine)})
    width, height = _PICTURE_SIZES[line.resolution]
    if max(line.start_x, line.end_x) > width or max(line.start_y, line.end_y) > height:
        raise CallRefused(_INVALID_COORDINATES)
    state.config.door_line = line


def _get_door_line(state: CameraState, _: Fields) -> ResponseData:
    return dataclasses.asdict(state.config.door_line)


def _create_group(state: CameraState, fields: Fields) -> None:
    if state.card_status != 2:
        raise CallRefused(_NO_CARD)
    name, capacity = fields["name"], int(fields["capacity"])
    if name.startswith(" ") or len(name.encode()) > _MAX_GROUP_NAME_BYTES:
        raise CallRefused(_INVALID_GROUP_NAME)
    if name in state.groups:
        raise CallRefused(_GROUP_EXISTS)
    if len(state.groups) >= MAX_GROUPS or sum(state.groups.values()) + capacity > MAX_FACES:
        raise CallRefused(_LIMIT_EXCEEDED)
    state.groups[name] = capacity


HANDLERS: Final[Mapping[str, CameraHandler]] = {
    "config/setWifiConf": _set_wifi,
    "config/setWifiConfWithoutAuth": _set_wifi,
    "config/getWifiConf": _get_wifi,
    "config/getApList": _list_access_points,
    "config/getApListWithoutAuth": _list_access_points,
    "config/setZoom": _set_zoom,
    "config/manualFocus": _set_focus,
    "config/autoFocus": _auto_focus,
    "config/resetZoomFocus": _reset_lens,
    "config/getZoomFocusConf": _get_lens,
    "config/setIrMode": _set_ir_mode,
    "config/getIrMode": _get_ir_mode,
    "config/setDynamicDetect": _set_detection,
    "config/getDynamicDetect": _get_detection,
    "config/updateName": _set_name,
    "config/getName": _get_name,
    "config/setLedSwitch": _set_led,
    "config/getLedSwitch": _get_led,
    "config/setRotation": _set_rotation,
    "config/getRotation": _get_rotation,
    "config/getRotationAngles": _list_rotation_angles,
    "config/formatMemoryCard": _format_card,
    "config/getMemoryCardStatus": _get_card_status,
    "device/getInfo": _get_info,
    "device/reset": _reset,
    "device/reboot": _reboot,
    "hook/add": _add_hook,
    "hook/delete": _delete_hook,
    "media/getLiveStream": _get_live_stream,
    "media/getPlaybackStream": _get_playback_stream,
    "peopleFlow/setDoorLine": _set_door_line,
    "peopleFlow/getDoorLine": _get_door_line,
    "face/createGroup": _create_group,
}
"""By path. An endpoint that is not here responds with fake data; `SimulatedCamera` handles the activation itself."""
