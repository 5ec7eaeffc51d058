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

UNCOPIED_TABLES: Final = frozenset({"provisioning_job"})
"""Tables whose rows go into no copy of a database: they hold passwords, which are deleted when the work ends."""

_FILE: Final = re.compile(r"[0-9]{3}_[a-z_]+\.sql")
_BEFORE_FIRST_RELEASE: Final = "001_cameras"
"""A migration that only databases from the development before the first release have had."""


class Migration(NamedTuple):
    """One step of the schema: its name, and the SQL that takes the schema there from the step before."""

    name: str
    sql: str


def packaged() -> list[Migration]:
    """Return the migrations that this version of the gateway knows, oldest first."""
    folder = resources.files("gateway.storage") / "schema"
    files = sorted((file for file in folder.iterdir() if _FILE.fullmatch(file.name)), key=lambda file: file.name)
    return [Migration(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files]


def copy_before(path: Path, migration: str) -> Path:
    """Return where the copy of a database is kept that was made before a migration."""
    return path.with_name(f"{path.name}.before-{migration}")


async def check(connection: aiosqlite.Connection, known: Sequence[Migration], path: Path) -> None:
    """Raise `StateError` for a database whose schema this version cannot use, and say what to do about it.

    Those are: one that a newer gateway has used, one from before the first release, and one that lacks a migration
    before its last.
    """
    names = [migration.name for migration in known]
    applied = await _load_applied(connection)
    if applied != names[: len(applied)]:
        raise StateError(_describe_mismatch(path, applied, names))


async def migrate(connection: aiosqlite.Connection, known: Sequence[Migration], path: Path) -> None:
    """Apply what is missing, all of it in one transaction, and leave the database as it was if any of it fails.

    A database that holds something is copied first; the copy is kept, without the rows of `UNCOPIED_TABLES`. `path` is
    the database's file. Raises `StateError` when a migration fails, and where `check` does.
    """
    await check(connection, known, path)
    applied = await _load_applied(connection)
    missing = known[len(applied) :]
    if applied and missing:
        await _copy(connection, copy_before(path, missing[0].name))
    try:
        await connection.execute("BEGIN IMMEDIATE")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT"
        )
        for migration in missing:
            await _apply(connection, migration, path)
        await connection.commit()
    except BaseException:
        await connection.rollback()
        raise


async def _load_applied(connection: aiosqlite.Connection) -> list[str]:
    if not await _has_table(connection, "migration"):
        return []
    return [row[0] for row in await connection.execute_fetchall("SELECT name FROM migration ORDER BY name")]


async def _has_table(connection: aiosqlite.Connection, name: str) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return any(await connection.execute_fetchall(named, (name,)))


def _describe_mismatch(path: Path, applied: Sequence[str], names: Sequence[str]) -> str:
    if _BEFORE_FIRST_RELEASE in applied:
        return (
            f"{path} is from before the first release: move {path.parent} away, and the gateway starts with a new one"
        )
    unknown = next((name for name in applied if name not in names), None)
    if unknown is None:
        missing = next(name for name in names if name not in applied)
        return f"{path}: {missing} is missing from its record of migrations; restore a backup"
    copy = copy_before(path, unknown)
    advice = "install that version again"
    if copy.exists():
        advice += f", or put {copy}, the copy made before its change, in the place of {path.name}: newer data is lost"
    return f"{path}: a newer gateway has used it (its schema is at {applied[-1]}); {advice}"


async def _copy(connection: aiosqlite.Connection, copy: Path) -> None:
    """Copy the whole database, as it is now, to a file of its own that only the owner can read."""
    try:
        _create_private(copy)
        await connection.execute("VACUUM INTO ?", (str(copy),))
        async with aiosqlite.connect(copy, isolation_level=None) as copied:
            await copied.execute("PRAGMA secure_delete = ON")
            for table in UNCOPIED_TABLES:
                if await _has_table(copied, table):
                    await copied.execute(f"DELETE FROM {table}")  # noqa: S608  our own names
    except (OSError, sqlite3.Error) as exc:
        raise StateError(f"{copy}: the copy before a change of the schema cannot be made: {exc}") from exc


def _create_private(copy: Path) -> None:
    copy.unlink(missing_ok=True)  # of an attempt that failed later: the database has not changed since
    copy.touch(mode=0o600)


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
