"""The tables of the event log. Every function runs in the database's thread, inside a transaction or a read."""

import contextlib
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from gateway.events.event import Event, EventFilter, NewEvent
from gateway.protocol import json_text
from gateway.protocol.event_type import TYPE_PATTERN

CALLBACK_MEMORY_S: Final = 3600.0
"""How long a callback is recognised when it comes again, in seconds of uptime: longer than its timestamp is valid."""
MAX_ROWS_PER_READ: Final = 20_000
"""How many rows one read searches for matching events, so that the database can do other work."""
MAX_BYTES_PER_READ: Final = 4 * 1024 * 1024
"""How many bytes of data one read returns, about: an event can be as large as a callback."""
MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
_MAX_NUMBER: Final = 2**53 - 2
"""The largest number of an event: every reader of JSON can hold it and the next one."""
_EPOCH: Final = re.compile(r"[0-9a-f]{16}")
_ROW_BYTES: Final = 120
"""What an event takes beside its data, about."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """A new event as it is stored."""

    event: NewEvent
    """The event."""
    time_ms: int
    """When it happened, in Unix milliseconds."""
    data: str
    """Its data as JSON."""
    live: str | None
    """Its live data as JSON; None if there is none."""
    digest: bytes | None
    """Identifies the callback that reported it; None if it is stored in any case."""

    @property
    def size(self) -> int:
        """The bytes that it is counted with."""
        return len(self.data.encode()) + _ROW_BYTES


class LogExtent(NamedTuple):
    """What the tables hold."""

    oldest: int
    """The number of the oldest event; `next` if there is none."""
    next: int
    """The number of the next new event."""
    size: int
    """The bytes of all events."""


class LogHead(NamedTuple):
    """What the log is opened with."""

    epoch: str
    """The epoch, part of every id."""
    ticket_key: bytes
    """The key that signs tickets of the stream."""
    extent: LogExtent
    """What the tables hold."""


class Page(NamedTuple):
    """Events in order, and how far the log was searched for them."""

    events: list[Event]
    """The events that match."""
    upto: int
    """The number of the last event that was looked at: the next page begins after it."""
    unreadable: dict[int, str]
    """Events that are left out because their row is damaged: the reason by number."""


def load_head(connection: sqlite3.Connection) -> LogHead:
    """Load what the log is opened with. The row of a log that is damaged or was lost is made anew, with a new epoch."""
    connection.execute("DELETE FROM event WHERE number NOT BETWEEN 0 AND ?", (_MAX_NUMBER,))
    row = connection.execute("SELECT epoch, next_number FROM event_log").fetchone()
    if row is None or not _EPOCH.fullmatch(row[0]) or not 1 <= row[1] <= _MAX_NUMBER:
        connection.execute(
            "INSERT OR REPLACE INTO event_log VALUES (1, lower(hex(randomblob(8))), 1, 0, randomblob(32))"
        )
    [epoch, ticket_key] = connection.execute("SELECT epoch, ticket_key FROM event_log").fetchone()
    extent = load_extent(connection)
    [newest] = connection.execute("SELECT max(number) FROM event").fetchone()
    if newest is not None and newest >= extent.next:
        extent = extent._replace(next=newest + 1)
        save_extent(connection, extent)
    return LogHead(epoch, ticket_key, extent)


def begin_epoch(connection: sqlite3.Connection) -> str:
    """Begin a new epoch and return it."""
    connection.execute("UPDATE event_log SET epoch = lower(hex(randomblob(8)))")
    [epoch] = connection.execute("SELECT epoch FROM event_log").fetchone()
    return str(epoch)


def load_extent(connection: sqlite3.Connection) -> LogExtent:
    """Load what the tables hold."""
    following, size = connection.execute("SELECT next_number, bytes FROM event_log").fetchone()
    [oldest] = connection.execute("SELECT min(number) FROM event").fetchone()
    return LogExtent(following if oldest is None else oldest, following, size)


def save_extent(connection: sqlite3.Connection, extent: LogExtent) -> None:
    """Save what the tables hold."""
    connection.execute("UPDATE event_log SET next_number = ?, bytes = ?", (extent.next, extent.size))


def insert_events(
    connection: sqlite3.Connection, rows: Sequence[EventRow], extent: LogExtent, *, epoch: str, uptime_s: float
) -> tuple[list[Event | None], LogExtent]:
    """Insert events; return each, and what the tables hold then. A repeated callback is not stored: None."""
    if any(row.digest for row in rows):
        connection.execute("DELETE FROM callback WHERE accepted_s < ?", (uptime_s - CALLBACK_MEMORY_S,))
    number, size = extent.next, extent.size
    events: list[Event | None] = []
    values = []
    for row in rows:
        if row.digest is not None and not _remember_callback(connection, row.digest, uptime_s):
            events.append(None)
            continue
        new = row.event
        events.append(
            Event(epoch, number, row.time_ms, new.type, new.source, new.camera, row.data, row.live, new.personal)
        )
        values.append(
            (number, row.time_ms, new.type, new.source, new.camera, row.data, new.face_id, new.personal, row.size,
             uptime_s)
        )  # fmt: skip
        number, size = number + 1, size + row.size
    connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    return events, LogExtent(extent.oldest, number, size)


def _remember_callback(connection: sqlite3.Connection, digest: bytes, uptime_s: float) -> bool:
    """Return whether a callback is new."""
    return connection.execute("INSERT OR IGNORE INTO callback VALUES (?, ?)", (digest, uptime_s)).rowcount == 1


def select_events(
    connection: sqlite3.Connection, event_filter: EventFilter, *, epoch: str, after: int, upto: int, limit: int
) -> Page:
    """Select at most `limit` matching events with numbers greater than `after`, not greater than `upto`."""
    upto = max(after, min(upto, after + MAX_ROWS_PER_READ))
    rows = _select(connection, event_filter, after, upto, "ASC")
    page = Page([], upto, {})
    size = 0
    for number, *columns in rows:
        try:
            page.events.append(_parse_row(epoch, number, *columns))
        except ValueError as exc:
            page.unreadable[number] = str(exc)
            continue
        size += len(page.events[-1].data.encode())
        if len(page.events) == limit or size > MAX_BYTES_PER_READ:
            page = page._replace(upto=number)
            break
    rows.close()
    return page


def select_latest(
    connection: sqlite3.Connection, event_filter: EventFilter, *, epoch: str, upto: int, limit: int
) -> list[Event]:
    """Select the last matching events not greater than `upto`, the newest first. Damaged ones are left out."""
    events: list[Event] = []
    rows = _select(connection, event_filter, upto - MAX_ROWS_PER_READ, upto, "DESC")
    for number, *columns in rows:
        with contextlib.suppress(ValueError):
            events.append(_parse_row(epoch, number, *columns))
        if len(events) == limit:
            break
    rows.close()
    return events


def _select(
    connection: sqlite3.Connection, event_filter: EventFilter, after: int, upto: int, order: Literal["ASC", "DESC"]
) -> sqlite3.Cursor:
    condition, parameters = _condition(event_filter)
    # Bytes, since SQLite would fail at the first text that is not UTF-8, and with it all the others.
    return connection.execute(
        "SELECT number, time_ms, CAST(type AS BLOB), CAST(source AS BLOB), CAST(camera AS BLOB), CAST(data AS BLOB), "  # noqa: S608  our own condition
        f"personal FROM event WHERE number > ? AND number <= ? AND {condition} ORDER BY number {order}",
        (after, upto, *parameters),
    )


def _parse_row(
    epoch: str,
    number: int,
    time_ms: int,
    event_type: bytes,
    source: bytes,
    camera: bytes | None,
    data: bytes,
    personal: int,
) -> Event:
    """Return the event of a row. Raises `ValueError` if it cannot be shown to a reader."""
    texts = {"type": event_type.decode(), "source": source.decode()}
    for name, text in texts.items():
        if not TYPE_PATTERN.fullmatch(text):
            raise ValueError(f"its {name} is {text[:80]!r}")
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise ValueError(f"its time is {time_ms} ms")
    if not isinstance(json_text.loads(data), dict):
        raise ValueError("its data is no JSON object")
    where = None if camera is None else camera.decode()
    return Event(epoch, number, time_ms, **texts, camera=where, data=data.decode(), personal=personal == 1)


def _condition(event_filter: EventFilter) -> tuple[str, list[str]]:
    """Return a filter as a condition of SQL, with its parameters."""
    parts, parameters = ["1"], []
    if event_filter.types:
        parts.append(f"({' OR '.join(['type GLOB ?'] * len(event_filter.types))})")
        parameters += sorted(event_filter.types)
    if event_filter.camera:
        parts.append("camera = ?")
        parameters.append(event_filter.camera)
    return " AND ".join(parts), parameters
