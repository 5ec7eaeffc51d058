"""The database: one SQLite connection, one writer at a time, and every failure told to the caller."""

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from gateway.errors import DiskFull, StateError
from gateway.storage import migrations
from gateway.storage.recovery import salvage, schema_copy
from gateway.storage.recovery.leaf_pages import PAGE

BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for another process, such as a person's sqlite3 shell, before it fails."""

_STATEMENTS: Final = 256
"""How many statements are kept prepared: those that insert many rows are one for each number of rows."""

_SHORTEST_LOG: Final = 2000
_LONGEST_LOG: Final = 6500
"""How long the log grows before it is written back, in pages: seldom, since whoever commits then waits for several
flushes, and less than the room that is kept free for it on a disk of that size."""
_LOG_OF_DISK: Final = 200

_READ_ONLY: Final = "it cannot be written to; check the owner and mode of the file and whether the disk is read-only"
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space there",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the folder exists and that its owner runs the gateway",
    sqlite3.SQLITE_IOERR: "the disk reports an error; it may be full or worn out",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; start the gateway again, which saves what can be read",
    sqlite3.SQLITE_NOTADB: "it is not a database, or a damaged one; start the gateway again",
    sqlite3.SQLITE_BUSY: "another program has been holding it for too long; close that program",
    sqlite3.SQLITE_LOCKED: "another program has been holding it for too long; close that program",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

Parameters = Sequence[Any] | Mapping[str, Any]
T = TypeVar("T")

_log = logging.getLogger(__name__)

# Its debug messages hold the parameters of every statement, secrets among them.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class _Damaged(StateError):
    """The file is no database, or a broken one."""


class Database:
    """The open database; made by `open`. Every call that fails raises `StateError`, and nothing was changed then.

    Errors of the statement itself (a broken constraint, wrong SQL) come through as SQLite's own.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self.path = path
        self._connection = connection
        self._turn = asyncio.Lock()
        self.commits = 0
        """How many write transactions there were since the database was opened."""

    @classmethod
    async def open(cls, path: Path, known: Sequence[migrations.Migration] | None = None) -> Self:
        """Open or create the database (0600), check it and bring its schema to the last of the known migrations.

        Those are the migrations of this version of the gateway, unless others are given.

        A damaged one is set aside; what can be read of it is saved into a new one, and the log says so.
        Raises `StateError`: unusable file, made by a newer gateway, a migration that failed.
        """
        known = migrations.packaged() if known is None else known
        _make_private(path)
        try:
            database = cls(path, await _opened(path, known))
        except _Damaged as exc:
            damage = str(exc)
        else:
            await database._keep_schema()
            return database
        aside = await asyncio.to_thread(salvage.set_aside, path)
        level = await asyncio.to_thread(salvage.level, aside, [migration.name for migration in known])
        _make_private(path)
        await (await _opened(path, known[:level])).close()
        report = await asyncio.to_thread(salvage.save, aside, path)
        _log.error("%s; the damaged file is kept as %s; %s", damage, aside, report)
        database = cls(path, await _opened(path, known))
        await database.transact(salvage.renew_epoch)
        await database._keep_schema()
        return database

    async def _keep_schema(self) -> None:
        """Keep a copy of what tells where the tables are; a disk without room for it is no reason not to start."""
        try:
            await self.scrub()
            await asyncio.to_thread(schema_copy.keep, self.path)
        except (OSError, StateError) as exc:
            _log.warning("%s: its schema cannot be copied, as a precaution against damage: %s", self.path, exc)

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
                    self.commits += 1
                except BaseException:
                    await self._connection.rollback()
                    raise

    async def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows of a query; never what another task has written but not yet committed."""
        async with self._turn:
            with _told(self.path):
                return list(await self._connection.execute_fetchall(sql, parameters))

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in the database's thread as one write transaction, on the disk when this returns its result.

        For many statements at once: `write` changes threads for each one, which costs more than most of them.
        """
        done = await self._in_thread(partial(_transact, work))
        self.commits += 1
        return done

    async def inspect(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`, which only reads or sets pragmas, in the database's thread and return its result."""
        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turn:
            with _told(self.path):
                # aiosqlite has no public way to its thread for more than one statement.
                done: T = await self._connection._execute(lambda: work(self._connection._conn))  # type: ignore[no-untyped-call]
                return done

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


def _transact(work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return done


async def _opened(path: Path, known: Sequence[migrations.Migration]) -> aiosqlite.Connection:
    """Connect, check, and bring the schema to the last of the known migrations. Raises `StateError`, `_Damaged`."""
    with _told(path):
        connection = await aiosqlite.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_STATEMENTS
        )
    try:
        with _told(path):
            connection.row_factory = sqlite3.Row
            await migrations.check(connection, known, path)
            await _prepare(connection, path)
            await migrations.migrate(connection, known, path)
            # After the migrations, which may have to rebuild tables that others refer to.
            await connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        await connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Let only the owner read the file; SQLite gives its log the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as exc:
        raise StateError(f"{path}: the database cannot be opened: {exc.strerror}") from exc


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    async def pragma(text: str) -> Any:
        rows = list(await connection.execute_fetchall(f"PRAGMA {text}"))
        return rows[0][0] if rows else None

    shrinking = await pragma("auto_vacuum") == 2
    if not shrinking:
        await pragma("auto_vacuum = INCREMENTAL")  # holds from the first table on, or from a VACUUM
    if await pragma("journal_mode = WAL") != "wal":
        raise StateError(f"{path}: SQLite's write-ahead log cannot be used there; keep the state on a local disk")
    await pragma("synchronous = FULL")
    await pragma("secure_delete = ON")
    log_pages = _log_pages(shutil.disk_usage(path.parent).total)
    await pragma(f"wal_autocheckpoint = {log_pages}")
    await pragma(f"journal_size_limit = {log_pages * PAGE}")  # of what one large write has left of the log
    damage = await pragma("integrity_check(1)")
    if damage != "ok":
        raise _Damaged(f"{path}: the database is damaged ({damage})")
    if not shrinking and await pragma("page_count") > 1:
        await pragma("auto_vacuum = INCREMENTAL")
        await connection.execute("VACUUM")


def _log_pages(disk_bytes: int) -> int:
    return max(_SHORTEST_LOG, min(_LONGEST_LOG, disk_bytes // _LOG_OF_DISK // PAGE))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Translate failures of the disk and the file, not those of a statement, to `StateError`."""
    try:
        yield
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", None)
        reason = None if code is None else _REASONS.get(code & 0xFF)
        if code is None or reason is None:
            raise
        kinds = {sqlite3.SQLITE_FULL: DiskFull} | dict.fromkeys(_DAMAGED, _Damaged)
        raise kinds.get(code & 0xFF, StateError)(f"{path}: {reason} (SQLite says: {exc})") from exc
