"""The pictures of all cameras: live, recorded, and as snapshots. At most a few at the same time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from firmware_tools.language import count_message, message
from gateway.cameras.activation_probe import require_managed
from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.cameras.video.ffmpeg import JPEG, SMALL_JPEG, require_ffmpeg
from gateway.cameras.video.live_stream import IDLE_S, STALL_TIMEOUT_S, LiveStream
from gateway.cameras.video.playback import check_period, play
from gateway.cameras.video.snapshot import SnapshotMaker
from gateway.cameras.video.source import CloudStreamOpener, Period, PictureSource
from gateway.cameras.video.viewer import StreamStatus, Viewer
from gateway.errors import Overloaded
from gateway.runtime.supervisor import Supervisor
from gateway.settings import VideoSettings

MAX_VIEWERS: Final = 20
"""The most viewers of all pictures together."""
_RETRY_AFTER_S: Final = 10


class CameraVideo:
    """Pictures of cameras. Each costs a child process, so their number is limited."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        supervisor: Supervisor,
        settings: VideoSettings,
        cloud: CloudStreamOpener,
        *,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        idle_s: float = IDLE_S,
    ) -> None:
        self._registry = registry
        self._supervisor = supervisor
        self._max_streams = settings.max_streams
        self._source = PictureSource(cameras, registry, cloud, supervisor)
        self._stall_timeout_s = stall_timeout_s
        self._idle_s = idle_s
        self._live: dict[str, LiveStream] = {}
        self._playbacks: dict[Viewer, asyncio.Task[None]] = {}
        self._viewers: dict[Viewer, str] = {}
        """All viewers, and the token of each."""
        self._snapshots = SnapshotMaker(self._source)

    @contextlib.asynccontextmanager
    async def watch(self, sn: str, *, token: str = "") -> AsyncIterator[Viewer]:
        """Give a viewer the live picture of a managed camera for the time of the block.

        `token` is the name of the caller's token: with it the viewer ends. Raises `NotFound`, `NotManaged`,
        `Conflict` if ffmpeg is not installed, and `Overloaded` if too many pictures or viewers are open.
        """
        stream = await self._open(sn)
        with stream.watch() as viewer:
            self._viewers[viewer] = token
            try:
                yield viewer
            finally:
                del self._viewers[viewer]

    @contextlib.asynccontextmanager
    async def play(self, sn: str, period: Period, *, token: str = "") -> AsyncIterator[Viewer]:
        """Give a viewer what a managed camera has recorded in a period, for the time of the block.

        Raises `InvalidRequest` for the period, and the same as `watch`.
        """
        check_period(period)
        await self._make_room(sn)
        viewer = Viewer()
        viewer.send_status(StreamStatus("starting"))
        job = self._supervisor.start_job("playback", play(sn, period, self._source, viewer))
        self._playbacks[viewer], self._viewers[viewer] = job, token
        try:
            yield viewer
        finally:
            del self._playbacks[viewer], self._viewers[viewer]
            job.cancel()
            await asyncio.wait([job])

    async def snapshot(self, sn: str) -> bytes:
        """Return a JPEG of a managed camera's picture: of its last key frame.

        Raises `CameraUnreachable` if there is no picture, and the same as `watch`.
        """
        key_frame = await _wait_for_key_frame(await self._open(sn))
        return await self._snapshots.convert(sn, key_frame, JPEG)

    async def small_snapshot(self, sn: str) -> bytes:
        """Return a small JPEG of a managed camera's picture, to be kept.

        It does not begin a live picture, nor count among `video.max_streams`; where one runs, it is of that. How many
        are taken at the same time is bounded by the number of processors; others wait. Raises the same as `snapshot`.
        """
        self._require_managed(sn)
        require_ffmpeg()
        stream = self._live.get(sn)
        if stream is None:
            return await self._snapshots.take(sn, SMALL_JPEG)
        return await self._snapshots.convert(sn, await _wait_for_key_frame(stream), SMALL_JPEG)

    async def find_rtsp_url(self, sn: str) -> str | None:
        """Ask a camera for the address of its stream, for a recorder. None if its firmware has no such call.

        Raises the same as `Cameras.call`.
        """
        address = await self._source.find_address(sn, largest=True)
        return None if address is None else address.url

    def describe(self, sn: str) -> dict[str, Any]:
        """Return how the live picture of a camera is now, as JSON: its state is None while nobody watches."""
        stream = self._live.get(sn)
        if stream is not None:
            return stream.describe()
        return StreamStatus("starting").describe() | {"state": None, "source": None, "viewers": 0}

    def find_stream(self, sn: str) -> LiveStream | None:
        """Return the live picture of a camera, if it runs now."""
        return self._live.get(sn)

    @property
    def streams(self) -> int:
        """How many pictures are open."""
        return len(self._live) + len(self._playbacks)

    def end(self, token: str) -> None:
        """End the viewers of a token that was revoked."""
        for viewer, own in self._viewers.items():
            if own == token:
                viewer.end()

    async def end_viewers(self) -> None:
        """End all viewers: the server that they are connected to stops."""
        for viewer in self._viewers:
            viewer.end()

    async def close(self) -> None:
        """End every picture."""
        await self.end_viewers()
        for stream in list(self._live.values()):
            await stream.close()
        for job in list(self._playbacks.values()):
            job.cancel()

    async def _open(self, sn: str) -> LiveStream:
        stream = self._live.get(sn)
        if stream is None:
            await self._make_room(sn)
            stream = self._live.get(sn)  # opened meanwhile
        else:
            self._check_viewers()
        if stream is None:
            stream = self._live[sn] = LiveStream(
                sn,
                self._source,
                self._supervisor,
                on_end=self._forget,
                stall_timeout_s=self._stall_timeout_s,
                idle_s=self._idle_s,
            )
        return stream

    def _require_managed(self, sn: str) -> None:
        require_managed(self._registry.get(sn))

    async def _make_room(self, sn: str) -> None:
        """End a picture without viewers if there are too many. Raises `Overloaded` if there is none."""
        self._require_managed(sn)
        require_ffmpeg()
        self._check_viewers()
        if self.streams >= self._max_streams:
            idle = next((stream for stream in self._live.values() if not stream.viewers), None)
            if idle is None:
                raise Overloaded(
                    count_message(
                        "{count} picture is open, and the setting video.max_streams allows {max_streams}: close it, "
                        "or raise the setting",
                        "{count} pictures are open, and the setting video.max_streams allows {max_streams}: close one, "
                        "or raise the setting",
                        self.streams,
                        max_streams=self._max_streams,
                    ),
                    retry_after_s=_RETRY_AFTER_S,
                )
            await idle.close()

    def _check_viewers(self) -> None:
        if len(self._viewers) >= MAX_VIEWERS:
            raise Overloaded(
                message("{max_viewers} viewers watch pictures, which is the most", max_viewers=MAX_VIEWERS),
                retry_after_s=_RETRY_AFTER_S,
            )

    def _forget(self, stream: LiveStream) -> None:
        if self._live.get(stream.sn) is stream:
            del self._live[stream.sn]
            self._snapshots.forget(stream.sn)


async def _wait_for_key_frame(stream: LiveStream) -> bytes:
    """Return the last key frame of a picture, which goes on for a while after that."""
    with stream.watch() as viewer:
        viewer.end()
        return await stream.wait_for_key_frame()
