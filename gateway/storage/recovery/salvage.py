"""Salvage of a damaged database: it is set aside, and every row that can be read is saved into a new one."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.storage.recovery import schema_copy
from gateway.storage.recovery.leaf_pages import Leaves

_FARTHEST: Final = 2**62
_SIDES: Final = ("-wal", "-shm")


def set_aside(path: Path) -> Path:
    """Rename a database with its log to the next free name, `gateway.db.corrupt-1`, and return that.

    One that does not even tell what tables it has gets that back from the copy of its schema.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    path.rename(aside)
    for side in _SIDES:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + side).rename(aside.with_name(aside.name + side))
    copy = schema_copy.path_for(path)
    if copy.exists() and not schema_copy.is_readable(aside):
        schema_copy.put_back(aside, copy)
    return aside


def level(aside: Path, known: Sequence[str]) -> int:
    """Return how many of the known migrations a damaged database had; all of them, if that cannot be read."""
    with contextlib.closing(sqlite3.connect(aside)) as old:
        try:
            applied = [row[0] for row in old.execute("SELECT name FROM migration ORDER BY name")]
        except sqlite3.Error:
            return len(known)
    return len(applied) if applied and applied == list(known[: len(applied)]) else len(known)


def save(aside: Path, path: Path) -> str:
    """Copy every row that can be read into the database at `path`, which has the same tables; return a report."""
    counts: dict[str, int] = {}
    gaps: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect(aside)) as old, contextlib.closing(sqlite3.connect(path)) as new:
        with contextlib.suppress(sqlite3.Error):
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        # What has no rowid follows from the other tables, and is made anew.
        listed = (
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT wr "
            "AND name NOT LIKE 'sqlite%' AND name != 'migration' ORDER BY name"
        )
        for (table,) in new.execute(listed).fetchall():
            columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
            insert = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608  names of our own schema
            rows = _Rows(old, f"SELECT rowid, {', '.join(columns)} FROM {table}")  # noqa: S608
            count = rejected = 0
            for row in rows:
                try:
                    new.execute(insert, row)
                    count += 1
                except sqlite3.Error:  # bytes that look like a row but break a rule
                    rejected += 1
            counts[table] = count
            if rows.gaps + rejected:
                gaps[table] = rows.gaps + rejected
        for table, count in _save_leaves(aside, old, new, gaps).items():
            counts[table] += count
        new.commit()
    saved = [
        f"{table}: {count} rows{f', damaged in {gaps[table]} places' if table in gaps else ''}"
        for table, count in counts.items()
    ]
    return f"saved into a new one: {'; '.join(saved)}"


def _save_leaves(
    aside: Path, old: sqlite3.Connection, new: sqlite3.Connection, tables: Collection[str]
) -> dict[str, int]:
    """Copy the rows of these tables that no sound page leads to any more; return how many of each."""
    found: dict[str, int] = {}
    if tables:
        with contextlib.suppress(OSError), Leaves(aside) as leaves:
            for table in tables:
                before = new.total_changes
                with contextlib.suppress(sqlite3.Error):
                    _save_leaves_of(table, leaves, old, new)
                found[table] = new.total_changes - before
    return found


def _save_leaves_of(table: str, leaves: Leaves, old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    columns = new.execute(f"PRAGMA table_info({table})").fetchall()
    keys = [index for index, column in enumerate(columns) if column[5]]
    numbered = len(keys) == 1 and columns[keys[0]][2] == "INTEGER"
    roots = old.execute("SELECT rootpage FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchall()
    for number, values in (row for (root,) in roots for row in leaves.rows(root)):
        if numbered and len(values) > keys[0]:
            values[keys[0]] = number
        names = ", ".join(column[1] for column in columns[: len(values)])
        marks = ", ".join("?" * len(values))
        with contextlib.suppress(sqlite3.Error):  # not a row of this table, or one that broke a rule
            new.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608


def renew_epoch(connection: sqlite3.Connection) -> None:
    """Give the journal of a database that was saved or restored a new epoch: its readers have to notice."""
    connection.execute("UPDATE event_log SET epoch = lower(hex(randomblob(3)))")


class _Rows:
    """The readable rows of a table, in order; where the table is damaged, reading goes on behind the damage."""

    def __init__(self, connection: sqlite3.Connection, select: str) -> None:
        self._connection = connection
        self._select = select
        self.gaps = 0
        """How often something could not be read."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        start = -_FARTHEST
        while True:
            try:
                for row in self._connection.execute(f"{self._select} WHERE rowid >= ? ORDER BY rowid", (start,)):
                    start = row[0] + 1
                    yield row[1:]
            except (sqlite3.Error, UnicodeDecodeError):
                self.gaps += 1
            else:
                return
            behind = self._behind(start)
            if behind is None:
                return
            start = behind

    def _behind(self, bad: int) -> int | None:
        """Return the next number from which on reading works, or None."""
        step = 1
        while not self._readable(bad + step):
            bad += step
            step *= 2
            if bad + step > _FARTHEST:
                return None
        good = bad + step
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._readable(middle):
                good = middle
            else:
                bad = middle
        return good

    def _readable(self, start: int) -> bool:
        query = f"{self._select} WHERE rowid >= ? ORDER BY rowid LIMIT 1"
        try:
            self._connection.execute(query, (start,)).fetchall()
        except (sqlite3.Error, UnicodeDecodeError):
            return False
        return True
