"""The outbox's own state in the database: its next number, how much waits and until when, and whether it is held."""

import json
import sqlite3
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from gateway.outbox.model import State
from gateway.protocol import json_text
from gateway.protocol.relay_policy import PRIORITIES

MAX_PRIORITY: Final = max(PRIORITIES.values())
MAX_SEQUENCE: Final = 2**53 - 1
"""The largest number of an item: every reader of JSON can hold it."""
_MAX_ITEMS: Final = 1_000_000
"""More items than any call can have."""


class StoredState(NamedTuple):
    """How the previous run of the gateway left the outbox."""

    next_sequence: int
    """The next free number."""
    depth: int
    """How many items wait."""
    next_expiry_s: float | None
    """The uptime at which the first of them expires."""
    accepted_s: float
    """The uptime at which the newest item was accepted; 0 without one."""
    held: bool
    """Whether nothing is sent until a person releases it."""


def load_state(connection: sqlite3.Connection) -> StoredState:
    """Read the state, also of a database that was recovered in part. Numbers that cannot be true count for nothing.

    Items that no selection finds are refused.
    """
    connection.execute("INSERT OR IGNORE INTO outbox (id, next_sequence) VALUES (1, 1)")
    next_sequence, held_at = connection.execute("SELECT next_sequence, held_at FROM outbox").fetchone()
    newest = connection.execute(
        "SELECT sequence + 1, accepted_s FROM item WHERE sequence BETWEEN 1 AND ? ORDER BY sequence DESC LIMIT 1",
        (MAX_SEQUENCE - 1,),
    ).fetchone()
    behind = connection.execute(
        "SELECT id + items + 1 FROM submission WHERE id < ? AND items BETWEEN 0 AND ? ORDER BY id DESC LIMIT 1",
        (MAX_SEQUENCE - _MAX_ITEMS, _MAX_ITEMS),
    ).fetchone()
    number, accepted_s = newest or (1, 0.0)
    stored = next_sequence if next_sequence < MAX_SEQUENCE else 1
    next_sequence = max(1, stored, number, behind[0] if behind is not None else 1)
    next_sequence = _refuse_unselectable(connection, next_sequence)
    [depth] = connection.execute("SELECT count(*) FROM item WHERE state = 'waiting'").fetchone()
    return StoredState(next_sequence, depth, _next_expiry(connection), accepted_s, held_at is not None)


def _refuse_unselectable(connection: sqlite3.Connection, next_sequence: int) -> int:
    """Refuse the items that no selection finds; those with an impossible number get a new one, as people need one.

    Return the next free number then.
    """
    connection.execute(
        "UPDATE item SET state = 'refused', vendor_code = NULL, vendor_response = '', "
        "vendor_meaning = 'it cannot be sent: the database holds an impossible number or priority for it' "
        "WHERE state = 'waiting' AND NOT (priority BETWEEN 0 AND ? AND sequence BETWEEN 1 AND ?)",
        (MAX_PRIORITY, MAX_SEQUENCE - 1),
    )
    impossible = connection.execute("SELECT sequence FROM item WHERE sequence < 1 OR sequence >= ?", (MAX_SEQUENCE,))
    for [sequence] in impossible.fetchall():
        for name in ("item", "item_content", "item_file"):
            renumber = f"UPDATE OR REPLACE {name} SET sequence = ? WHERE sequence = ?"  # noqa: S608
            connection.execute(renumber, (next_sequence, sequence))
        next_sequence += 1
    return next_sequence


def save_next_sequence(connection: sqlite3.Connection, next_sequence: int) -> None:
    """Store the next free number: numbers are never given twice, also when all items are gone."""
    connection.execute("UPDATE outbox SET next_sequence = ?", (next_sequence,))


def hold(connection: sqlite3.Connection, *, more_to_come: bool) -> int:
    """Hold everything back if anything waits, since newer values may have been sent; return how many items wait.

    `more_to_come` says that the gateway itself will hand over older values as soon as it runs.
    """
    connection.execute("INSERT OR IGNORE INTO outbox (id, next_sequence) VALUES (1, 1)")
    [waiting] = connection.execute("SELECT count(*) FROM item WHERE state = 'waiting'").fetchone()
    if waiting or more_to_come:
        connection.execute("UPDATE outbox SET held_at = ?", (int(time.time()),))
    return int(waiting)


def release_hold(connection: sqlite3.Connection) -> None:
    """Clear the hold."""
    connection.execute("UPDATE outbox SET held_at = NULL")


def find_oldest(connection: sqlite3.Connection) -> float | None:
    """Return the uptime at which the oldest waiting item was accepted."""
    first = "SELECT accepted_s FROM item WHERE state = 'waiting' AND priority = ? ORDER BY sequence LIMIT 1"
    rows = [connection.execute(first, (priority,)).fetchone() for priority in range(MAX_PRIORITY + 1)]
    return min((row[0] for row in rows if row is not None), default=None)


def expire(
    connection: sqlite3.Connection, in_flight: Container[int], uptime_s: float
) -> tuple[list[int], float | None]:
    """End the items that have expired; return their numbers, and the uptime at which to look again.

    An item that is being sent is left alone, and looked at again a second later.
    """
    rows = connection.execute(
        "SELECT sequence FROM item WHERE state = 'waiting' AND expires_s <= ?", (uptime_s,)
    ).fetchall()
    expired = [row[0] for row in rows if row[0] not in in_flight]
    end_items(connection, "expired", expired, uptime_s)
    return expired, uptime_s + 1 if len(expired) < len(rows) else _next_expiry(connection)


def end_items(connection: sqlite3.Connection, state: State, sequences: Sequence[int], uptime_s: float) -> None:
    """Give waiting items a last state that no response of the vendor caused, and remove their files."""
    listed = json.dumps(list(sequences))
    connection.execute(
        "UPDATE item SET state = ?, finished_s = ? WHERE sequence IN (SELECT value FROM json_each(?))",
        (state, uptime_s, listed),
    )
    connection.execute("DELETE FROM item_file WHERE sequence IN (SELECT value FROM json_each(?))", (listed,))


def revive_item(connection: sqlite3.Connection, sequence: int, expires_s: float | None) -> None:
    """Let an item that was refused or has expired wait again at its old place."""
    connection.execute(
        "UPDATE item SET state = 'waiting', finished_s = NULL, target_path = path, expires_s = ?, result_list = '', "
        "vendor_code = NULL, vendor_meaning = '', vendor_response = '', priority = max(0, min(priority, ?)) "
        "WHERE sequence = ?",
        (expires_s, MAX_PRIORITY, sequence),
    )


def read_members(submission: int, items: int, members: str | None) -> list[int]:
    """Return the numbers of a submission's items: its own, unless it has a list that can be read.

    With a number of items that cannot be, it is known by its first item.
    """
    if members is not None:
        with suppress(ValueError):
            numbers = json_text.loads(members)
            if isinstance(numbers, list) and all(type(number) is int for number in numbers):
                return numbers
    return list(range(submission, submission + items)) if 0 <= items <= _MAX_ITEMS else [submission]


def _next_expiry(connection: sqlite3.Connection) -> float | None:
    query = "SELECT min(expires_s) FROM item WHERE state = 'waiting' AND expires_s IS NOT NULL"
    [expiry_s] = connection.execute(query).fetchone()
    return None if expiry_s is None else float(expiry_s)
