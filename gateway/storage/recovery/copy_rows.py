"""Copying the rows that can be read from a damaged file into a new database with the same tables."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.storage.recovery.page_map import PAGE_BYTES, PageMap
from gateway.storage.recovery.page_tables import PageTables
from gateway.storage.recovery.readable_rows import ReadableRows, read_page
from gateway.storage.recovery.row_shape import RowShape, declare_stored

_TABLES: Final = (
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT wr "
    "AND name NOT LIKE 'sqlite%' AND name != 'migration' ORDER BY name"
)
"""Tables whose rows are copied. Tables without rowid are left out: they follow from others, and are made anew."""

_ALL_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"


@dataclass(slots=True)
class TableReport:
    """What was recovered of a table."""

    table: str
    """Its name."""
    rows: int = 0
    """How many rows were recovered."""
    gaps: int = 0
    """In how many places it was damaged."""

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        return f"{self.table}: {self.rows} rows{f', damaged in {self.gaps} places' if self.gaps else ''}"


def copy_rows(damaged: Path, roots: Mapping[str, int], new: sqlite3.Connection) -> list[TableReport]:
    """Copy every row that can be read into `new`, within its transaction; return what was recovered of each table.

    The damaged file has no log, and its tables begin at the pages `roots`. Raises `OSError` and `sqlite3.Error`.
    """
    targets = [_Target(new, table) for (table,) in new.execute(_TABLES).fetchall()]
    if damaged.stat().st_size >= PAGE_BYTES:
        with PageTables(damaged) as page_tables:
            for target in targets:
                target.copy_tree(page_tables, roots.get(target.report.table))
            incomplete = [target for target in targets if target.report.gaps]
            if incomplete:
                _copy_leaves(damaged, roots, page_tables, incomplete, new)
    return [target.report for target in targets]


def _copy_leaves(
    damaged: Path,
    roots: Mapping[str, int],
    page_tables: PageTables,
    incomplete: Sequence["_Target"],
    new: sqlite3.Connection,
) -> None:
    """Copy the rows of pages to which no tree leads: where the page map says, and where it does not, by their shape."""
    by_root = {roots[one.report.table]: one for one in incomplete if one.report.table in roots}
    with damaged.open("rb") as file:
        page_map = PageMap(file)
        leaves = page_map.find_leaves(by_root)
        unmapped = page_map.find_unmapped_leaves(set(roots.values()))
    for root, pages in leaves.items():
        by_root[root].copy_leaves(page_tables, pages)
    by_table = {one.report.table: one for one in incomplete}
    for table, pages in _assign(new, page_tables, unmapped).items():
        if table in by_table:
            by_table[table].copy_leaves(page_tables, pages)


def _assign(new: sqlite3.Connection, page_tables: PageTables, pages: Sequence[int]) -> Mapping[str, Sequence[int]]:
    """Assign pages to tables, by name: each to the only one whose shape all of its rows have."""
    shapes = {table: RowShape(new, table) for (table,) in new.execute(_ALL_TABLES).fetchall()}
    columns = declare_stored(1 + max(shape.columns for shape in shapes.values()))
    assigned: dict[str, list[int]] = {}
    for page, (connection, name) in zip(pages, page_tables.open(columns, pages), strict=True):
        rows = list(read_page(connection, name))
        only_first = _holds_only_first_row(connection, name)
        fitting = [
            table
            for table, shape in shapes.items()
            if rows and all(map(shape.fits, rows)) and (only_first or not shape.has_one_row)
        ]
        if len(fitting) == 1:
            assigned.setdefault(fitting[0], []).append(page)
    return assigned


def _holds_only_first_row(connection: sqlite3.Connection, name: str) -> bool:
    try:
        return [rowid for (rowid,) in connection.execute(f"SELECT rowid FROM {name} LIMIT 2")] == [1]  # noqa: S608  our own name
    except sqlite3.Error:
        return False


class _Target:
    """A table of the new database, which is filled."""

    def __init__(self, new: sqlite3.Connection, table: str) -> None:
        self.report = TableReport(table)
        self._new = new
        columns = new.execute(f"PRAGMA table_info({table})").fetchall()
        self._declaration = _declare(columns)
        self._insert = f"INTO {table} VALUES ({', '.join('?' * len(columns))})"

    def copy_tree(self, page_tables: PageTables, root: int | None) -> None:
        """Copy the rows that are found from the first page of the damaged table on."""
        if root is None or not page_tables.has(root):
            self.report.gaps += 1
            return
        for connection, table in page_tables.open(self._declaration, [root]):
            rows = ReadableRows(connection, table)
            for row in rows:
                self._copy(row, "REPLACE")
            self.report.gaps += rows.gaps

    def copy_leaves(self, page_tables: PageTables, pages: Sequence[int]) -> None:
        """Copy the rows of these pages, to some of which nothing leads, since a page above them is damaged."""
        for connection, table in page_tables.open(self._declaration, pages):
            for row in read_page(connection, table):
                self._copy(row, "IGNORE")

    def _copy(self, row: tuple[Any, ...], conflict: str) -> None:
        try:
            self.report.rows += self._new.execute(f"INSERT OR {conflict} {self._insert}", row).rowcount
        except sqlite3.IntegrityError:  # bytes that look like a row but break a rule
            self.report.gaps += 1


def _declare(columns: Sequence[sqlite3.Row]) -> str:
    """Return what SQLite has to know of columns to read them: which one is the rowid, and what older rows lack."""
    keys = [column["name"] for column in columns if column["pk"]]
    declarations = []
    for index, column in enumerate(columns):
        declaration = f"c{index}"
        if keys == [column["name"]] and column["type"] == "INTEGER":
            declaration += " INTEGER PRIMARY KEY"
        if column["dflt_value"] is not None:
            declaration += f" DEFAULT {column['dflt_value']}"
        declarations.append(declaration)
    return ",".join(declarations)
