"""Migrations: the numbered files of `schema/`, each applied once, in order, and recorded with what it changed."""

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import aiosqlite

from gateway.errors import StateError

_FILE: Final = re.compile(r"[0-9]{3}_[a-z_]+\.sql")


class Migration(NamedTuple):
    """One step of the schema: its name, and the SQL that takes the schema there from the step before."""

    name: str
    sql: str


def packaged() -> list[Migration]:
    """Return the migrations that this version of the gateway knows, oldest first."""
    folder = resources.files("gateway.store") / "schema"
    files = sorted((file for file in folder.iterdir() if _FILE.fullmatch(file.name)), key=lambda file: file.name)
    return [Migration(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files]


async def migrate(connection: aiosqlite.Connection, known: Sequence[Migration], path: Path) -> None:
    """Apply what is missing, all of it in one transaction, and leave the database as it was if any of it fails.

    `path` is named in errors. Raises `StateError` when a migration fails, or when the database has one that this
    version does not know: a newer gateway has used it.
    """
    names = [migration.name for migration in known]
    try:
        await connection.execute("BEGIN IMMEDIATE")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT"
        )
        applied = [row[0] for row in await connection.execute_fetchall("SELECT name FROM migration ORDER BY name")]
        if applied != names[: len(applied)]:
            newest = applied[-1]
            raise StateError(
                f"{path}: a newer gateway has used it (its schema is at {newest}); install that version again"
            )
        for migration in known[len(applied) :]:
            await _apply(connection, migration, path)
        await connection.commit()
    except BaseException:
        await connection.rollback()
        raise


async def _apply(connection: aiosqlite.Connection, migration: Migration, path: Path) -> None:
    failed = f"{path}: the schema could not be brought to {migration.name}, nothing was changed"
    try:
        for statement in _statements(migration.sql):
            await connection.execute(statement)
        violations = list(await connection.execute_fetchall("PRAGMA foreign_key_check"))
        await connection.execute("INSERT INTO migration VALUES (?, ?)", (migration.name, int(time.time())))
    except sqlite3.Error as exc:
        raise StateError(f"{failed}: {exc}") from exc
    if violations:
        raise StateError(f"{failed}: rows of {violations[0][0]} refer to rows that do not exist")


def _statements(sql: str) -> Iterator[str]:
    """Cut a script into statements; a semicolon inside a text, a comment or a trigger ends none."""
    begun = ""
    for piece in sql.split(";"):
        begun += piece + ";"
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""
    rest = begun.removesuffix(";")
    if rest.strip():
        yield rest
