"""Live video, recordings and pictures: URLs that lead nowhere."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_handlers.devices import find_camera
from gateway.simulator.cloud_state import CloudCall, CloudHandler, ResponseData
from gateway.simulator.validation import CallRefused

_BASE_URL: Final = "https://cloud.invalid"
_CLIP_DURATION_S: Final = 60
_UNKNOWN_CLIENT: Final = 5020


def _build_stream(name: str) -> dict[str, Any]:
    return {
        "url": f"{_BASE_URL}/{name}.flv?auth_key=simulated",
        "hls_url": f"{_BASE_URL}/{name}.m3u8?auth_key=simulated",
    }


def _start_live(call: CloudCall) -> ResponseData:
    return _build_stream(f"{find_camera(call).sn}/{call.fields['resolution']}")


def _stop_live(call: CloudCall) -> ResponseData:
    find_camera(call)
    return {}


def _list_recordings(call: CloudCall) -> ResponseData:
    camera, start, end = find_camera(call), int(call.fields["start_time"]), int(call.fields["end_time"])
    clips = [
        {
            "ipc_id": camera.ipc_id,
            "url": f"{_BASE_URL}/VIDEO/IPC/{camera.sn}/{begin}",
            "start_time": begin,
            "end_time": min(begin + _CLIP_DURATION_S, end),
        }
        for begin in range(start, end + 1, _CLIP_DURATION_S)
    ]
    return {"total_count": len(clips), "video_list": clips}


def _list_motion_clips(call: CloudCall) -> ResponseData:
    camera, start = find_camera(call), int(call.fields["start_time"])
    clips = [{"source": "1", "detect_time": start, "url": f"{_BASE_URL}/VIDEO/IPC/{camera.sn}/{start}"}]
    return {"total_num": len(clips), "video_list": call.select_page(clips)}


def _get_snapshot(call: CloudCall) -> ResponseData:
    return {"snapshot_url": f"{_BASE_URL}/IMG/IPC/{find_camera(call).sn}/{call.fields.get('time', call.now)}"}


def _start_playback(call: CloudCall) -> ResponseData:
    camera = find_camera(call)
    client = f"SAAS-OpenAPI_{call.state.new_id()}"
    call.shop.playbacks.add(client)
    return {**_build_stream(f"{camera.sn}/{client}"), "client_id": client}


def _stop_playback(call: CloudCall) -> ResponseData:
    for shop in call.state.shops.values():
        if call.fields["client_id"] in shop.playbacks:
            shop.playbacks.remove(call.fields["client_id"])
            return {}
    raise CallRefused(_UNKNOWN_CLIENT)


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "media/live/start": _start_live,
    "media/live/stop": _stop_live,
    "media/live/getSnapshot": _get_snapshot,
    "media/video/getList": _list_recordings,
    "media/motionDetection/getList": _list_motion_clips,
    "media/playback/getSnapshot": _get_snapshot,
    "media/playback/start": _start_playback,
    "media/playback/stop": _stop_playback,
}
