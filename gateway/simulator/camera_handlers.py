"""What each endpoint does to a simulated camera's state, and what it answers (NOTES: Camera subscriptions)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.vendor_events import camera_events
from gateway.simulator.callbacks import is_callback
from gateway.simulator.camera_state import MAX_FOCUS, MAX_ZOOM, CameraState, DetectionConfig, Lens, RestartReason
from gateway.simulator.validation import CallRefused, first_listed, wrong_parameters

Fields = Mapping[str, str]
Data = Mapping[str, Any] | None
CameraHandler = Callable[[CameraState, Fields], Data]

_MODEL_NAMES: Final = {"FM010": "SS", "FM020": "FS"}
_PARAMETER_CODES: Final = {
    "ssid": 100, "password": 101, "zoom": 110, "focus": 111, "focus_x": 112, "focus_y": 112, "irmode": 113,
    "motion_level": 114, "audio_level": 115, "weekday": 116, "start_time": 117, "stop_time": 117, "name": 118,
    "led_switch": 119, "rotation": 120, "event_list": 310, "http_callback": 311,
}  # fmt: skip
"""The code for a bad value, by parameter (NOTES: Camera return codes)."""
MISSING_PARAMETER: Final = 2
_NO_CARD: Final = 220


def check_parameters(endpoint: Endpoint, fields: Fields) -> None:
    """Raise `CallRefused` for the first parameter that is missing or malformed."""
    wrong = wrong_parameters(endpoint, fields)
    for parameter in endpoint.parameters:
        if parameter.name in wrong:
            own = _PARAMETER_CODES.get(parameter.name, MISSING_PARAMETER)
            order = (own, MISSING_PARAMETER) if parameter.name in fields else (MISSING_PARAMETER, own)
            raise CallRefused(first_listed(endpoint, order))


def _join_wifi(state: CameraState, fields: Fields) -> None:
    state.settings.ssid, state.settings.password = fields["ssid"], fields.get("password", "")
    state.pending_restart = "wifi"


def _wifi(state: CameraState, _: Fields) -> Data:
    return {"ssid": state.settings.ssid, "password": state.settings.password}


def _access_points(state: CameraState, _: Fields) -> Data:
    seen = [{"ssid": point.ssid, "key_mgmt": point.key_mgmt} for point in state.access_points]
    return {"num": len(seen), "ap_list": seen}


def _set_zoom(state: CameraState, fields: Fields) -> None:
    state.settings.lens.zoom = int(fields["zoom"])


def _focus(state: CameraState, fields: Fields) -> None:
    state.settings.lens.focus = int(fields["focus"])


def _focus_itself(state: CameraState, fields: Fields) -> None:
    lens = state.settings.lens
    lens.focused_x, lens.focused_y = int(fields["focus_x"]), int(fields["focus_y"])
    lens.focus = MAX_FOCUS * lens.zoom // MAX_ZOOM


def _reset_lens(state: CameraState, _: Fields) -> None:
    state.settings.lens = Lens()


def _lens(state: CameraState, _: Fields) -> Data:
    lens = state.settings.lens
    # `focused_x`, not `focus_x`: as in the sample, against the table (NOTES: Focus point).
    return {
        "zoom": lens.zoom, "max_zoom": MAX_ZOOM, "max_focus": MAX_FOCUS, "focus": lens.focus,
        "focused_x": lens.focused_x, "focused_y": lens.focused_y,
    }  # fmt: skip


def _set_ir_mode(state: CameraState, fields: Fields) -> None:
    state.settings.irmode = int(fields["irmode"])


def _set_detect(state: CameraState, fields: Fields) -> None:
    state.settings.detect = DetectionConfig(**{name: int(fields[name]) for name in DetectionConfig.__slots__})


def _detect(state: CameraState, _: Fields) -> Data:
    return {name: getattr(state.settings.detect, name) for name in DetectionConfig.__slots__}


def _set_name(state: CameraState, fields: Fields) -> None:
    state.settings.name = fields["name"]


def _set_led(state: CameraState, fields: Fields) -> None:
    state.settings.led_switch = int(fields["led_switch"])


def _set_rotation(state: CameraState, fields: Fields) -> None:
    rotation = int(fields["rotation"])
    if rotation not in state.angles:
        raise CallRefused(_PARAMETER_CODES["rotation"])
    state.settings.rotation = rotation


def _format_card(state: CameraState, _: Fields) -> None:
    if state.card_status == 0:
        raise CallRefused(_NO_CARD)
    state.card_status = 2


def _info(state: CameraState, _: Fields) -> Data:
    return {
        "sn": state.sn,
        "model_name": _MODEL_NAMES[state.model],
        "name": state.name,
        "software_version": state.software_version,
        "hardware_version": state.hardware_version,
        "ip": state.ip,
        "mac": state.spaced_mac,
    }


def _add_hook(state: CameraState, fields: Fields) -> None:
    events = json_text.loads(fields["event_list"])
    if not events or not set(events) <= set(camera_events(state.model)):
        raise CallRefused(_PARAMETER_CODES["event_list"])
    if not is_callback(fields["http_callback"]):
        raise CallRefused(_PARAMETER_CODES["http_callback"])
    state.hooks |= dict.fromkeys(events, fields["http_callback"])


def _delete_hook(state: CameraState, fields: Fields) -> None:
    for event in json_text.loads(fields["event_list"]):
        state.hooks.pop(event, None)


def _leave(why: RestartReason) -> CameraHandler:
    def leave(state: CameraState, _: Fields) -> None:
        state.pending_restart = why

    return leave


HANDLERS: Final[Mapping[str, CameraHandler]] = {
    "config/setWifiConf": _join_wifi,
    "config/setWifiConfWithoutAuth": _join_wifi,
    "config/getWifiConf": _wifi,
    "config/getApList": _access_points,
    "config/getApListWithoutAuth": _access_points,
    "config/setZoom": _set_zoom,
    "config/manualFocus": _focus,
    "config/autoFocus": _focus_itself,
    "config/resetZoomFocus": _reset_lens,
    "config/getZoomFocusConf": _lens,
    "config/setIrMode": _set_ir_mode,
    "config/getIrMode": lambda state, _: {"irmode": state.settings.irmode},
    "config/setDynamicDetect": _set_detect,
    "config/getDynamicDetect": _detect,
    "config/updateName": _set_name,
    "config/getName": lambda state, _: {"name": state.name},
    "config/setLedSwitch": _set_led,
    "config/getLedSwitch": lambda state, _: {"led_switch": state.settings.led_switch},
    "config/setRotation": _set_rotation,
    "config/getRotation": lambda state, _: {"rotation": state.rotation},
    "config/getRotationAngles": lambda state, _: {"angles": [str(angle) for angle in state.angles]},
    "config/formatMemoryCard": _format_card,
    "config/getMemoryCardStatus": lambda state, _: {"status": state.card_status},
    "device/getInfo": _info,
    "device/reset": _leave("reset"),
    "device/reboot": _leave("reboot"),
    "hook/add": _add_hook,
    "hook/delete": _delete_hook,
}
"""By path; activation is the camera's own, because it needs the accounts."""
