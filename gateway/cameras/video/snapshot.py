"""Snapshots: a JPEG of the last key frame of a picture that runs, or of the first one of a picture that does not."""

import asyncio
import os
from typing import Final

from firmware_tools.language import message
from gateway.cameras.video.ffmpeg import FfmpegProcess, PictureOutput, key_frame_arguments, run_ffmpeg
from gateway.cameras.video.source import PictureSource
from gateway.errors import CameraResponseMalformed, CameraUnreachable, Overloaded, Problem

MAX_JPEG_BYTES: Final = 4 * 1024 * 1024
_TIMEOUT_S: Final = 10.0
_MAX_CONCURRENCY: Final = 2
_TAKE_TIMEOUT_S: Final = 20.0
"""How long a picture that does not run may take, with what the camera needs to open it."""
_TAKEN_PER_PROCESSOR: Final = 4
"""How many of them are taken at the same time: most of the time, each waits for a key frame."""
_MAX_TAKEN: Final = 12
"""How many they are at most: each takes some 25 MB of memory."""
_JPEG_BEGIN: Final = b"\xff\xd8"


class SnapshotMaker:
    """Makes JPEGs, few at a time, and none twice."""

    def __init__(self, source: PictureSource) -> None:
        self._source = source
        self._slots = asyncio.Semaphore(_MAX_CONCURRENCY)
        self._taking = asyncio.Semaphore(min(_MAX_TAKEN, _TAKEN_PER_PROCESSOR * (os.cpu_count() or 1)))
        self._last: dict[str, tuple[PictureOutput, bytes, bytes]] = {}
        """The last key frame of each camera, and its JPEG."""

    async def convert(self, sn: str, key_frame: bytes, output: PictureOutput) -> bytes:
        """Return a JPEG of a key frame, which begins with its initialisation segment.

        Raises `CameraResponseMalformed` if the picture cannot be decoded, and `Conflict` if ffmpeg is not installed.
        """
        async with self._slots:
            known = self._last.get(sn)
            if known is not None and known[:2] == (output, key_frame):
                return known[2]
            async with run_ffmpeg(key_frame_arguments(output)) as process:
                process.write(key_frame)
                process.end_input()
                jpeg, reason = await _read_jpeg(process, _TIMEOUT_S)
            if not jpeg:
                raise CameraResponseMalformed(
                    message("the picture of the camera {sn} cannot be decoded: {reason}", sn=sn, reason=reason)
                )
            self._last[sn] = output, key_frame, jpeg
            return jpeg

    async def take(self, sn: str, output: PictureOutput) -> bytes:
        """Return a JPEG of a picture that does not run: one ffmpeg reads it up to its first key frame.

        Raises `CameraUnreachable` if there is no picture, `Conflict` if ffmpeg is not installed, and `Overloaded` if it
        cannot be started.
        """
        async with self._taking:
            try:
                async with asyncio.timeout(_TAKE_TIMEOUT_S), self._source.open(sn, output=output) as picture:
                    jpeg, problem = await _read_jpeg(picture.process, _TIMEOUT_S)
                    if jpeg:
                        return jpeg
                    problem = problem or picture.find_problem()
            except TimeoutError:
                problem = message("it took longer than {seconds:g} s", seconds=_TAKE_TIMEOUT_S)
            except Overloaded:
                raise
            except Problem as exc:
                problem = exc.detail
        raise CameraUnreachable(
            message("the camera {sn} shows no picture: {problem}", sn=sn, problem=problem or message("it ended"))
        )

    def forget(self, sn: str) -> None:
        """Forget the last snapshot of a camera."""
        self._last.pop(sn, None)


async def _read_jpeg(process: FfmpegProcess, timeout_s: float) -> tuple[bytes, str]:
    """Return the JPEG that an ffmpeg writes; or nothing, and why as far as that is known."""
    try:
        async with asyncio.timeout(timeout_s):
            jpeg = await process.read_all(MAX_JPEG_BYTES)
    except TimeoutError:
        return b"", message("it took longer than {seconds:g} s", seconds=timeout_s)
    return (jpeg, "") if jpeg.startswith(_JPEG_BEGIN) else (b"", process.message)
