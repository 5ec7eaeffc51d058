"""How long events are kept: bounds of count, bytes and age, a shorter one for what is about persons, and erasure.

Everything here runs in the database's thread, inside a transaction. Ages are running time: no clock moves them.
"""

import json
import sqlite3
from typing import Final, NamedTuple

from gateway.protocol import json_text
from gateway.protocol.events import erased

_AT_ONCE: Final = 500
"""How many events one commit removes, so that whoever waits for it does not wait long."""


class Limits(NamedTuple):
    """What the journal holds at most; ages in seconds of running time."""

    events: int = 1_000_000
    size: int = 512 * 1024 * 1024
    age_s: float = 90 * 86400
    personal_s: float = 7 * 86400


class Kept(NamedTuple):
    """What is there: the number of the oldest event, the next free number, and the bytes of all events."""

    oldest: int
    next: int
    size: int


def prune(connection: sqlite3.Connection, kept: Kept, limits: Limits, now_s: float) -> Kept:
    """Remove the oldest events where there are too many, they are too large, or too old; some at a time."""
    if kept.oldest >= kept.next:
        return kept
    too_many = kept.next - kept.oldest - limits.events
    rows = connection.execute(
        "SELECT number, size, recorded_s FROM event WHERE number >= ? ORDER BY number LIMIT ?", (kept.oldest, _AT_ONCE)
    ).fetchall()
    oldest, size = kept.oldest, kept.size
    for number, own, recorded_s in rows:
        if number >= kept.oldest + too_many and size <= limits.size and now_s - recorded_s <= limits.age_s:
            break
        oldest, size = number + 1, size - own
    if oldest == kept.oldest:
        return kept
    connection.execute("DELETE FROM event WHERE number < ?", (oldest,))
    return Kept(oldest, kept.next, max(0, size))


def forget_persons(connection: sqlite3.Connection, limits: Limits, now_s: float) -> int:
    """Erase what is about persons where it is too old; return of how many events, so many at a time."""
    rows = connection.execute(
        "SELECT number, data, recorded_s FROM event WHERE personal = 1 ORDER BY number LIMIT ?", (_AT_ONCE,)
    )
    return _erase(connection, [(number, data) for number, data, at_s in rows if now_s - at_s > limits.personal_s])


def forget_face(connection: sqlite3.Connection, face_id: str) -> int:
    """Erase what is about one face; return of how many events."""
    return _erase(
        connection, connection.execute("SELECT number, data FROM event WHERE face_id = ?", (face_id,)).fetchall()
    )


def _erase(connection: sqlite3.Connection, rows: list[tuple[int, str]]) -> int:
    """Overwrite the data of events. Their size is left as it was counted: it is a bound, not a measure."""
    connection.executemany(
        "UPDATE event SET data = ?, face_id = NULL, personal = 0 WHERE number = ?",
        [(json_text.dumps(erased(json.loads(data))), number) for number, data in rows],
    )
    return len(rows)
