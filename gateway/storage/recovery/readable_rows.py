"""The rows that can be read of a damaged table, or of one of its pages."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

_MAX_ROWID: Final = 2**63 - 1
_MAX_ROWS_OF_PAGE: Final = 1024
"""More than fit into a page: the shortest row takes four bytes, and its place two."""


def read_page(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the readable rows of a table that is a single page, whatever rowids they claim to have."""
    select = f"SELECT * FROM {table}"  # noqa: S608  our own name
    try:
        yield from connection.execute(select).fetchall()
    except sqlite3.Error:
        for place in range(_MAX_ROWS_OF_PAGE):
            with contextlib.suppress(sqlite3.Error):
                yield from connection.execute(f"{select} LIMIT 1 OFFSET {place}").fetchall()


class ReadableRows:
    """The readable rows of a whole table, by ascending rowid: reading goes on behind each damage."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        """Take the connection, which is used for nothing else meanwhile, and the name of the table."""
        self._connection = connection
        self._select = f"SELECT rowid, * FROM {table} WHERE rowid >= ? ORDER BY rowid"  # noqa: S608  our own name
        self.gaps = 0
        """How often something could not be read so far."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        start = 0  # no table of the gateway has negative rowids
        while start <= _MAX_ROWID:
            try:
                for rowid, *values in self._connection.execute(self._select, (start,)):
                    start = max(start, rowid + 1)  # a damaged page may lead back
                    yield tuple(values)
            except sqlite3.Error:
                pass
            else:
                return
            try:
                # The row before the damage is lost above, since the driver reads one row ahead.
                rows = self._read_one(start)
            except sqlite3.Error:
                self.gaps += 1
                start = self._find_readable(start)
            else:
                for rowid, *values in rows:
                    start = max(start, rowid)
                    yield tuple(values)
                start += 1

    def _read_one(self, start: int) -> list[tuple[Any, ...]]:
        return self._connection.execute(f"{self._select} LIMIT 1", (start,)).fetchall()

    def _find_readable(self, bad: int) -> int:
        """Return the next rowid from which on reading works; it is behind the last possible one if there is none."""
        step = 1
        while not self._is_readable(good := min(bad + step, _MAX_ROWID)):
            if good == _MAX_ROWID:
                return _MAX_ROWID + 1
            bad = good
            step *= 2
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._is_readable(middle):
                good = middle
            else:
                bad = middle
        return good

    def _is_readable(self, start: int) -> bool:
        try:
            self._read_one(start)
        except sqlite3.Error:
            return False
        return True
