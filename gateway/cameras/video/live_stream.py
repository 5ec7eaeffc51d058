"""The live picture of one camera: one ffmpeg, shared by its viewers, watched and restarted."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from firmware_tools.language import message
from gateway.cameras.video.fragments import Fragment, FragmentParser, InitSegment, MalformedFragments
from gateway.cameras.video.source import OpenPicture, PictureSource, SourceName
from gateway.cameras.video.viewer import StreamStatus, Viewer
from gateway.errors import CameraUnreachable, Problem
from gateway.runtime.supervisor import Service, Supervisor

START_TIMEOUT_S: Final = 10.0
"""How long the first picture may take after ffmpeg was started."""
STALL_TIMEOUT_S: Final = 3.0
"""After how long without a new picture it is frozen."""
IDLE_S: Final = 5.0
"""How long a picture goes on without viewers: a page that is loaded again finds it running."""
MAX_RESTART_DELAY_S: Final = 15.0
MAX_GROUP_BYTES: Final = 4 * 1024 * 1024
"""What is kept since the last key frame for new viewers. If it is more, they wait for the next one."""
_MAX_TURN_S: Final = 60.0
"""How long camera and cloud may take to open a stream, with `START_TIMEOUT_S`."""


class LiveStream:
    """A camera's live picture. It runs while it has viewers, and `IDLE_S` longer."""

    def __init__(
        self,
        sn: str,
        source: PictureSource,
        supervisor: Supervisor,
        *,
        on_end: Callable[["LiveStream"], None],
        stall_timeout_s: float = STALL_TIMEOUT_S,
        idle_s: float = IDLE_S,
    ) -> None:
        """Start it. `on_end` is called when it ends."""
        self.sn = sn
        self.status = StreamStatus("starting")
        """How it is now."""
        self.source: SourceName | None = None
        """Where the picture comes from; None until that is known."""
        self.pid: int | None = None
        """The process id of the ffmpeg that runs now."""
        self.starts = 0
        """How often an ffmpeg was started."""
        self._source = source
        self._supervisor = supervisor
        self._on_end = on_end
        self._stall_timeout_s = stall_timeout_s
        self._idle_s = idle_s
        self._viewers: set[Viewer] = set()
        self._segment: InitSegment | None = None
        self._group: list[Fragment] = []
        """The fragments since the last key frame; empty if they are too many."""
        self._group_bytes = 0
        self._key: Fragment | None = None
        self._key_waiters: set[asyncio.Future[None]] = set()
        self._ended = False
        self._left_at = 0.0
        """When the last viewer left, on the monotonic clock."""
        self._ending: asyncio.Task[None] | None = None
        self._service = supervisor.start_service(
            f"picture of camera {sn}", self._run, max_turn_s=_MAX_TURN_S, max_delay_s=MAX_RESTART_DELAY_S
        )

    @property
    def viewers(self) -> int:
        """How many watch it."""
        return len(self._viewers)

    @contextlib.contextmanager
    def watch(self) -> Iterator[Viewer]:
        """Give a viewer the picture for the time of the block, from the last key frame on."""
        viewer = Viewer()
        if self._ended:
            viewer.end()
        elif self._segment is not None and self.status.state == "live":
            viewer.begin(self.status, self._segment)
            for fragment in self._group:
                viewer.send(fragment)
        else:
            viewer.send_status(self.status)
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            self._left_at = time.monotonic()
            if not self._viewers and (self._ending is None or self._ending.done()) and not self._ended:
                self._ending = self._supervisor.start_job("end of idle pictures", self._end_when_idle())

    async def wait_for_key_frame(self) -> bytes:
        """Return the last key frame with what a decoder needs before it, waiting for the first one.

        Raises `CameraUnreachable` if the picture does not come, or is frozen.
        """
        while self._key is None or self._segment is None or self.status.state not in ("live", "unsupported"):
            only_unsupported = self._segment is not None and self.status.state == "unsupported"
            if self._ended or (self.status.problem and not only_unsupported):
                raise CameraUnreachable(
                    message(
                        "the camera {sn} shows no picture: {problem}",
                        sn=self.sn,
                        problem=self.status.problem or "it ended",
                    )
                )
            waiter = asyncio.get_running_loop().create_future()
            self._key_waiters.add(waiter)
            try:
                await waiter
            finally:
                self._key_waiters.discard(waiter)
        return self._segment.data + self._key.data

    def describe(self) -> dict[str, Any]:
        """Return its fields as JSON."""
        return self.status.describe() | {"source": self.source, "viewers": self.viewers}

    async def close(self) -> None:
        """End it, and with it its viewers."""
        if self._ended:
            return
        self._ended = True
        self._on_end(self)
        self._set_status(replace(self.status, state="ended"))
        for viewer in self._viewers:
            viewer.end()
        await self._supervisor.remove_service(self._service)

    async def _end_when_idle(self) -> None:
        while not self._viewers and not self._ended:
            rest_s = self._left_at + self._idle_s - time.monotonic()
            if rest_s <= 0:
                await self.close()
            await asyncio.sleep(max(0.0, rest_s))

    async def _run(self, service: Service) -> None:
        """Copy the picture until it breaks off, which raises `CameraUnreachable` or another `Problem`."""
        try:
            async with self._source.open(self.sn) as picture:
                self.source, self.pid = picture.source, picture.process.pid
                self.starts += 1
                await self._copy(picture, service.heartbeat)
        except Problem as exc:
            self._report_trouble(exc.detail)
            raise
        except MalformedFragments as exc:
            self._report_trouble(message("the picture cannot be read: {reason}", reason=exc))
            raise CameraUnreachable(
                message("the picture of the camera {sn} cannot be read: {reason}", sn=self.sn, reason=exc)
            ) from exc
        except Exception:
            self._report_trouble(message("the gateway failed"))
            raise
        finally:
            self.pid = None
            self._segment = None
            self._clear_group()
            self._key = None

    async def _copy(self, picture: OpenPicture, heartbeat: Callable[[], None]) -> None:
        parser = FragmentParser()
        timeout_s = START_TIMEOUT_S
        while True:
            data = await read_in_time(picture, timeout_s)
            if data is None:
                raise CameraUnreachable(
                    message("no picture of the camera {sn} came for {timeout_s:g} s", sn=self.sn, timeout_s=timeout_s)
                )
            if not data:
                reason = picture.find_problem() or message("it ended")
                raise CameraUnreachable(
                    message("the picture of the camera {sn} broke off: {reason}", sn=self.sn, reason=reason)
                )
            for part in parser.feed(data):
                if isinstance(part, InitSegment):
                    self._take_segment(part)
                else:
                    self._publish(part)
                    timeout_s = self._stall_timeout_s
            heartbeat()

    def _take_segment(self, segment: InitSegment) -> None:
        self._segment = segment
        self._clear_group()
        if not segment.is_h264:
            problem = message(
                "the camera {sn} sends {codec_name}, which browsers do not show: set it to H.264",
                sn=self.sn,
                codec_name=segment.codec_name,
            )
            self._set_status(StreamStatus("unsupported", problem=problem).with_segment(segment))

    def _publish(self, fragment: Fragment) -> None:
        if fragment.is_key:
            self._clear_group()
            self._key = fragment
            self._begin()
        if fragment.is_key or self._group:
            self._group.append(fragment)
            self._group_bytes += len(fragment.data)
            if self._group_bytes > MAX_GROUP_BYTES:
                self._clear_group()
        if self.status.state == "live":
            for viewer in self._viewers:
                viewer.send(fragment)

    def _begin(self) -> None:
        """Go live with the first key frame."""
        if self._segment is not None and self._segment.is_h264 and self.status.state != "live":
            self.status = StreamStatus("live").with_segment(self._segment)
            for viewer in self._viewers:
                viewer.begin(self.status, self._segment)
        self._wake_waiters()

    def _clear_group(self) -> None:
        self._group.clear()
        self._group_bytes = 0

    def _report_trouble(self, problem: str) -> None:
        """Tell viewers that there is no live picture: frozen if they have seen one."""
        state = self.status.state if self.status.state in ("starting", "unsupported") else "frozen"
        self._set_status(replace(self.status, state=state, problem=problem))

    def _set_status(self, status: StreamStatus) -> None:
        self.status = status
        for viewer in self._viewers:
            viewer.send_status(status)
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        for waiter in self._key_waiters:
            if not waiter.done():
                waiter.set_result(None)


async def read_in_time(picture: OpenPicture, timeout_s: float) -> bytes | None:
    """Return the next output, nothing at its end, or None if nothing comes in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await picture.process.read()
    except TimeoutError:
        return None
