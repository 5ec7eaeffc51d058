"""Databases of tests: their content and schema, their migrations, and a database with rows in every table."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.storage.connection import decode_text
from gateway.storage.database import Database
from gateway.storage.migrations import Migration, migrate

SAMPLE_ROWS = Path(__file__).with_name("sample_rows.sql")


async def create_sample(path: Path) -> None:
    """Make a database of the newest schema with rows in every table."""
    await (await Database.open(path)).close()
    insert_sample_rows(path)


def insert_sample_rows(path: Path) -> None:
    """Insert some rows into every table of a database of the newest schema."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SAMPLE_ROWS.read_text(encoding="utf-8"))


@contextlib.asynccontextmanager
async def refused_writes(database: Database) -> AsyncIterator[None]:
    """Let every write fail for the length of the block, as on a file system that has become read-only."""
    await database.inspect(lambda connection: connection.execute("PRAGMA query_only = ON"))
    try:
        yield
    finally:
        await database.inspect(lambda connection: connection.execute("PRAGMA query_only = OFF"))


def apply(path: Path, migrations: Sequence[Migration]) -> None:
    """Bring a database to these migrations, as a version of the gateway does that knows no others."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, migrations, path)


def read_content(path: Path, *, without: Collection[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, in an order that does not depend on where they are stored."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        connection.text_factory = decode_text  # a recovered row may hold a text that is damaged
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(map(dict, connection.execute(f"SELECT * FROM {table}")), key=repr)  # noqa: S608
            for table in tables
            if table not in without
        }


def read_schema(path: Path) -> list[tuple[str, ...]]:
    """Return the schema of a database, which has to be sound."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def split_statements(sql: str) -> Iterator[str]:
    """Cut a script that has no two statements on one line."""
    begun = ""
    for line in sql.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""
