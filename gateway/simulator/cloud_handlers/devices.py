"""Cameras of a shop, and hooks."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import BoundCamera, CloudCall, CloudHandler, Data, found
from gateway.simulator.validation import CallRefused

NO_CAMERA: Final = (5501, 5506, 5013)
_ALREADY_BOUND: Final = 5509
_BAD_PARAMETER: Final = 5022


def camera(call: CloudCall) -> BoundCamera:
    """Return the camera that a call names. Raises `CallRefused`."""
    return found(call.shop.cameras, call.fields.get("ipc_id"), *NO_CAMERA)


def _row(call: CloudCall, ipc: BoundCamera) -> dict[str, Any]:
    return {
        "ipc_id": ipc.ipc_id,
        "ipc_sn": ipc.sn,
        "ipc_name": ipc.name,
        "model_name": ipc.model,
        "software_version": ipc.software_version,
        "check_version_time": call.now,
        "active_status": 1,
        "screenshot_url": f"https://cloud.invalid/IMG/IPC/{ipc.sn}",
    }


def _list(call: CloudCall) -> Data:
    rows = [_row(call, ipc) for ipc in call.shop.cameras.values()]
    return {"total_count": len(rows), "ipc_list": rows}


def _info(call: CloudCall) -> Data:
    return _row(call, camera(call))


def _rename(call: CloudCall) -> Data:
    camera(call).name = call.fields["ipc_name"]
    return {}


def _bind(call: CloudCall) -> Data:
    sn = call.fields["ipc_sn"]
    if any(ipc.sn == sn for shop in call.state.shops.values() for ipc in shop.cameras.values()):
        raise CallRefused(_ALREADY_BOUND)
    model = "FM010" if sn.startswith(("SS1", "C101")) else "FM020"  # (NOTES: Serial numbers)
    ipc = call.state.bind_camera(call.shop.shop_id, sn=sn, name=sn, model=model)
    return {"ipc_id": ipc.ipc_id}


def _add_hook(call: CloudCall) -> Data:
    if any(int(event) in call.state.unavailable_events for event in call.texts("event_list")):
        raise CallRefused(_BAD_PARAMETER)
    for event in call.texts("event_list"):
        call.state.hooks[call.app_id, int(event)] = call.fields["http_callback"]
    return {}


def _delete_hook(call: CloudCall) -> Data:
    for event in call.texts("event_list"):
        call.state.hooks.pop((call.app_id, int(event)), None)
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "device/ipc/getList": _list,
    "device/ipc/getInfo": _info,
    "device/ipc/updateName": _rename,
    "device/ipc/bind": _bind,
    "hook/add": _add_hook,
    "hook/delete": _delete_hook,
}
