"""The clip as an FLV stream, as the cloud sends a live picture: made while it is sent, without an end."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiohttp import web

from gateway.simulator.video.clip import FRAME_RATE, Clip, current_frame, load_clip, show_time

_MAX_DURATION_S = 86400.0
_VIDEO_TAG = 9
_KEY_FRAME, _INTER_FRAME, _AVC = 0x10, 0x20, 0x07
_SEQUENCE_HEADER, _NAL_UNITS = 0, 1


def flv_header(clip: Clip) -> bytes:
    """Return what an FLV stream of the clip begins with: the file's header and the decoder's configuration."""
    sps, pps = clip.sps, clip.pps
    configuration = b"\x01" + sps[1:4] + b"\xff\xe1" + len(sps).to_bytes(2) + sps + b"\x01" + len(pps).to_bytes(2) + pps
    file_header = b"FLV\x01\x01" + (9).to_bytes(4) + (0).to_bytes(4)
    return file_header + _tag(0, _KEY_FRAME, _SEQUENCE_HEADER, configuration)


def flv_frame(clip: Clip, number: int, position: int) -> bytes:
    """Return a frame of the endless loop as a tag; `position` counts the frames since the stream began."""
    frame = clip.frame(number)
    data = b"".join(len(unit).to_bytes(4) + unit for unit in frame.nal_units)
    return _tag(position * 1000 // FRAME_RATE, _KEY_FRAME if frame.is_key else _INTER_FRAME, _NAL_UNITS, data)


def _tag(time_ms: int, frame_type: int, packet_type: int, data: bytes) -> bytes:
    body = bytes([frame_type | _AVC, packet_type, 0, 0, 0]) + data
    stamp = (time_ms & 0xFFFFFF).to_bytes(3) + bytes([(time_ms >> 24) & 0x7F])
    head = bytes([_VIDEO_TAG]) + len(body).to_bytes(3) + stamp + bytes(3)
    return head + body + (len(head) + len(body)).to_bytes(4)


async def serve_flv(request: web.Request, *, duration_s: float, is_open: Callable[[], bool]) -> web.StreamResponse:
    """Send the clip in real time while the stream is open, for at most `duration_s` seconds."""
    clip = load_clip()
    response = web.StreamResponse(headers={"Content-Type": "video/x-flv"})
    await response.prepare(request)
    first = clip.next_key_frame(current_frame() + 1)
    with contextlib.suppress(ConnectionError):
        await response.write(flv_header(clip))
        for number in range(first, first + int(min(duration_s, _MAX_DURATION_S) * FRAME_RATE)):
            await asyncio.sleep(show_time(number) - time.monotonic())
            if not is_open():
                break
            await response.write(flv_frame(clip, number, number - first))
    return response
