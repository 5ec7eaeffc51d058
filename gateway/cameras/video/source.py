"""Where a picture comes from: the camera itself, or the cloud where the camera cannot."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

from firmware_tools.language import describe_error
from gateway.cameras.cameras import Cameras
from gateway.cameras.connection import MalformedCameraResponse
from gateway.cameras.registry import Registry
from gateway.cameras.video.ffmpeg import (
    FRAGMENTS,
    FfmpegProcess,
    PictureOutput,
    flv_arguments,
    require_ffmpeg,
    rtsp_arguments,
    run_ffmpeg,
)
from gateway.cameras.video.rtsp_relay import open_relay
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.stream_url import RtspAddress, parse_rtsp_url
from gateway.runtime.supervisor import Supervisor

SourceName = Literal["camera", "cloud"]

_LIVE: Final = CATALOGUE.get("camera", "media/getLiveStream")
_PLAYBACK: Final = CATALOGUE.get("camera", "media/getPlaybackStream")
_UNKNOWN_PATH: Final = 404
_LIVE_FIELDS: Final = ("hd_live_url", "fhd_live_url")
"""The smaller picture first: two of the larger are much for a small computer and its network."""


class Period(NamedTuple):
    """What is played back."""

    start: int
    """Unix time in seconds."""
    end: int
    """Unix time in seconds."""


class CloudStreamOpener(Protocol):
    """Streams of the cloud, as FLV."""

    def open(self, sn: str, period: tuple[int, int] | None) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the live picture of a camera, or a period in Unix seconds, for the time of the block.

        Raises `Problem`, `NotFound` among them for a camera that the cloud does not know.
        """


class OpenPicture(NamedTuple):
    """A picture that an ffmpeg reads now."""

    process: FfmpegProcess
    """The ffmpeg."""
    source: SourceName
    """Where the picture comes from."""
    find_problem: Callable[[], str]
    """Returns why it ended, as far as that is known; else an empty text."""


class PictureSource:
    """Opens the picture of a camera: by its own RTSP, or by the cloud where its firmware has no such call."""

    def __init__(self, cameras: Cameras, registry: Registry, cloud: CloudStreamOpener, supervisor: Supervisor) -> None:
        self._cameras = cameras
        self._registry = registry
        self._cloud = cloud
        self._supervisor = supervisor

    async def find_address(self, sn: str, period: Period | None = None, *, largest: bool = False) -> RtspAddress | None:
        """Ask a camera for the address of its stream. None if its firmware has no such call.

        Raises the same as `Cameras.call`.
        """
        endpoint = _LIVE if period is None else _PLAYBACK
        arguments = {} if period is None else {"start_time": period.start, "end_time": period.end}
        try:
            response = await self._cameras.call(sn, endpoint.encode(arguments))
        except MalformedCameraResponse as exc:
            if exc.http_status == _UNKNOWN_PATH:
                return None
            raise
        data: Any = response.data if isinstance(response.data, dict) else {}
        fields = ("playback_url",) if period is not None else _LIVE_FIELDS[::-1] if largest else _LIVE_FIELDS
        url = next((data[field] for field in fields if data.get(field)), None)
        return parse_rtsp_url(url, self._registry.get(sn).address.rpartition(":")[0])

    @contextlib.asynccontextmanager
    async def open(
        self, sn: str, period: Period | None = None, *, output: PictureOutput = FRAGMENTS
    ) -> AsyncIterator[OpenPicture]:
        """Run an ffmpeg that reads a camera's live picture, or a period, for the time of the block. Raises `Problem`.

        Raises `Conflict` before any call if ffmpeg is not installed.
        """
        require_ffmpeg()
        address = await self.find_address(sn, period)
        opened = self._open_cloud(sn, period, output) if address is None else self._open_rtsp(sn, address, output)
        async with opened as picture:
            yield picture

    @contextlib.asynccontextmanager
    async def _open_rtsp(self, sn: str, address: RtspAddress, output: PictureOutput) -> AsyncIterator[OpenPicture]:
        camera = self._registry.get(sn)
        interface = camera.find_interface(camera.address)
        async with (
            open_relay(address, interface) as relay,
            run_ffmpeg(rtsp_arguments(relay.local_url, output)) as process,
        ):
            yield OpenPicture(process, "camera", lambda: relay.problem or process.message)

    @contextlib.asynccontextmanager
    async def _open_cloud(self, sn: str, period: Period | None, output: PictureOutput) -> AsyncIterator[OpenPicture]:
        arguments = flv_arguments(output, real_time=period is not None)
        async with self._cloud.open(sn, period) as chunks, run_ffmpeg(arguments) as process:
            feeding = self._supervisor.start_job("picture from the cloud", _feed(process, chunks))
            try:
                yield OpenPicture(process, "cloud", lambda: _describe_failure(feeding) or process.message)
            finally:
                feeding.cancel()
                await asyncio.wait([feeding])


async def _feed(process: FfmpegProcess, chunks: AsyncIterator[bytes]) -> None:
    """Pass on what the cloud sends, until one side ends."""
    try:
        async for chunk in chunks:
            if not process.write(chunk):
                return
    finally:
        process.end_input()


def _describe_failure(job: "asyncio.Task[None]") -> str:
    failure = job.exception() if job.done() and not job.cancelled() else None
    return "" if failure is None else describe_error(failure)
