"""Retention: removes the oldest events, and erases personal data.

Every function runs in the database's thread, inside a transaction. Ages are in seconds of uptime: no change of a clock
moves them.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.events.table import LogExtent
from gateway.protocol import json_text
from gateway.protocol.vendor_report import erase_personal_data

MAX_EVENTS_PER_TRANSACTION: Final = 500
"""How many events one transaction removes or erases, so that nobody waits long for it."""


class RetentionLimits(NamedTuple):
    """What the log holds at most."""

    max_events: int = 1_000_000
    """The number of events."""
    max_bytes: int = 512 * 1024 * 1024
    """The bytes of all events."""
    max_age_s: float = 90 * 86400
    """The age of an event."""
    max_personal_age_s: float = 7 * 86400
    """The age of personal data."""


def prune(connection: sqlite3.Connection, extent: LogExtent, limits: RetentionLimits, uptime_s: float) -> LogExtent:
    """Remove the oldest events beyond the limits, some at a time. Return what the tables hold then."""
    surplus = extent.next - extent.oldest - limits.max_events
    rows = connection.execute(
        "SELECT number, size, recorded_s FROM event WHERE number >= ? ORDER BY number LIMIT ?",
        (extent.oldest, MAX_EVENTS_PER_TRANSACTION),
    )
    oldest, size = extent.oldest, extent.size
    for number, event_size, recorded_s in rows:
        is_surplus = number < extent.oldest + surplus
        if not is_surplus and size <= limits.max_bytes and uptime_s - recorded_s <= limits.max_age_s:
            break
        oldest, size = number + 1, size - event_size
    rows.close()
    if oldest == extent.oldest:
        return extent
    connection.execute("DELETE FROM event WHERE number < ?", (oldest,))
    return LogExtent(oldest, extent.next, max(0, size))


def erase_old_personal_data(connection: sqlite3.Connection, limits: RetentionLimits, uptime_s: float) -> int:
    """Erase personal data that is too old, some at a time; return from how many events."""
    rows = connection.execute(
        "SELECT number, CAST(data AS BLOB), recorded_s FROM event WHERE personal = 1 ORDER BY number LIMIT ?",
        (MAX_EVENTS_PER_TRANSACTION,),
    )
    return _erase(
        connection,
        [(number, data) for number, data, recorded_s in rows if uptime_s - recorded_s > limits.max_personal_age_s],
    )


def erase_face(connection: sqlite3.Connection, face_id: str) -> int:
    """Erase the data of every event about a face; return of how many."""
    rows = connection.execute("SELECT number, CAST(data AS BLOB) FROM event WHERE face_id = ?", (face_id,))
    return _erase(connection, rows.fetchall())


def _erase(connection: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> int:
    """Overwrite the data of events. Their size stays as it was counted: it is a bound, not a measure."""
    connection.executemany(
        "UPDATE event SET data = ?, face_id = NULL, personal = 0 WHERE number = ?",
        [(json_text.dumps(erase_personal_data(_parse_data(data))), number) for number, data in rows],
    )
    return len(rows)


def _parse_data(data: bytes) -> Mapping[str, Any]:
    """Return the stored data of an event; nothing if its row is damaged."""
    try:
        document = json_text.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
