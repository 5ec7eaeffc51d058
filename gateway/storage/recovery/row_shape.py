"""The shape of a table's rows, by which pages are told apart that nothing else assigns to a table."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "INTEGER": (int,),
    "REAL": (float, int),  # whole numbers are stored as integers
    "TEXT": (str,),
    "BLOB": (bytes,),
}
_ABSENT: Final = bytes.fromhex("ab5e47ab5e47")
"""Stands for a column that is not stored."""


class RowShape:
    """How many columns a stored row of a table has, and their types."""

    def __init__(self, connection: sqlite3.Connection, table: str) -> None:
        """Learn it from a sound database."""
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        self.columns = len(columns)
        """How many columns the table has."""
        keys = [column["name"] for column in columns if column["pk"]]
        self._types = [_TYPES.get(column["type"], (object,)) for column in columns]
        self._is_rowid = [keys == [column["name"]] and column["type"] == "INTEGER" for column in columns]
        self._is_optional = [not column["notnull"] and not column["pk"] for column in columns]
        [declaration] = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        self.has_one_row = "CHECK (id = 1)" in declaration
        """Whether the table has no row but that with the rowid 1."""

    def fits(self, row: Sequence[Any]) -> bool:
        """Tell whether a row, as `declare_stored` shows it, may be one of this table."""
        stored = row[: self.columns]
        is_as_long = _ABSENT not in stored and row[self.columns] == _ABSENT
        return is_as_long and all(map(self._fits, range(self.columns), stored))

    def _fits(self, index: int, value: Any) -> bool:
        if self._is_rowid[index]:
            return value is None  # the rowid is not stored in the row
        return (value is None and self._is_optional[index]) or isinstance(value, self._types[index])


def declare_stored(count: int) -> str:
    """Declare `count` columns, in SQL, that show what is stored, and mark what is not."""
    return ",".join(f"c{index} DEFAULT x'{_ABSENT.hex()}'" for index in range(count))
