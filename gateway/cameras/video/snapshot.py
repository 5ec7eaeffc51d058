"""Snapshots: a JPEG of the last key frame."""

import asyncio
from collections.abc import Sequence
from typing import Final

from firmware_tools.language import message
from gateway.cameras.video.ffmpeg import JPEG_ARGUMENTS, SMALL_JPEG_ARGUMENTS, run_ffmpeg
from gateway.errors import CameraResponseMalformed

MAX_JPEG_BYTES: Final = 4 * 1024 * 1024
_TIMEOUT_S: Final = 10.0
_MAX_CONCURRENCY: Final = 2


class SnapshotMaker:
    """Makes JPEGs, few at a time, and none twice."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_MAX_CONCURRENCY)
        self._last: dict[str, tuple[bytes, bytes]] = {}
        """The last key frame of each camera, and its JPEG."""

    async def make(self, sn: str, key_frame: bytes) -> bytes:
        """Return a JPEG of a key frame, which begins with its initialisation segment.

        Raises `CameraResponseMalformed` if the picture cannot be decoded, and `Conflict` if ffmpeg is not installed.
        """
        async with self._slots:
            known = self._last.get(sn)
            if known is not None and known[0] == key_frame:
                return known[1]
            jpeg = await _convert(sn, JPEG_ARGUMENTS, key_frame)
            self._last[sn] = key_frame, jpeg
            return jpeg

    async def shrink(self, sn: str, jpeg: bytes) -> bytes:
        """Return a small JPEG of a snapshot, to be kept. Raises the same as `make`."""
        async with self._slots:
            return await _convert(sn, SMALL_JPEG_ARGUMENTS, jpeg)

    def forget(self, sn: str) -> None:
        """Forget the last snapshot of a camera."""
        self._last.pop(sn, None)


async def _convert(sn: str, arguments: Sequence[str], data: bytes) -> bytes:
    jpeg, reason = b"", ""
    async with run_ffmpeg(arguments) as process:
        process.write(data)
        process.end_input()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                jpeg = await process.read_all(MAX_JPEG_BYTES)
        except TimeoutError:
            reason = message("it took longer than {seconds:g} s", seconds=_TIMEOUT_S)
        reason = reason or process.message
    if not jpeg.startswith(b"\xff\xd8"):
        raise CameraResponseMalformed(
            message("the picture of the camera {sn} cannot be decoded: {reason}", sn=sn, reason=reason)
        )
    return jpeg
