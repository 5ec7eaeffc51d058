"""The database's health, looked at from beside: whoever writes it is not held up."""

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import StateError
from gateway.outbox.item_table import Count, count_items

_STEPS: Final = 20000
"""After how many of SQLite's steps the time is looked at."""


class Health(NamedTuple):
    """What is known of a database file. `damage` is None where none was found; `whole` tells that all was looked at."""

    damage: str | None
    whole: bool
    bytes: int
    log_bytes: int
    schema: str
    rows: Mapping[str, int]
    outbox: Sequence[Count]
    set_aside: tuple[str, ...]
    """Damaged files that were put beside it, by name."""


def examine(path: Path, *, limit_s: float) -> Health:
    """Check a database that may be in use, in a thread of one's own, for at most `limit_s` seconds.

    Raises `StateError` where it cannot be opened.
    """
    end = time.monotonic() + limit_s
    aside = tuple(sorted(one.name for one in path.parent.glob(f"{path.name}.corrupt-*") if one.suffix[-1].isdigit()))
    damage, schema, rows = None, "", {}
    outbox: Sequence[Count] = ()
    whole = False
    try:
        size = path.stat().st_size
        log = path.with_name(path.name + "-wal")
        log_size = log.stat().st_size if log.exists() else 0
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2)) as beside:
            beside.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
            try:
                [verdict] = beside.execute("PRAGMA quick_check(1)").fetchone()
                damage = None if verdict == "ok" else str(verdict)
                [schema] = beside.execute("SELECT max(name) FROM migration").fetchone()
                rows = _rows(beside)
                outbox = count_items(beside) if "item" in rows else ()
                whole = True
            except sqlite3.DatabaseError as exc:
                code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
                if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    damage = str(exc)
                elif code != sqlite3.SQLITE_INTERRUPT:
                    raise
    except (OSError, sqlite3.Error) as exc:
        raise StateError(f"{path}: cannot be looked at: {exc}") from exc
    return Health(damage, whole, size, log_size, schema or "", rows, outbox, aside)


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    tables = [name for (name,) in connection.execute(named)]
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608
