"""Cameras of a shop, and hooks."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import BoundCamera, CloudCall, CloudHandler, ResponseData, find_row
from gateway.simulator.validation import CallRefused

_CAMERA_NOT_FOUND: Final = (5501, 5506, 5013)
_ALREADY_BOUND: Final = 5509
_INVALID_PARAMETER: Final = 5022


def find_camera(call: CloudCall) -> BoundCamera:
    """Return the camera that a call names. Raises `CallRefused`."""
    return find_row(call.shop.cameras, call.fields.get("ipc_id"), *_CAMERA_NOT_FOUND)


def _build_row(call: CloudCall, camera: BoundCamera) -> dict[str, Any]:
    return {
        "ipc_id": camera.ipc_id,
        "ipc_sn": camera.sn,
        "ipc_name": camera.name,
        "model_name": camera.model,
        "software_version": camera.software_version,
        "check_version_time": call.now,
        "active_status": 1,
        "screenshot_url": f"https://cloud.invalid/IMG/IPC/{camera.sn}",
    }


def _list_cameras(call: CloudCall) -> ResponseData:
    rows = [_build_row(call, camera) for camera in call.shop.cameras.values()]
    return {"total_count": len(rows), "ipc_list": rows}


def _get_camera(call: CloudCall) -> ResponseData:
    return _build_row(call, find_camera(call))


def _rename_camera(call: CloudCall) -> ResponseData:
    find_camera(call).name = call.fields["ipc_name"]
    return {}


def _bind_camera(call: CloudCall) -> ResponseData:
    sn = call.fields["ipc_sn"]
    if any(camera.sn == sn for shop in call.state.shops.values() for camera in shop.cameras.values()):
        raise CallRefused(_ALREADY_BOUND)
    model = "FM010" if sn.startswith(("SS1", "C101")) else "FM020"  # (NOTES: Serial numbers)
    camera = call.state.bind_camera(call.shop.shop_id, sn=sn, name=sn, model=model)
    return {"ipc_id": camera.ipc_id}


def _add_hook(call: CloudCall) -> ResponseData:
    if any(int(event) in call.state.unavailable_events for event in call.read_list("event_list")):
        raise CallRefused(_INVALID_PARAMETER)
    for event in call.read_list("event_list"):
        call.state.hooks[call.app_id, int(event)] = call.fields["http_callback"]
    return {}


def _delete_hook(call: CloudCall) -> ResponseData:
    for event in call.read_list("event_list"):
        call.state.hooks.pop((call.app_id, int(event)), None)
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "device/ipc/getList": _list_cameras,
    "device/ipc/getInfo": _get_camera,
    "device/ipc/updateName": _rename_camera,
    "device/ipc/bind": _bind_camera,
    "hook/add": _add_hook,
    "hook/delete": _delete_hook,
}
