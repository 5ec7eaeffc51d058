"""The database: one SQLite connection, one writer at a time, and every failure told to the caller."""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

from gateway.errors import StateError
from gateway.store import migrations

BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for another process, such as a person's sqlite3 shell, before it fails."""

_DAMAGED: Final = "the database is damaged; stop the gateway, put the file aside and restore a backup"
_READ_ONLY: Final = "it cannot be written to; check the owner and mode of the file and whether the disk is read-only"
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space there",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the folder exists and that its owner runs the gateway",
    sqlite3.SQLITE_IOERR: "the disk reports an error; it may be full or worn out",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "it is not a database, or a damaged one; put the file aside and restore a backup",
    sqlite3.SQLITE_BUSY: "another program has been holding it for too long; close that program",
    sqlite3.SQLITE_LOCKED: "another program has been holding it for too long; close that program",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}

Parameters = Sequence[Any] | Mapping[str, Any]

# Its debug messages hold the parameters of every statement, secrets among them.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class Database:
    """The open database; made by `open`. Every call that fails raises `StateError`, and nothing was changed then.

    Errors of the statement itself (a broken constraint, wrong SQL) come through as SQLite's own.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self.path = path
        self._connection = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open or create the database (0600), check it and bring its schema up to date.

        Raises `StateError`: unusable file, damaged, made by a newer gateway, a migration that failed.
        """
        _make_private(path)
        with _told(path):
            connection = await aiosqlite.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            with _told(path):
                connection.row_factory = sqlite3.Row
                await _prepare(connection, path)
                await migrations.migrate(connection, migrations.packaged(), path)
                # After the migrations, which may have to rebuild tables that others refer to.
                await connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            await connection.close()
            raise
        return cls(path, connection)

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[aiosqlite.Connection]:
        """Hold the only write transaction: it is on the disk when the block is left, undone when the block raises.

        Inside, read through the connection that this yields: `read` waits until the block is left.
        """
        async with self._turn:
            with _told(self.path):
                try:
                    await self._connection.execute("BEGIN IMMEDIATE")
                    yield self._connection
                    await self._connection.commit()
                except BaseException:
                    await self._connection.rollback()
                    raise

    async def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows of a query; never what another task has written but not yet committed."""
        async with self._turn:
            with _told(self.path):
                return list(await self._connection.execute_fetchall(sql, parameters))

    async def scrub(self) -> None:
        """Empty the log, so that what was deleted or replaced before is in none of the files any more.

        Deleted content is overwritten in the database, but the log in front of it keeps older pages until it is reused.
        """
        async with self._turn:
            with _told(self.path):
                await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Finish the write under way and close. A second call does nothing."""
        async with self._turn:
            with _told(self.path):
                await self._connection.close()


def _make_private(path: Path) -> None:
    """Let only the owner read the file; SQLite gives its log the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as exc:
        raise StateError(f"{path}: the database cannot be opened: {exc.strerror}") from exc


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        rows = list(await connection.execute_fetchall(f"PRAGMA {pragma}"))
        if pragma.startswith("journal_mode") and rows[0][0] != "wal":
            raise StateError(f"{path}: SQLite's write-ahead log cannot be used there; keep the state on a local disk")
    damage = [row[0] for row in await connection.execute_fetchall("PRAGMA quick_check(1)")]
    if damage != ["ok"]:
        raise StateError(f"{path}: {_DAMAGED} ({damage[0]})")


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Translate failures of the disk and the file, not those of a statement, to `StateError`."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", None)
        reason = None if code is None else _REASONS.get(code & 0xFF)
        if reason is None:
            raise
        raise StateError(f"{path}: {reason} (SQLite says: {exc})") from exc
