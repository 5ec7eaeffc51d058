"""Rows of damaged tables: each page is read by itself, with all values, and reading goes on behind each damage."""

import random
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.storage.recovery.page_map import PAGE_BYTES, PageMap
from gateway.storage.recovery.page_tables import PageTables
from gateway.storage.recovery.readable_rows import ReadableRows, read_page
from gateway.storage.recovery.row_shape import RowShape, declare_stored

DICE = random.Random(7)
VALUES: list[tuple[Any, ...]] = [
    (None, 0, 1, -1, 127, -128, 2**15, -(2**23), 2**31, -(2**47), 2**62, -(2**63)),
    (0.0, 10.25, -1e300, "", "收银台", "x" * 4000, "y" * 4061, "z" * 5000, b"", b"\0\xff", bytes(20_000), "é" * 60_000),
]
COLUMNS = ",".join(f"c{index}" for index in range(12))
ROWS = [VALUES[number % 20 == 0] for number in range(300)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a file with a table of short and very long rows, beside another table."""
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE other (text TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO other VALUES (?)", [(f"{number}" * 50,) for number in range(500)])
        connection.execute(f"CREATE TABLE t ({COLUMNS})")
        connection.executemany(f"INSERT INTO t VALUES ({', '.join('?' * 12)})", ROWS)  # noqa: S608
        connection.execute("COMMIT")
    return path


def find_root(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        [root] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        return int(root)


def find_pages(path: Path, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
    with path.open("rb") as file:
        return PageMap(file).find_pages(roots)


def read_pages(path: Path, pages: Sequence[int]) -> list[tuple[Any, ...]]:
    with PageTables(path) as page_tables:
        return [row for connection, table in page_tables.open(COLUMNS, pages) for row in read_page(connection, table)]


def leaves(path: Path) -> Sequence[int]:
    """Return the pages that hold rows of the table `t`."""
    root = find_root(path, "t")
    with path.open("rb") as file:
        return PageMap(file).find_leaves({root})[root]


def spoil(path: Path, page: int) -> None:
    with path.open("r+b") as stream:
        stream.seek((page - 1) * PAGE_BYTES)
        stream.write(DICE.randbytes(PAGE_BYTES))


def test_every_value_of_every_row_is_found_through_its_page(path: Path) -> None:
    pages = leaves(path)
    assert len(pages) > 10
    spoil(path, find_root(path, "t"))
    assert sorted(map(repr, read_pages(path, pages))) == sorted(map(repr, ROWS))


def test_the_file_is_left_as_it_was(path: Path) -> None:
    before = path.read_bytes()
    read_pages(path, leaves(path))
    assert path.read_bytes() == before


def test_the_pages_of_a_table_are_those_that_nothing_else_uses(path: Path) -> None:
    roots = {find_root(path, name) for name in ("t", "other", "sqlite_autoindex_other_1")}
    found = find_pages(path, roots)
    every = [page for pages in found.values() for page in pages]
    assert len(every) == len(set(every))
    with closing(sqlite3.connect(path)) as connection:
        [count] = connection.execute("PRAGMA page_count").fetchone()
    map_pages = len(range(2, count + 1, PAGE_BYTES // 5 + 1))
    assert len(every) == count - 1 - map_pages, "all but the first page and the map itself"


def test_nothing_is_found_that_was_deleted(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM t WHERE rowid % 3 != 0")
        connection.execute("PRAGMA incremental_vacuum(5)").fetchall()
    assert len(read_pages(path, leaves(path))) == 100


def test_a_file_of_garbage_has_no_tables_and_few_rows(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"\x0d".join(DICE.randbytes(PAGE_BYTES - 1) for _ in range(20)))
    assert len(find_pages(path, range(1, 21))) < 5
    assert len(read_pages(path, range(1, 21))) < 5


def test_a_file_has_the_pages_that_it_is_long_enough_for(path: Path) -> None:
    pages = path.stat().st_size // PAGE_BYTES
    with PageTables(path) as page_tables:
        assert page_tables.has(pages)
        assert not page_tables.has(pages + 1)


def test_a_table_goes_on_behind_each_damage(path: Path) -> None:
    pages = leaves(path)
    for page in (pages[0], pages[3], pages[4], pages[-1]):
        spoil(path, page)
    with closing(sqlite3.connect(path)) as connection:
        rows = ReadableRows(connection, "t")
        found = list(rows)
    # Two damaged pages that follow each other are one place.
    assert rows.gaps == 3
    assert len(found) > 200
    assert set(map(repr, found)) <= set(map(repr, ROWS))


def test_the_row_before_a_damage_is_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE lines (text)")
        connection.executemany("INSERT INTO lines VALUES (?)", [(f"{number:0400}",) for number in range(200)])
        connection.commit()
    content = path.read_bytes()
    page = content.index(f"{100:0400}".encode()) // PAGE_BYTES
    on_page = {
        int(n) for n in range(200) if f"{n:0400}".encode() in content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
    }
    spoil(path, page + 1)
    with closing(sqlite3.connect(path)) as connection:
        found = {int(text) for (text,) in ReadableRows(connection, "lines")}
    assert 0 < len(on_page) < 20
    assert found == set(range(200)) - on_page


def test_a_page_is_told_by_the_shape_of_its_rows(tmp_path: Path) -> None:
    """A key that is the rowid is not stored in the row, so content is not mistaken for a text under a text."""
    with closing(sqlite3.connect(tmp_path / "shapes.db", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("CREATE TABLE content (sequence INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")
        connection.execute("CREATE TABLE job (sn TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT")
        connection.execute("CREATE TABLE value (name TEXT NOT NULL, number REAL) STRICT")
        shapes = {table: RowShape(connection, table) for table in ("content", "job", "value")}
        connection.execute(f"CREATE TABLE stored ({declare_stored(4)})")
        connection.execute("INSERT INTO stored (c0) VALUES (NULL)")
        [(_, absent, *_)] = connection.execute("SELECT * FROM stored").fetchall()

    def find(*values: object) -> set[str]:
        row = [*values, *[absent] * 4][:4]
        return {table for table, shape in shapes.items() if shape.fits(row)}

    assert find(None, "text") == {"content"}
    assert find("SN1", "{}") == {"job"}
    assert find("x", None) == find("x", 1) == find("x", 1.5) == {"value"}
    assert find("x") == find("SN1", "{}", 1) == find(None, None) == find(b"x", 1) == set()
