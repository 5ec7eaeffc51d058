"""Copies of the database: one of a database in use, and making one that was restored fit to go on."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from gateway.errors import StateError
from gateway.outbox.table import hold
from gateway.storage import health, migrations
from gateway.storage.database import Database

_CHECK_S: Final = 300.0
_WAIT_S: Final = 10.0


def copy(path: Path, target: Path) -> None:
    """Copy a database as it is at one moment, in use or not, into a new file that only the owner can read.

    Work under way stays behind: it holds passwords, and makes no sense on another day. Raises `StateError`.
    """
    try:
        target.touch(mode=0o600)
        source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
        with contextlib.closing(source):
            source.execute("VACUUM INTO ?", (str(target),))
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copied:
            copied.execute("PRAGMA secure_delete = ON")
            for table in migrations.UNCOPIED_TABLES:
                copied.execute(f"DELETE FROM {table}")  # noqa: S608  our own names
    except (OSError, sqlite3.Error) as exc:
        raise StateError(f"{path}: cannot be copied to {target}: {exc}") from exc


def schema(path: Path) -> list[str]:
    """Return the names of the migrations that a database has had. Raises `StateError`."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as opened:
            return [row[0] for row in opened.execute("SELECT name FROM migration ORDER BY name")]
    except sqlite3.Error as exc:
        raise StateError(f"{path}: cannot be read: {exc}") from exc


def unknown(applied: list[str]) -> list[str]:
    """Return those migrations that this version of the gateway does not know."""
    known = {migration.name for migration in migrations.load_packaged()}
    return [name for name in applied if name not in known]


async def take_up(path: Path) -> int:
    """Make a database that was restored fit to go on; return how many calls wait in it, held back.

    It gets this version's schema, and the marks by which everybody notices that time has gone back. Raises
    `StateError`, also for a damaged one.
    """
    damage = health.examine(path, limit_s=_CHECK_S).damage
    if damage is not None:
        raise StateError(f"the database in the archive is damaged ({damage})")
    database = await Database.open(path)
    try:
        waiting = await database.transact(_go_on)
    finally:
        await database.close()
    for leftover in path.parent.glob(f"{path.name}.before-*"):
        leftover.unlink()
    return waiting


def _go_on(connection: sqlite3.Connection) -> int:
    """Set every mark that a restored database needs."""
    migrations.mark_rewound(connection)
    return hold(connection)
