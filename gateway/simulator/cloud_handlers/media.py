"""Live video, recordings and pictures: addresses that lead nowhere."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_handlers.devices import camera
from gateway.simulator.cloud_state import CloudCall, CloudHandler, Data
from gateway.simulator.validation import CallRefused

_PLACE: Final = "https://cloud.invalid"
_CLIP_S: Final = 60
_BAD_CLIENT: Final = 5020


def _stream(name: str) -> dict[str, Any]:
    return {"url": f"{_PLACE}/{name}.flv?auth_key=simulated", "hls_url": f"{_PLACE}/{name}.m3u8?auth_key=simulated"}


def _start_live(call: CloudCall) -> Data:
    return _stream(f"{camera(call).sn}/{call.fields['resolution']}")


def _stop_live(call: CloudCall) -> Data:
    camera(call)
    return {}


def _recordings(call: CloudCall) -> Data:
    ipc, start, end = camera(call), int(call.fields["start_time"]), int(call.fields["end_time"])
    clips = [
        {
            "ipc_id": ipc.ipc_id,
            "url": f"{_PLACE}/VIDEO/IPC/{ipc.sn}/{begin}",
            "start_time": begin,
            "end_time": min(begin + _CLIP_S, end),
        }
        for begin in range(start, end + 1, _CLIP_S)
    ]
    return {"total_count": len(clips), "video_list": clips}


def _noticed(call: CloudCall) -> Data:
    ipc, start = camera(call), int(call.fields["start_time"])
    clips = [{"source": "1", "detect_time": start, "url": f"{_PLACE}/VIDEO/IPC/{ipc.sn}/{start}"}]
    return {"total_num": len(clips), "video_list": call.page(clips)}


def _picture(call: CloudCall) -> Data:
    return {"snapshot_url": f"{_PLACE}/IMG/IPC/{camera(call).sn}/{call.fields.get('time', call.now)}"}


def _start_playback(call: CloudCall) -> Data:
    ipc = camera(call)
    client = f"SAAS-OpenAPI_{call.state.new_id()}"
    call.shop.streams.add(client)
    return {**_stream(f"{ipc.sn}/{client}"), "client_id": client}


def _stop_playback(call: CloudCall) -> Data:
    for shop in call.state.shops.values():
        if call.fields["client_id"] in shop.streams:
            shop.streams.remove(call.fields["client_id"])
            return {}
    raise CallRefused(_BAD_CLIENT)


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "media/live/start": _start_live,
    "media/live/stop": _stop_live,
    "media/live/getSnapshot": _picture,
    "media/video/getList": _recordings,
    "media/motionDetection/getList": _noticed,
    "media/playback/getSnapshot": _picture,
    "media/playback/start": _start_playback,
    "media/playback/stop": _stop_playback,
}
