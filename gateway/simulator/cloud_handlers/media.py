"""Live video and playback, as FLV of the clip; URLs of recordings, of pictures and of HLS lead nowhere."""

import math
from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_handlers.devices import find_camera
from gateway.simulator.cloud_state import CloudCall, CloudHandler, ResponseData
from gateway.simulator.validation import CallRefused

_BASE_URL: Final = "https://cloud.invalid"
_CLIP_DURATION_S: Final = 60
_UNKNOWN_CLIENT: Final = 5020


def _open_stream(call: CloudCall, name: str, duration_s: float) -> tuple[str, dict[str, Any]]:
    """Open a stream. Return its path and the addresses that the vendor returns for it."""
    path = f"/live/{name}.flv"
    call.state.streams[path] = duration_s
    return path, {
        "url": f"{call.state.media_url}{path}?auth_key=simulated",
        "hls_url": f"{_BASE_URL}/{name}.m3u8?auth_key=simulated",
    }


def _live_name(call: CloudCall) -> str:
    return f"{find_camera(call).sn}/{call.fields['resolution']}"


def _start_live(call: CloudCall) -> ResponseData:
    return _open_stream(call, _live_name(call), math.inf)[1]


def _stop_live(call: CloudCall) -> ResponseData:
    call.state.streams.pop(f"/live/{_live_name(call)}.flv", None)
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
    duration_s = int(call.fields["end_time"]) - int(call.fields["start_time"])
    path, addresses = _open_stream(call, f"{camera.sn}/{client}", duration_s)
    call.shop.playbacks[client] = path
    return {**addresses, "client_id": client}


def _stop_playback(call: CloudCall) -> ResponseData:
    for shop in call.state.shops.values():
        if call.fields["client_id"] in shop.playbacks:
            call.state.streams.pop(shop.playbacks.pop(call.fields["client_id"]), None)
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
