"""The event log: everything that happened in the store, durable and in order, for readers that come and go.

An event that `append` returned is on the disk. Subscribers get it after that, in order, and after the caller of
`append` was woken.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

from gateway.errors import Problem
from gateway.events import retention_table as retention
from gateway.events import table
from gateway.events.bus import EventBus, Subscriber
from gateway.events.cursor import LogRange
from gateway.events.event import Event, EventFilter, NewEvent
from gateway.events.retention_table import RetentionLimits
from gateway.events.table import EventRow, LogHead, Page
from gateway.protocol import json_text
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit
from gateway.storage.uptime_table import Uptime

RETENTION_INTERVAL_S: Final = 3600.0
"""How often it is looked for events that are too old."""

MAX_REPORTED: Final = 20
"""How many damaged events are named in the gateway's log."""

_log: Final = logging.getLogger(__name__)


class EventLog:
    """The event log; made by `open`. Whatever writes raises `StateError` if that fails."""

    def __init__(
        self,
        database: Database,
        uptime: Uptime,
        supervisor: Supervisor,
        *,
        now: Callable[[], float],
        limits: RetentionLimits,
        head: LogHead,
    ) -> None:
        """Take what `open` has loaded, and keep the log within its limits from now on."""
        self.epoch = head.epoch
        """The epoch of all ids."""
        self.ticket_key = head.ticket_key
        """Signs the tickets with which browsers read the stream."""
        self.last_published = head.extent.next - 1
        """The number of the last event that subscribers have got."""
        self.begun_after = self.last_published
        """The number of the last event from before this process."""
        self._database = database
        self._uptime = uptime
        self._now = now
        self._limits = limits
        self._oldest = head.extent.oldest
        self._pruned_to = head.extent.oldest
        """The oldest event in the transaction under way; set in the database's thread."""
        self._unpublished: list[Event] = []
        self._bus = EventBus()
        self._reported: set[int] = set()
        """Damaged events that the gateway's log names."""
        self._commit: GroupCommit[EventRow, Event | None] = GroupCommit(
            database, supervisor, "event log writer", store=self._store, committed=self._publish_committed
        )
        self._retention = supervisor.start_periodic(
            "event log retention", self.apply_retention, interval_s=RETENTION_INTERVAL_S, run_at_start=True
        )

    @classmethod
    async def open(
        cls,
        database: Database,
        uptime: Uptime,
        supervisor: Supervisor,
        *,
        now: Callable[[], float] = time.time,
        limits: RetentionLimits = RetentionLimits(),  # noqa: B008  immutable
    ) -> Self:
        """Open the log; `now` returns the time of new events in Unix seconds."""
        head = await database.transact(table.load_head)
        return cls(database, uptime, supervisor, now=now, limits=limits, head=head)

    async def close(self) -> None:
        """Store what is on its way."""
        await self._retention.stop()
        await self._commit.close()

    @property
    def uptime_s(self) -> float:
        """The uptime in seconds, by which the log counts ages."""
        return self._uptime.now()

    @property
    def range(self) -> LogRange:
        """The events that readers can get now."""
        return LogRange(self.epoch, self._oldest, self.last_published)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Pass all events from now on to a subscriber, in order; return what ends that."""
        return self._bus.subscribe(subscriber)

    async def begin_epoch(self, also: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
        """Begin a new epoch: another gateway gives ids of the present one to other events. Readers are told.

        `also` is done in the same transaction, or not at all.
        """

        def begin(connection: sqlite3.Connection) -> str:
            also(connection)
            return table.begin_epoch(connection)

        self.epoch = await self._database.transact(begin)

    async def append(self, event: NewEvent, *, digest: bytes | None = None) -> Event | None:
        """Store an event and return it; None if a callback with this `digest` is stored already."""
        live = None if event.live is None else json_text.dumps(event.live)
        return await self._commit.add(
            EventRow(event, int(self._now() * 1000), json_text.dumps(event.data), live, digest)
        )

    async def read(self, after: int, event_filter: EventFilter, *, limit: int) -> Page:
        """Return matching published events with numbers greater than `after`, the oldest first.

        An event whose row is damaged is left out.
        """
        after, upto = max(after, self._oldest - 1), self.last_published
        page = await self._database.inspect(
            lambda connection: table.select_events(
                connection, event_filter, epoch=self.epoch, after=after, upto=upto, limit=limit
            )
        )
        for number, reason in page.unreadable.items():
            self._report_unreadable(number, reason)
        return page

    async def read_latest(self, event_filter: EventFilter, *, limit: int) -> list[Event]:
        """Return the last matching published events, the newest first."""
        upto = self.last_published
        return await self._database.inspect(
            lambda connection: table.select_latest(connection, event_filter, epoch=self.epoch, upto=upto, limit=limit)
        )

    async def erase_face(self, face_id: str) -> int:
        """Erase everything about a face, from the files of the database too; return from how many events."""
        count = await self._database.transact(lambda connection: retention.erase_face(connection, face_id))
        if count:
            await self._database.checkpoint()
        return count

    async def apply_retention(self) -> None:
        """Remove events and erase personal data beyond the limits. Nothing is written if there is none."""
        while await self._database.transact(
            lambda connection: retention.erase_old_personal_data(connection, self._limits, self._uptime.now())
        ):
            pass
        before = -1
        while before != self._oldest:
            before = self._oldest
            await self._commit.write(lambda connection: self._store(connection, ()))

    def _report_unreadable(self, number: int, reason: str) -> None:
        """Log that a damaged event is left out: once for each event, and not for more than some."""
        if number not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add(number)
            _log.error("the event %s is damaged, so it is left out: %s", self.range.id(number), reason)

    def _store(self, connection: sqlite3.Connection, rows: Sequence[EventRow]) -> Sequence[Event | Problem | None]:
        """Insert events and remove what is beyond the limits then. Runs in the database's thread."""
        uptime_s = self._uptime.now()
        stored = table.load_extent(connection)
        events, extent = table.insert_events(connection, rows, stored, epoch=self.epoch, uptime_s=uptime_s)
        extent = retention.prune(connection, extent, self._limits, uptime_s)
        if extent != stored:
            table.save_extent(connection, extent)
        self._pruned_to = extent.oldest
        return events

    def _publish_committed(self, stored: Sequence[tuple[EventRow, Event | None]]) -> None:
        self._oldest = self._pruned_to
        self._unpublished += [event for _, event in stored if event is not None]
        loop = asyncio.get_running_loop()
        # In the second turn of the event loop from now: in the next one, the callers of `append` are woken.
        loop.call_soon(loop.call_soon, self._publish)

    def _publish(self) -> None:
        events, self._unpublished = self._unpublished, []
        if events:
            self.last_published = events[-1].number
            self._bus.publish(events)
