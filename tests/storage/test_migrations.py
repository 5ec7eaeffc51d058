"""Migrations: a database comes to the newest schema or stays as it was; an older gateway leaves a newer one alone."""

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.storage.database import Database
from gateway.storage.migrations import UNCOPIED_TABLES, Migration, copy_before, load_packaged
from tests.storage.databases import (
    apply,
    create_sample,
    insert_sample_rows,
    read_content,
    read_schema,
    split_statements,
)

KNOWN = load_packaged()
NEWEST = KNOWN[-1].name
FUTURE = Migration("900_future", "CREATE TABLE future (x);\nDELETE FROM camera;\n")
REBUILD = Migration(
    "901_rebuild",
    """-- A table is made anew, as SQLite needs it for a changed column.
    CREATE TABLE token_new (name TEXT PRIMARY KEY, scope TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE) STRICT;
    INSERT INTO token_new SELECT name, scope, sha256 FROM token;
    DROP TABLE token;
    ALTER TABLE token_new RENAME TO token;
    DROP INDEX item_refused;
    UPDATE migration SET applied_at = 0;
    """,
)
COLUMN = Migration("901_column", "ALTER TABLE token ADD COLUMN note TEXT NOT NULL DEFAULT '';\n")
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def sample(path: Path) -> Path:
    """Give a database of the newest schema with rows in every table."""
    await create_sample(path)
    return path


def test_files_are_numbered_without_gaps() -> None:
    assert [migration.name[:3] for migration in KNOWN] == [f"{number:03}" for number in range(1, len(KNOWN) + 1)]


async def test_every_migration_is_recorded_once(database: Database) -> None:
    rows = await database.read("SELECT name FROM migration ORDER BY name")
    assert [row["name"] for row in rows] == [migration.name for migration in KNOWN]


async def test_a_fresh_and_a_migrated_database_have_the_same_schema(path: Path, tmp_path: Path) -> None:
    newer = [*KNOWN, FUTURE, REBUILD]
    apply(path, newer)
    for level in range(len(newer)):
        old = tmp_path / f"{level}.db"
        apply(old, newer[:level])
        apply(old, newer)
        assert read_schema(old) == read_schema(path)


async def test_statements_are_cut_where_sqlite_ends_them(path: Path) -> None:
    apply(path, [TRICKY])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO a DEFAULT VALUES")
        assert connection.execute("SELECT x FROM log").fetchall() == [("one; two",), ("END;",)]
        assert connection.execute("SELECT x FROM v").fetchall() == [("one; two",)]


async def test_a_new_column_in_any_table_needs_no_change_of_the_sample_rows(path: Path) -> None:
    apply(path, KNOWN)
    tables = read_content(path).keys() - {"migration"}
    columns = "".join(f"ALTER TABLE {table} ADD COLUMN future TEXT;\n" for table in tables)
    apply(path, [*KNOWN, Migration("900_columns", columns)])
    insert_sample_rows(path)
    assert {table for table, rows in read_content(path).items() if rows and "future" in rows[0]} == tables


@pytest.mark.parametrize(
    "broken",
    [
        "CREATE TABLE b (x); INSERT INTO a VALUES ('lost'); INSERT INTO nowhere VALUES (1);",
        "CREATE TABLE b (x); DROP TABLE log; CREATE TABLE a (x);",
        "CREATE TABLE b (x REFERENCES a (rowid)); INSERT INTO b VALUES (99); CREATE TABLE unfinished (",
    ],
)
async def test_a_failing_migration_leaves_the_database_as_it_was(path: Path, broken: str) -> None:
    apply(path, [TRICKY])
    before = read_content(path), read_schema(path)
    good = Migration("002_good", "CREATE TABLE good (x);")
    with pytest.raises(StateError, match="003_broken, nothing was changed") as failed:
        apply(path, [TRICKY, good, Migration("003_broken", broken)])
    assert str(path) in str(failed.value)
    assert (read_content(path), read_schema(path)) == before


@pytest.mark.parametrize("migration", KNOWN, ids=lambda migration: migration.name)
async def test_a_failure_at_any_statement_leaves_a_new_database_empty(path: Path, migration: Migration) -> None:
    index = KNOWN.index(migration)
    for broken in _break_at_every_statement(migration):
        with pytest.raises(StateError, match=f"{migration.name}, nothing was changed"):
            apply(path, [*KNOWN[:index], broken])
        assert read_schema(path) == []


@pytest.mark.parametrize("earlier", [[], [FUTURE]], ids=["alone", "after-another"])
@pytest.mark.parametrize("migration", [REBUILD, COLUMN], ids=lambda migration: migration.name)
async def test_a_failure_at_any_statement_leaves_every_row(
    sample: Path, migration: Migration, earlier: list[Migration]
) -> None:
    before = read_content(sample), read_schema(sample)
    for broken in _break_at_every_statement(migration):
        with pytest.raises(StateError, match=f"{migration.name}, nothing was changed"):
            apply(sample, [*KNOWN, *earlier, broken])
        assert (read_content(sample), read_schema(sample)) == before
    await (await Database.open(sample)).close()
    assert (read_content(sample), read_schema(sample)) == before


def _break_at_every_statement(migration: Migration) -> list[Migration]:
    statements = list(split_statements(migration.sql))
    assert statements, "nothing would be tested"
    return [
        Migration(
            migration.name,
            "".join([*statements[:place], "INSERT INTO nowhere VALUES (1);\n", *statements[place:]]),
        )
        for place in range(len(statements) + 1)
    ]


async def test_a_migration_may_not_leave_references_to_nothing(path: Path) -> None:
    sql = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p); INSERT INTO c VALUES (7);"
    with pytest.raises(StateError, match="rows of c refer to rows that do not exist"):
        apply(path, [Migration("001_orphan", sql)])
    assert read_schema(path) == []


async def test_a_copy_is_made_before_a_migration_and_opens(sample: Path, tmp_path: Path) -> None:
    before, schema = read_content(sample, without=UNCOPIED_TABLES), read_schema(sample)
    await (await Database.open(sample)).close()
    assert _copies(tmp_path) == [], "nothing was changed"
    apply(sample, [*KNOWN, FUTURE, REBUILD])
    [copy] = _copies(tmp_path)
    assert copy == tmp_path / "gateway.db.before-900_future"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert read_schema(copy) == schema
    assert read_content(copy, without=UNCOPIED_TABLES) == before
    left = read_content(copy)
    assert not any(left[table] for table in UNCOPIED_TABLES), "passwords of work under way are in no copy"
    assert b"an invented one" not in copy.read_bytes()
    await (await Database.open(copy)).close()


async def test_a_record_of_migrations_with_a_gap_is_told(path: Path) -> None:
    middle = Migration("899_middle", "CREATE TABLE middle (x);")
    newer = [*KNOWN, middle, FUTURE]
    apply(path, newer)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM migration WHERE name = ?", (middle.name,))
    with pytest.raises(StateError, match=r"899_middle is missing from its record of migrations.*restore a backup"):
        apply(path, newer)


async def test_an_older_gateway_refuses_a_newer_schema_and_names_the_copy(sample: Path) -> None:
    before = read_content(sample, without=UNCOPIED_TABLES)
    apply(sample, [*KNOWN, FUTURE])
    after = read_content(sample), read_schema(sample)
    copy = copy_before(sample, FUTURE.name)
    with pytest.raises(StateError, match=r"a newer gateway has used it.*900_future") as refused:
        await Database.open(sample)
    assert str(copy) in str(refused.value)
    assert (read_content(sample), read_schema(sample)) == after
    copy.replace(sample)
    await (await Database.open(sample)).close()
    assert read_content(sample, without=UNCOPIED_TABLES) == before


async def test_a_damaged_database_of_a_newer_gateway_is_refused_too(path: Path) -> None:
    apply(path, [*KNOWN, FUTURE])
    _spoil(path)
    with pytest.raises(StateError, match="a newer gateway has used it"):
        await Database.open(path)


@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
async def test_a_database_from_before_the_first_release_is_refused_as_such(
    path: Path, tmp_path: Path, file_bytes: Callable[[], dict[str, bytes]], damaged: bool
) -> None:
    apply(path, [Migration("001_cameras", "CREATE TABLE camera (sn TEXT PRIMARY KEY);"), *KNOWN[1:]])
    if damaged:
        _spoil(path)
    before = file_bytes()
    with pytest.raises(StateError) as refused:
        await Database.open(path)
    assert str(refused.value) == (
        f"{path} is from before the first release: move {tmp_path} away, and the gateway starts with a new one"
    )
    assert file_bytes() == before, "nothing was changed or set aside"


@pytest.mark.parametrize("change", ["UPDATE migration SET sha256 = '0'", "ALTER TABLE migration DROP COLUMN sha256"])
async def test_a_database_whose_first_schema_was_another_one_is_refused_in_one_sentence(
    sample: Path, file_bytes: Callable[[], dict[str, bytes]], change: str
) -> None:
    with closing(sqlite3.connect(sample)) as connection, connection:
        connection.execute(change)
    before = file_bytes()
    with pytest.raises(StateError, match=r"is from before the first release: move .* away"):
        await Database.open(sample)
    assert file_bytes() == before, "nothing was changed or set aside"


def _copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("gateway.db.before-*"))


def _spoil(path: Path) -> None:
    """Damage a page that is neither the schema's nor that of the record of migrations."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE spoiled (data)")
        connection.execute("INSERT INTO spoiled VALUES ('find me')")
    content = path.read_bytes()
    place = content.index(b"find me") // 4096 * 4096
    path.write_bytes(content[:place] + b"\xa5" * 4096 + content[place + 4096 :])
