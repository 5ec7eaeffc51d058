"""Migrations: the numbered files of `schema/`, each applied once, in order, and recorded with what it changed."""

import contextlib
import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import StateError

UNCOPIED_TABLES: Final = frozenset({"provisioning_job", "site_plan_secret"})
"""Tables whose rows go into no copy of a database: they hold passwords, which are deleted when the work ends."""

_FOLDER: Final = resources.files("gateway.storage") / "schema"
_FILE: Final = re.compile(r"[0-9]{3}_[a-z_]+\.sql")
_BEFORE_FIRST_RELEASE: Final = "001_cameras"
"""A migration that only databases from the development before the first release have had."""


class Migration(NamedTuple):
    """One step of the schema: its name, and the SQL that takes the schema there from the step before."""

    name: str
    """The name of its file, without the ending."""
    sql: str
    """Its statements."""

    @property
    def digest(self) -> str:
        """The SHA-256 of its SQL, in hex. Before a release a migration may change, and its databases with it."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_packaged() -> list[Migration]:
    """Return the migrations that this version of the gateway knows, oldest first."""
    files = sorted((file for file in _FOLDER.iterdir() if _FILE.fullmatch(file.name)), key=lambda file: file.name)
    return [Migration(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files]


def copy_before(path: Path, migration: str) -> Path:
    """Return where the copy of a database is kept that was made before a migration."""
    return path.with_name(f"{path.name}.before-{migration}")


def load_applied(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the migrations that a database has had, oldest first."""
    if not _has_table(connection, "migration"):
        return []
    return [row[0] for row in connection.execute("SELECT name FROM migration ORDER BY name")]


def check_database(connection: sqlite3.Connection, known: Sequence[Migration], path: Path) -> list[str]:
    """Return the names of the migrations that a database has had; raise `StateError` as `check` does.

    It is raised also if one of them was another one then, by the same name.
    """
    applied = load_applied(connection)
    check(applied, known, path)
    if applied:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(migration)")]
        query = "SELECT sha256 FROM migration ORDER BY name"
        digests = [row[0] for row in connection.execute(query)] if "sha256" in columns else []
        if digests != [migration.digest for migration in known[: len(applied)]]:
            raise StateError(_describe_unreleased(path))
    return applied


def check(applied: Sequence[str], known: Sequence[Migration], path: Path) -> None:
    """Raise `StateError` where this version cannot use a database that has had these migrations; say what to do.

    That is so after a newer gateway has used it, if it is from before the first release, and if its record of
    migrations has a gap.
    """
    names = [migration.name for migration in known]
    if list(applied) != names[: len(applied)]:
        raise StateError(_describe_mismatch(path, applied, names))


def migrate(connection: sqlite3.Connection, known: Sequence[Migration], path: Path) -> None:
    """Apply what is missing, all of it in one transaction, and leave the database as it was if any of it fails.

    A database that holds something is copied first; the copy is kept, without the rows of `UNCOPIED_TABLES`. `path` is
    the database's file. Raises `StateError` when a migration fails, and where `check` does.
    """
    applied = check_database(connection, known, path)
    missing = known[len(applied) :]
    if applied and missing:
        _copy(connection, copy_before(path, missing[0].name))
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration "
            "(name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL, sha256 TEXT NOT NULL) STRICT"
        )
        for migration in missing:
            _apply(connection, migration, path)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return any(connection.execute(named, (name,)))


def _describe_unreleased(path: Path) -> str:
    return message(
        "{path} is from before the first release: move {parent} away, and the gateway starts with a new one",
        path=path,
        parent=path.parent,
    )


def _describe_mismatch(path: Path, applied: Sequence[str], names: Sequence[str]) -> str:
    if _BEFORE_FIRST_RELEASE in applied:
        return _describe_unreleased(path)
    unknown = next((name for name in applied if name not in names), None)
    if unknown is None:
        missing = next(name for name in names if name not in applied)
        return message(
            "{path}: {missing} is missing from its record of migrations; restore a backup", path=path, missing=missing
        )
    copy = copy_before(path, unknown)
    advice = message("install that version again")
    if copy.exists():
        advice = message(
            "install that version again, or put {copy}, the copy made before its change, in the place of {name}: newer "
            "data is lost",
            copy=copy,
            name=path.name,
        )
    return message(
        "{path}: a newer gateway has used it (its schema is at {applied}); {advice}",
        path=path,
        applied=applied[-1],
        advice=advice,
    )


def _copy(connection: sqlite3.Connection, copy: Path) -> None:
    """Copy the whole database, as it is now, to a file of its own that only the owner can read."""
    try:
        _create_private(copy)
        connection.execute("VACUUM INTO ?", (str(copy),))
        delete_uncopied(copy)
    except (OSError, sqlite3.Error) as exc:
        raise StateError(
            message("{copy}: the copy before a change of the schema cannot be made: {reason}", copy=copy, reason=exc)
        ) from exc


def delete_uncopied(copy: Path) -> None:
    """Delete the rows of `UNCOPIED_TABLES` from a copy of a database. Raises `sqlite3.Error`."""
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        for table in UNCOPIED_TABLES:
            if _has_table(connection, table):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608  our own names


def _create_private(copy: Path) -> None:
    copy.unlink(missing_ok=True)  # of an attempt that failed later: the database has not changed since
    copy.touch(mode=0o600)


def mark_rewound(connection: sqlite3.Connection) -> None:
    """Leave the marks by which everybody notices that the database's content may have gone back in time."""
    for statement in _split(_FOLDER.joinpath("rewound.sql").read_text(encoding="utf-8")):
        connection.execute(statement)


def _apply(connection: sqlite3.Connection, migration: Migration, path: Path) -> None:
    failed = message(
        "{path}: the schema could not be brought to {migration}, nothing was changed",
        path=path,
        migration=migration.name,
    )
    try:
        for statement in _split(migration.sql):
            connection.execute(statement)
        violations = connection.execute("PRAGMA foreign_key_check").fetchall()
        row = (migration.name, int(time.time()), migration.digest)
        connection.execute("INSERT INTO migration VALUES (?, ?, ?)", row)
    except sqlite3.Error as exc:
        raise StateError(message("{what}: {reason}", what=failed, reason=exc)) from exc
    if violations:
        raise StateError(
            message("{what}: rows of {table} refer to rows that do not exist", what=failed, table=violations[0][0])
        )


def _split(sql: str) -> Iterator[str]:
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
