"""The journal: every event that happened in the store, durable and in order, for readers that come and go.

What `record` returns for is on the disk; subscribers are told after that, in order, and after whoever waited for it.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from gateway.errors import Problem, StateError
from gateway.events.event import Event, EventFilter, NewEvent, Notice, Position, Span
from gateway.events.retention_table import Kept, Limits, forget_face, forget_persons, prune
from gateway.protocol import json_text
from gateway.runtime.failure_log import FailureLog
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit
from gateway.storage.uptime_table import Uptime

__all__ = ["Event", "EventFilter", "EventLog", "Limits", "NewEvent", "Notice", "Page", "Position", "Span"]

CALLBACKS_KEPT_S: Final = 3600.0
"""How long a callback is recognised, in running time: longer than its timestamp is accepted."""
_LOOK_EVERY_S: Final = 3600.0
_WINDOW: Final = 20_000
"""How many events one page looks through for the wanted ones: the database has other work, too."""
_OVERHEAD_BYTES: Final = 120

_log = logging.getLogger(__name__)


class Page(NamedTuple):
    """Events in order, and the number up to which the journal was looked through."""

    events: list[Event]
    upto: int


@dataclass(frozen=True, slots=True)
class _Offer:
    draft: NewEvent
    time_ms: int
    data: str
    live: str | None
    digest: bytes | None

    @property
    def size(self) -> int:
        return len(self.data) + _OVERHEAD_BYTES


class EventLog:
    """The events in the database; made by `open`. Writing raises `StateError` when that fails."""

    def __init__(
        self, database: Database, running: Uptime, now: Callable[[], float], limits: Limits, begun: "_Begun"
    ) -> None:
        self.epoch = begun.epoch
        self.ticket_key = begun.ticket_key
        """Signs the tickets with which browsers read the stream."""
        self.told = begun.kept.next - 1
        """The number of the last event that subscribers were told of."""
        self._database = database
        self._running = running
        self._now = now
        self._limits = limits
        self._kept = begun.kept
        self._grown: Kept | None = None
        self._pruned = begun.kept
        self._untold: list[Event] = []
        self._subscribers: list[Callable[[Sequence[Event]], None]] = []
        self._commit: GroupCommit[_Offer, Event | None] = GroupCommit(
            database, bulk=self._write, last=self._keep_within_limits, committed=self._committed
        )
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        database: Database,
        running: Uptime,
        *,
        now: Callable[[], float] = time.time,
        limits: Limits = Limits(),  # noqa: B008  immutable
    ) -> Self:
        """Take up the journal; `now` gives the time of events, in Unix seconds."""
        begun = await database.transact(_begin)
        event_log = cls(database, running, now, limits, begun)
        event_log._keeper = asyncio.create_task(event_log._keep())
        return event_log

    async def close(self) -> None:
        """Write what is under way."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._commit.close()

    @property
    def running_s(self) -> float:
        """The running time in seconds, by which the journal counts ages."""
        return self._running.now()

    @property
    def span(self) -> Span:
        """What there is to read now."""
        return Span(self.epoch, self._kept.oldest, self.told)

    def subscribe(self, callback: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Tell of every event from now on, in order; return what ends that."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def record(self, draft: NewEvent, *, digest: bytes | None = None) -> Event | None:
        """Write an event down and return it; None when what has this `digest` was recorded before."""
        return await self._commit.offer(
            _Offer(
                draft,
                int(self._now() * 1000),
                json_text.dumps(draft.data),
                None if draft.live is None else json_text.dumps(draft.live),
                digest,
            )
        )

    async def page(self, after: int, wanted: EventFilter, *, limit: int) -> Page:
        """Return the wanted events after the given number that subscribers were told of, the oldest first."""
        upto = min(self.told, max(after, self._kept.oldest - 1) + _WINDOW)
        condition, parameters = wanted.condition
        rows = await self._database.inspect(
            lambda connection: connection.execute(
                "SELECT number, time_ms, type, source, camera, data FROM event "  # noqa: S608  our own condition
                f"WHERE number > ? AND number <= ? AND {condition} ORDER BY number LIMIT ?",
                (after, upto, *parameters, limit),
            ).fetchall()
        )
        events = [Event(self.epoch, *row) for row in rows]
        return Page(events, events[-1].number if len(events) == limit else max(after, upto))

    async def erase_face(self, face_id: str) -> int:
        """Erase everything about a face, from the log of the database too; return from how many events."""
        erased = await self._database.transact(lambda connection: forget_face(connection, face_id))
        if erased:
            await self._database.scrub()
        return erased

    async def expire(self) -> None:
        """Let go of what is too old. Nothing is written where nothing is."""
        erased = before = -1
        while erased:
            erased = await self._database.transact(
                lambda connection: forget_persons(connection, self._limits, self._running.now())
            )
        while before != self._kept.oldest:
            before = self._kept.oldest
            await self._commit.write(lambda _: None)

    async def _keep(self) -> None:
        unremoved = FailureLog(_log, "events that are too old cannot be removed")
        while True:
            try:
                await self.expire()
            except StateError as exc:
                unremoved.failed(exc)
            else:
                unremoved.recovered()
            await asyncio.sleep(_LOOK_EVERY_S)

    # In the database's thread

    def _write(self, connection: sqlite3.Connection, offers: Sequence[_Offer]) -> list[Event | Problem | None]:
        now_s = self._running.now()
        if any(offer.digest for offer in offers):
            connection.execute("DELETE FROM callback WHERE taken_s < ?", (now_s - CALLBACKS_KEPT_S,))
        number, size = self._kept.next, self._kept.size
        done: list[Event | Problem | None] = []
        rows = []
        for offer in offers:
            if offer.digest is not None and not _is_new(connection, offer.digest, now_s):
                done.append(None)
                continue
            draft = offer.draft
            done.append(
                Event(self.epoch, number, offer.time_ms, draft.type, draft.source, draft.camera, offer.data, offer.live)
            )
            rows.append(
                (number, offer.time_ms, draft.type, draft.source, draft.camera, offer.data, draft.face_id,
                 draft.personal, offer.size, now_s)
            )  # fmt: skip
            number, size = number + 1, size + offer.size
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._grown = Kept(self._kept.oldest, number, size)
        return done

    def _keep_within_limits(self, connection: sqlite3.Connection) -> None:
        grown, self._grown = self._grown or self._kept, None
        self._pruned = prune(connection, grown, self._limits, self._running.now())
        if self._pruned != self._kept:
            connection.execute("UPDATE journal SET next_number = ?, bytes = ?", (self._pruned.next, self._pruned.size))

    # In the event loop

    def _committed(self, written: Sequence[tuple[_Offer, Event | None]]) -> None:
        self._kept = self._pruned
        self._untold += [event for _, event in written if event is not None]
        loop = asyncio.get_running_loop()
        # In the second turn from now: in the next one, whoever recorded these events is woken and answers.
        loop.call_soon(loop.call_soon, self._tell)

    def _tell(self) -> None:
        events, self._untold = self._untold, []
        if not events:
            return
        self.told = events[-1].number
        for callback in self._subscribers.copy():
            try:
                callback(events)
            except Exception:
                _log.exception("a subscriber failed at the events up to %s", events[-1].id)


class _Begun(NamedTuple):
    epoch: str
    ticket_key: bytes
    kept: Kept


def _begin(connection: sqlite3.Connection) -> _Begun:
    """Read where the journal stands; a row that a repair could not save is made anew."""
    connection.execute("INSERT OR IGNORE INTO journal VALUES (1, lower(hex(randomblob(3))), 1, 0, randomblob(32))")
    epoch, following, size, key = connection.execute(
        "SELECT epoch, next_number, bytes, ticket_key FROM journal"
    ).fetchone()
    oldest, newest = connection.execute("SELECT min(number), max(number) FROM event").fetchone()
    following = max(following, (newest or 0) + 1)
    return _Begun(epoch, key, Kept(following if oldest is None else oldest, following, size))


def _is_new(connection: sqlite3.Connection, digest: bytes, now_s: float) -> bool:
    return connection.execute("INSERT OR IGNORE INTO callback VALUES (?, ?)", (digest, now_s)).rowcount == 1
