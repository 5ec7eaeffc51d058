"""A viewer: what one browser or program that watches a picture still has to get, bounded."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from gateway.cameras.video.fragments import Fragment, InitSegment

MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""What may wait for a viewer. Then it loses pictures up to the next key frame."""

StreamState = Literal["starting", "live", "frozen", "unsupported", "ended", "refused"]


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """How a stream is: the text messages to its viewers."""

    state: StreamState
    """`starting` before the first picture, `live` while pictures come, `frozen` when none comes any more,
    `unsupported` for a codec that browsers do not show, `ended` for good, `refused` if it was not begun."""
    codec: str = ""
    """The codec as Media Source wants it, such as `avc1.42E016`; empty before the first picture."""
    width: int = 0
    """Width of the picture in pixels; 0 before the first picture."""
    height: int = 0
    """Height of the picture in pixels; 0 before the first picture."""
    problem: str = ""
    """Why there is no live picture; empty if there is one."""

    def with_segment(self, segment: InitSegment) -> "StreamStatus":
        """Return the status with what an initialisation segment says."""
        return replace(self, codec=segment.codec, width=segment.width, height=segment.height)

    def describe(self) -> dict[str, Any]:
        """Return its fields as JSON, None for what is not known."""
        return {
            "state": self.state,
            "codec": self.codec or None,
            "width": self.width or None,
            "height": self.height or None,
            "problem": self.problem or None,
        }


class Viewer:
    """One reader of a stream. Iterating yields statuses and segments, until the stream or the viewer ends."""

    def __init__(self) -> None:
        self._queue: deque[StreamStatus | bytes] = deque()
        self._queued_bytes = 0
        self._needs_key = True
        self._changed = asyncio.Event()
        self._ended = False
        self.dropped = 0
        """How many fragments were left out, since the viewer was too slow."""

    def send_status(self, status: StreamStatus) -> None:
        """Send a status. One that waits is replaced, unless segments belong to it."""
        if self._queue and isinstance(self._queue[-1], StreamStatus):
            self._queue.pop()
        self._append(status)

    def begin(self, status: StreamStatus, segment: InitSegment) -> None:
        """Begin a stream: what waits of an earlier one is dropped."""
        self._clear()
        self._append(status)
        self._append(segment.data)
        self._needs_key = True

    def send(self, fragment: Fragment) -> None:
        """Send a fragment. A viewer that is too slow loses all up to the next key frame."""
        if self._needs_key and not fragment.is_key:
            self.dropped += 1
            return
        if self._queued_bytes + len(fragment.data) > MAX_QUEUED_BYTES:
            self._drop_fragments()
            self._needs_key = True
            self.dropped += 1
            return
        self._needs_key = False
        self._append(fragment.data)

    def end(self, *, at_once: bool = False) -> None:
        """End it, after what waits or without that."""
        if at_once:
            self._clear()
        self._ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[StreamStatus | bytes]:
        """Yield what is sent, in order."""
        while True:
            while self._queue:
                item = self._queue.popleft()
                if isinstance(item, bytes):
                    self._queued_bytes -= len(item)
                yield item
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()

    def _append(self, item: StreamStatus | bytes) -> None:
        self._queue.append(item)
        if isinstance(item, bytes):
            self._queued_bytes += len(item)
        self._changed.set()

    def _clear(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0

    def _drop_fragments(self) -> None:
        """Drop the fragments that wait, and keep statuses and the initialisation segment that stands first."""
        kept: list[StreamStatus | bytes] = []
        for item in self._queue:
            if isinstance(item, StreamStatus) or item[4:8] == b"ftyp":
                kept.append(item)
            else:
                self.dropped += 1
        self._clear()
        for item in kept:
            self._append(item)
