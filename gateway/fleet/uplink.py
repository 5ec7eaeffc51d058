"""Sends the events of the log to the head office, and moves the cursor when they are acknowledged."""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.events.event import Event, EventFilter
from gateway.events.log import EventLog
from gateway.events.table import Page
from gateway.fleet.cursor import COMPLETE_TO, MESSAGE_ID, FleetCursor, StoredEvent, find_start, message_id
from gateway.fleet.cursor_table import FleetCursorTable, write_cursor
from gateway.fleet.documents import SkippedEvent
from gateway.fleet.events import UnsentEventsRemoved
from gateway.fleet.failures import HeadOfficeUnavailable, MessageRefused, Refusal
from gateway.fleet.link_part import LinkPart
from gateway.fleet.link_throttle import LinkThrottle
from gateway.fleet.subjects import EVENTS, SKIPPED, event_subject
from gateway.fleet_settings import FleetSettings
from gateway.membership import find_member
from gateway.protocol.event_type import EventType
from gateway.runtime.failure_log import FailureLog

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

MAX_IN_FLIGHT: Final = 32
"""How many events are under way at the same time."""
MAX_BATCH_BYTES: Final = 256 * 1024
"""How many bytes are under way at the same time; one event may have more."""
SAVE_INTERVAL_S: Final = 30.0
"""How often the cursor is stored. After a crash, the events of that time are sent again, and the stream drops them."""

_log: Final = logging.getLogger(__name__)


class EventUplink(LinkPart):
    """Sends events; its cursor outlives connections."""

    def __init__(
        self,
        fleet: FleetSettings,
        event_log: EventLog,
        table: FleetCursorTable,
        *,
        is_busy: Callable[[], bool],
        report: Callable[[EventType], None],
    ) -> None:
        """Send events about people only if the settings say so; `is_busy` tells whether tills call the cloud.

        `report` takes events of the link itself.
        """
        self._fleet = fleet
        self._shop = fleet.shop
        self._event_log = event_log
        self._table = table
        self._people = fleet.people
        self._report = report
        self._throttle = LinkThrottle(is_busy)
        self._cursor = FleetCursor()
        self._saved: FleetCursor | None = None
        """The stored cursor; None before it is loaded."""
        self._saved_at = 0.0
        self._refusals = FailureLog(_log, "the head office does not take an event, which is skipped")

    @property
    def waiting(self) -> int:
        """How many events wait; those that are not to be sent count, too."""
        return max(0, self._event_log.last_published - self._cursor.number)

    @property
    def is_behind(self) -> bool:
        """Whether events wait."""
        return self.waiting > 0

    @property
    def last_event(self) -> str | None:
        """The id of the last event that was acknowledged; None if none was."""
        return f"{self._cursor.epoch}-{self._cursor.published}" if self._cursor.published else None

    async def load(self) -> None:
        """Load the cursor, so that the events that wait are counted without a connection. Raises `StateError`."""
        if self._saved is None:
            self._cursor = self._saved = await self._table.load()
            with contextlib.suppress(SettingsError):  # then there is no connection, which says why
                await self._switch_member(await asyncio.to_thread(find_member, self._fleet))

    async def _switch_member(self, member: str) -> None:
        """Send as this shop of this chain. What was before this start is not sent if the gateway was another one.

        Readers see a new epoch then: on a copied card the other machine goes on with the ids of the present one.
        """
        before = self._cursor
        if before.member == member:
            return
        cursor = dataclasses.replace(before, member=member)
        if before.member:
            since = max(self._event_log.begun_after, before.number)
            cursor = FleetCursor(number=since, since=since, member=member)
            shop, unsent = before.member.partition(" ")[0], since - before.number
            _log.warning("this gateway was %s of a chain; %d events of it were not sent, and stay here", shop, unsent)
            await self._event_log.begin_epoch(partial(write_cursor, cursor))
        else:
            await self._table.save(cursor)
        self._cursor = self._saved = cursor

    async def begin(self, connection: "FleetConnection") -> None:
        """Find out where to go on with a new connection. Raises `HeadOfficeUnavailable` and `StateError`."""
        await self.load()
        await self._switch_member(connection.member)
        headers = await connection.read_last(EVENTS, event_subject(self._shop))
        try:
            last = headers if headers is None else StoredEvent.parse(headers)
        except ValueError as exc:
            _log.warning("the last event at the head office is not from a gateway, so the cursor counts: %s", exc)
            return
        start = find_start(self._cursor, last, self._event_log.range)
        if start < self._cursor.number:
            _log.warning("the head office may miss the events after number %d, so they are sent again", start)
        removed = self._event_log.range.oldest - 1 - start
        if removed > 0 and self._cursor.published:
            _log.warning("%d events were removed as too old before the head office could get them", removed)
            self._report(UnsentEventsRemoved(events=removed))
        self._cursor = dataclasses.replace(self._cursor, number=start + max(0, removed))

    async def work(self, connection: "FleetConnection") -> bool:
        """Send the next events, if some wait; return whether more wait. Raises the same as `send_batch`."""
        if self.is_behind:
            await self.send_batch(connection)
        return self.is_behind

    async def send_batch(self, connection: "FleetConnection") -> None:
        """Send the next events and wait for their acknowledgement; the cursor moves when all have it.

        `begin` comes first. Raises `HeadOfficeUnavailable` and `StateError`: then they are sent again.
        """
        cursor = self._cursor
        await self._throttle.wait()
        page = await self._event_log.read(cursor.number, EventFilter(), limit=MAX_IN_FLIGHT)
        events, upto = _limit_bytes(page)
        events = [event for event in events if self._people or not event.personal]
        sent = await asyncio.gather(
            *(self._send(connection, event, cursor.number) for event in events), return_exceptions=True
        )
        for outcome in sent:
            if isinstance(outcome, BaseException):
                raise outcome
        self._cursor = dataclasses.replace(cursor, number=upto)
        if events:
            self._cursor = dataclasses.replace(self._cursor, epoch=self._event_log.epoch, published=events[-1].number)
        if time.monotonic() - self._saved_at >= SAVE_INTERVAL_S:
            await self.save()

    async def close(self) -> None:
        """Store the cursor. Raises `StateError`."""
        await self.save()

    async def save(self) -> None:
        """Store the cursor if it has moved. Raises `StateError`."""
        if self._saved is not None and self._cursor != self._saved:
            await self._table.save(self._cursor)
            self._saved = self._cursor
        self._saved_at = time.monotonic()

    async def _send(self, connection: "FleetConnection", event: Event, complete_to: int) -> None:
        """Send an event, or what says that it is skipped: with its id, so that readers miss no number."""
        try:
            await self._publish(connection, event, complete_to)
        except MessageRefused as refused:
            # If the servers do not take this either, the cause is not the event, and it waits.
            try:
                await self._publish(connection, _replace(event, refused.reason), complete_to)
            except MessageRefused as again:
                raise HeadOfficeUnavailable(
                    message(
                        "the head office takes no message of this shop, not even a short one: see that the shop's "
                        "certificate is for {prefix}: {reason}",
                        prefix=event_subject(self._shop),
                        reason=again.reason,
                    )
                ) from again
            self._refusals.failed(f"{event.id}, {event.type}, {len(event.data.encode())} bytes: {refused.reason}")
        else:
            self._refusals.recovered()

    async def _publish(self, connection: "FleetConnection", event: Event, complete_to: int) -> None:
        payload = event.to_json().encode()
        headers = {MESSAGE_ID: message_id(self._shop, event.id), COMPLETE_TO: str(complete_to)}
        await connection.publish(event_subject(self._shop, event.type), payload, headers)
        self._throttle.take(len(payload))


def _limit_bytes(page: Page) -> tuple[list[Event], int]:
    """Return the first events of a page, and up to which number that is everything."""
    size = 0
    for count, event in enumerate(page.events):
        size += len(event.data.encode())
        if count and size > MAX_BATCH_BYTES:
            return page.events[:count], page.events[count - 1].number
    return page.events, page.upto


def _replace(event: Event, reason: Refusal) -> Event:
    skipped = SkippedEvent(type=event.type, reason=reason, bytes=len(event.data.encode()))
    return dataclasses.replace(event, type=SKIPPED, source="gateway", data=skipped.model_dump_json())
