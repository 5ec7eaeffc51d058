import sqlite3
from collections.abc import Sequence
from pathlib import Path

import aiosqlite
import pytest

from gateway.errors import StateError
from gateway.storage.database import Database
from gateway.storage.migrations import Migration, migrate, packaged

TRICKY = Migration(
    "001_tricky",
    """-- a comment; with a semicolon
    CREATE TABLE a (x TEXT DEFAULT 'one; two');  -- another; one
    /* and; a third */
    CREATE TABLE log (x);
    CREATE TRIGGER noted AFTER INSERT ON a BEGIN
        INSERT INTO log VALUES (new.x);
        INSERT INTO log VALUES ('END;');
    END;
    CREATE VIEW v AS SELECT x FROM a
    """,
)


async def run(path: Path, migrations: Sequence[Migration]) -> None:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await migrate(connection, migrations, path)


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def schema(path: Path) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    connection.close()
    return rows


def test_files_are_numbered_without_gaps() -> None:
    names = [migration.name for migration in packaged()]
    assert [name[:3] for name in names] == [f"{number:03}" for number in range(1, len(names) + 1)]


async def test_a_fresh_and_a_migrated_database_have_the_same_schema(tmp_path: Path) -> None:
    known = packaged()
    fresh = tmp_path / "fresh.db"
    await (await Database.open(fresh)).close()
    for version in range(len(known)):
        old = tmp_path / f"{version}.db"
        await run(old, known[:version])
        await (await Database.open(old)).close()
        assert schema(old) == schema(fresh)


async def test_every_migration_is_recorded_once(database: Database) -> None:
    rows = await database.read("SELECT name FROM migration ORDER BY name")
    assert [row["name"] for row in rows] == [migration.name for migration in packaged()]


async def test_statements_are_cut_where_sqlite_ends_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    await run(path, [TRICKY])
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO a DEFAULT VALUES")
    assert connection.execute("SELECT x FROM log").fetchall() == [("one; two",), ("END;",)]
    assert connection.execute("SELECT x FROM v").fetchall() == [("one; two",)]
    connection.close()


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE b (x); INSERT INTO a VALUES ('lost'); INSERT INTO nowhere VALUES (1);",
        "CREATE TABLE b (x); DROP TABLE log; CREATE TABLE a (x);",
        "CREATE TABLE b (x REFERENCES a (rowid)); INSERT INTO b VALUES (99); CREATE TABLE unfinished (",
    ],
)
async def test_a_failing_migration_leaves_the_database_as_it_was(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "gateway.db"
    await run(path, [TRICKY])
    before = dump(path)
    good = Migration("002_good", "CREATE TABLE good (x);")
    with pytest.raises(StateError, match="003_broken, nothing was changed") as failed:
        await run(path, [TRICKY, good, Migration("003_broken", broken)])
    assert str(path) in str(failed.value)
    assert dump(path) == before


async def test_a_migration_may_not_leave_references_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    sql = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (7);"
    with pytest.raises(StateError, match="rows of c refer to rows that do not exist"):
        await run(path, [Migration("001_orphan", sql)])
    assert schema(path) == []


async def test_a_record_of_migrations_with_a_gap_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    await run(path, packaged())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DELETE FROM migration WHERE name LIKE '003%'")
    connection.close()
    with pytest.raises(StateError, match=r"003_jobs is missing from its record of migrations.*restore a backup"):
        await run(path, packaged())


async def test_an_older_gateway_refuses_a_newer_schema_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    future = Migration("900_future", "CREATE TABLE future (x);")
    await run(path, [*packaged(), future])
    before = dump(path)
    with pytest.raises(StateError, match=r"a newer gateway has used it.*900_future"):
        await Database.open(path)
    assert dump(path) == before
