"""Rows whose pages nothing sound leads to: they are found in the file itself, each with all of its values."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.storage.database import Database
from gateway.storage.recovery.leaf_pages import PAGE, Leaves

DICE = random.Random(7)
VALUES: list[tuple[Any, ...]] = [
    (None, 0, 1, -1, 127, -128, 2**15, -(2**23), 2**31, -(2**47), 2**62, -(2**63)),
    (0.0, 10.25, -1e300, "", "收银台", "x" * 4000, "y" * 4061, "z" * 5000, b"", b"\0\xff", bytes(20_000), "é" * 60_000),
]


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608


def root(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        number: int = found[0]
        return number


def spoil(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(DICE.randbytes(PAGE))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("CREATE TABLE other (text TEXT PRIMARY KEY)")
        connection.executemany("INSERT INTO other VALUES (?)", [(f"{number}" * 50,) for number in range(500)])
        connection.execute(f"CREATE TABLE t ({', '.join(f'c{index}' for index in range(12))})")
        for number in range(300):
            connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * 12)})", VALUES[number % 20 == 0])  # noqa: S608
    return path


def test_every_value_of_every_row_is_found(path: Path) -> None:
    expected = [VALUES[number % 20 == 0] for number in range(300)]
    with Leaves(path) as leaves:
        found = sorted((number, tuple(values)) for number, values in leaves.rows(root(path, "t")))
    assert [number for number, _ in found] == list(range(1, 301))
    assert [values for _, values in found] == expected


def test_nothing_is_found_that_was_deleted(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM t WHERE rowid % 3 != 0")
        connection.execute("PRAGMA incremental_vacuum(5)").fetchall()
    with Leaves(path) as leaves:
        assert sorted(row.number for row in leaves.rows(root(path, "t"))) == list(range(3, 301, 3))


def test_a_file_of_garbage_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"\x0d".join(DICE.randbytes(PAGE - 1) for _ in range(400)))
    with Leaves(path) as leaves:
        for page in range(400):
            list(leaves.rows(page))


async def test_a_damaged_root_costs_no_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "gateway.db"
    database = await Database.open(path)
    async with database.write() as connection:
        texts = [(number, f'{{"n":{number}}}' * DICE.choice((1, 30, 1500))) for number in range(1, 1200)]
        await connection.executemany("INSERT INTO item_content VALUES (?, ?)", texts)
        tokens = [(f"token {number}", "pos", f"{number:0500}", number) for number in range(200)]
        await connection.executemany("INSERT INTO token VALUES (?, ?, ?, ?, NULL)", tokens)
        files = [(number, "pic", "a.png", "image/png", DICE.randbytes(9000)) for number in range(50)]
        await connection.executemany("INSERT INTO item_file VALUES (?, ?, ?, ?, ?)", files)
    await database.close()
    before = {table: rows(path, table) for table in ("item_content", "token", "item_file")}
    for table in before:
        spoil(path, root(path, table))
    await (await Database.open(path)).close()
    assert {table: rows(path, table) for table in before} == before
    assert "item_content: 1199 rows, damaged in 1 places" in caplog.text
