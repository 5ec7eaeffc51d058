"""The observer: writes down in the journal what the parts of the gateway notice."""

import asyncio
import contextlib
import logging
import shutil
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Change, Registry
from gateway.errors import StateError
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.outbox.relay_events import CloudBack, CloudLost, ItemRefused, News, QueueBlocked
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text
from gateway.runtime.token_bucket import TokenBucket

CLOCK_WRONG_S: Final = 60.0
"""From how large a difference to the cloud's time on this machine's clock counts as wrong, in seconds."""
DISK_LOW_BYTES: Final = 256 * 1024 * 1024
"""Below how many free bytes the disk counts as nearly full; on a small one, below a twentieth of it."""

_LOOK_EVERY_S: Final = 60.0
_AGAIN_S: Final = 10.0
_MOST_PENDING: Final = 1000
_STRANGERS_PER_S: Final = 1 / 60
_STRANGERS_IN_A_ROW: Final = 1000

_log = logging.getLogger(__name__)


class SystemEvents:
    """Listens to the parts and records events in the order in which things happened.

    Anybody on the network can invent cameras; what cameras do that nobody manages is recorded at a bounded rate.
    """

    def __init__(self, event_log: EventLog, registry: Registry, clock: PeerClock, folder: Path) -> None:
        self._event_log = event_log
        self._clock = clock
        self._folder = folder
        self._pending: deque[NewEvent] = deque(maxlen=_MOST_PENDING)
        self._news = asyncio.Event()
        self._strangers = TokenBucket(_STRANGERS_PER_S, _STRANGERS_IN_A_ROW)
        self._clock_is_wrong = self._disk_is_low = False
        self._unwritten = FailureLog(_log, "events cannot be written down, so it is tried again")
        self._unknown_room = FailureLog(_log, "how full the disk is cannot be told", level=logging.WARNING)
        self._tasks = [asyncio.create_task(self._write())]
        registry.subscribe(self._camera_changed)

    def start(self) -> None:
        """Begin to look at the clock and the disk from time to time."""
        self._tasks.append(asyncio.create_task(self._look()))

    async def close(self) -> None:
        """Write what is pending, if it can be written, and stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(StateError):
            await self._write_pending()

    def note(self, kind: str, data: dict[str, Any], camera: str | None = None) -> None:
        """Record an event of the gateway's own soon, after all that were noted before."""
        self._pending.append(NewEvent(kind, "gateway", data, camera))
        self._news.set()

    def relay_told(self, news: News) -> None:
        """Record what the relay tells."""
        match news:
            case ItemRefused():
                self.note("outbox.refused", asdict(news))
            case QueueBlocked():
                self.note("outbox.blocked", asdict(news) | {"since": utc_text(news.since)})
            case CloudLost():
                self.note("cloud.lost", asdict(news))
            case CloudBack():
                self.note("cloud.back", {})

    def _camera_changed(self, change: Change, camera: CameraRecord) -> None:
        kind, data = _described(change, camera)
        if not camera.managed:
            if self._strangers.delay_s() > 0:
                return
            self._strangers.take()
        self.note(kind, data, camera.sn)

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._pending:
                try:
                    await self._write_pending()
                except StateError as exc:
                    self._unwritten.failed(exc)
                    await asyncio.sleep(_AGAIN_S)
                else:
                    self._unwritten.recovered()

    async def _write_pending(self) -> None:
        while self._pending:
            draft = self._pending[0]
            await self._event_log.append(draft)
            if self._pending and self._pending[0] is draft:
                self._pending.popleft()

    def look(self) -> None:
        """Look at the clock and the disk now."""
        self._look_at_clock()
        self._look_at_disk(shutil.disk_usage(self._folder))

    async def _look(self) -> None:
        while True:
            try:
                self.look()
            except OSError as exc:
                self._unknown_room.failed(exc)
            else:
                self._unknown_room.recovered()
            await asyncio.sleep(_LOOK_EVERY_S)

    def _look_at_clock(self) -> None:
        offset_s = self._clock.offset_s
        if offset_s is None:
            return
        wrong = abs(offset_s) > CLOCK_WRONG_S
        if wrong != self._clock_is_wrong:
            self._clock_is_wrong = wrong
            self.note("clock.wrong" if wrong else "clock.right", {"cloud_ahead_s": round(offset_s)})

    def _look_at_disk(self, disk: Any) -> None:
        threshold = min(DISK_LOW_BYTES, disk.total // 20)
        # Some way apart, so that a disk at the threshold is not low and right again all the time.
        low = disk.free < (threshold * 5 // 4 if self._disk_is_low else threshold)
        if low != self._disk_is_low:
            self._disk_is_low = low
            self.note("disk.low" if low else "disk.ok", {"free_bytes": disk.free, "total_bytes": disk.total})


def _described(change: Change, camera: CameraRecord) -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = {"managed": camera.managed, "address": camera.address or None, "name": camera.name}
    match change:
        case "found":
            return "camera.found", data | {"model": camera.model or None}
        case "activation":
            kind = "camera.activated" if camera.activation == "activated" else "camera.not_activated"
            return kind, data | {"activation": camera.activation}
        case "untrusted":
            shown = {"remembered": camera.certificate_sha256, "shown": camera.shown_sha256}
            return "camera.certificate_changed", data | shown
        case "pinned":
            return "camera.trusted", data | {"certificate_sha256": camera.certificate_sha256}
        case _:
            return f"camera.{change}", data
