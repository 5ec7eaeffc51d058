"""The table of changes. Every function runs in the database's thread, inside a transaction."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from gateway.audit.change import MAX_TEXT, Change, NewChange
from gateway.storage.database import Database

MAX_ROWS: Final = 10_000
"""How many changes are kept."""
MAX_AGE_S: Final = 400 * 86400.0
"""How old they become, in seconds of uptime."""
_BEHIND_ALL: Final = 2**62
"""A greater number than any change has."""


def insert(connection: sqlite3.Connection, changes: Iterable[NewChange], *, time: int, uptime_s: float) -> None:
    """Add changes, and remove those beyond the limits."""
    connection.executemany(
        "INSERT INTO audit (time, who, via, action, object, recorded_s) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (time, *(text[:MAX_TEXT] for text in (one.who, one.via, one.action, one.object)), uptime_s)
            for one in changes
        ],
    )
    connection.execute(
        "DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ? OR recorded_s < ?",
        (MAX_ROWS, uptime_s - MAX_AGE_S),
    )


async def load_page(database: Database, *, before: int | None, limit: int) -> list[Change]:
    """Return the newest changes before a number, the newest first. Raises `StateError`."""
    rows = await database.read(
        "SELECT number, time, CAST(who AS BLOB), via, CAST(action AS BLOB), CAST(object AS BLOB) FROM audit "
        "WHERE number < ? ORDER BY number DESC LIMIT ?",
        (_BEHIND_ALL if before is None else min(before, _BEHIND_ALL), limit),
    )
    return [
        Change(
            who=who.decode(errors="replace"),
            via=via,
            action=action.decode(errors="replace"),
            object=named.decode(errors="replace"),
            number=number,
            time=time,
        )
        for number, time, who, via, action, named in rows
    ]
