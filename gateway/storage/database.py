"""The database: one thread that writes, a connection beside it that reads, and no failure without an error."""

import asyncio
import contextlib
import logging
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.runtime.supervisor import Service, Supervisor
from gateway.storage import migrations, recovery
from gateway.storage.connection import (
    BUSY_TIMEOUT_S,
    DatabaseDamaged,
    decode_text,
    open_connection,
    translate_errors,
)
from gateway.storage.migrations import Migration
from gateway.storage.open_files import OpenFiles

CHECK_INTERVAL_S: Final = 30.0
"""How often it is checked that the database works."""

_READER_CACHE_KIB: Final = 512
"""The size of the reading connection's cache: it reads little."""

Parameters = Sequence[Any] | Mapping[str, Any]
T = TypeVar("T")

_log = logging.getLogger(__name__)

# Its debug messages hold the parameters of every statement, secrets among them.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class Database:
    """The open database; made by `open`. Every call that fails raises `StateError`, and nothing was changed then.

    Errors of the statement itself (a broken constraint, wrong SQL) come through as SQLite's own.
    """

    def __init__(
        self, path: Path, thread: ThreadPoolExecutor, writer: sqlite3.Connection, reader: aiosqlite.Connection
    ) -> None:
        """Take the writing connection with the thread that opened it, and the connection for reading."""
        self.path = path
        self._thread = thread
        self._writer = writer
        self._reader = reader
        self._closed = False
        self._service: Service | None = None
        self._damage: str | None = None
        """The damage that something met since the database was opened. Only a restart mends it."""
        self._open_files = OpenFiles(path)
        self._files_lost: str | None = None
        """Which of the open files were deleted or replaced. Nothing is written from then on."""
        self._write_failed = False
        """Whether the last write transaction failed because of the disk or the file."""
        self.commits = 0
        """How many write transactions there were since the database was opened."""

    @classmethod
    async def open(cls, path: Path, known: Sequence[Migration] | None = None) -> Self:
        """Open or create the database (0600), check it and bring its schema to the last of the known migrations.

        Those are the migrations of this version of the gateway, unless others are given. A damaged database is set
        aside, and what can be read of it is recovered into a new one. Raises `StateError`.
        """
        known = migrations.load_packaged() if known is None else known
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        opening = thread.submit(open_connection, path, known)
        try:
            writer = await asyncio.wrap_future(opening)
            reader = await _open_reader(path)
        except BaseException:
            thread.submit(_close_if_opened, opening)
            thread.shutdown(wait=False)
            raise
        database = cls(path, thread, writer, reader)
        try:
            # What was deleted just before a crash may be in the log still.
            await database.checkpoint()
            await database._save_schema()
        except BaseException:
            await database.close()
            raise
        return database

    def start(self, supervisor: Supervisor) -> None:
        """Check again and again that both threads work, until the database is closed: everything depends on them."""
        self._service = supervisor.start_periodic("database", self._check, interval_s=CHECK_INTERVAL_S, vital=True)

    async def _check(self) -> None:
        """Raise unless both threads work and the files are there. What only a restart mends is no foreseen failure."""
        await self.inspect(self._check_files)
        if (failure := self._files_lost or self._damage) is not None:
            raise RuntimeError(failure)
        if self._write_failed:
            await self.try_to_write()
        query = "SELECT count(*) FROM migration"
        await self.inspect(lambda connection: connection.execute(query).fetchone())
        await self.read(query)

    async def try_to_write(self) -> None:
        """Write a page without changing anything. Raises `StateError`."""
        await self.transact(_try_to_write)

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            with translate_errors(self.path):
                yield
        except DatabaseDamaged as exc:
            self._damage = describe_error(exc)
            raise

    async def _save_schema(self) -> None:
        """Save what a recovery needs; a disk without room for it is no reason not to start."""
        try:
            await self.inspect(partial(recovery.save_schema, self.path))
        except (OSError, StateError) as exc:
            _log.warning("%s: its schema cannot be copied, as a precaution against damage: %s", self.path, exc)

    async def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Return all rows of a query: what is committed, without waiting for the writes under way."""
        with self._translate_errors():
            return list(await self._reader.execute_fetchall(sql, parameters))

    async def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Execute one statement as a write transaction, on the disk when this returns."""
        await self.transact(lambda connection: connection.execute(sql, parameters))

    async def executemany(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Execute one statement for each of the rows as one write transaction, on the disk when this returns."""
        await self.transact(lambda connection: connection.executemany(sql, rows))

    async def transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in the database's thread as one write transaction, on the disk when this returns its result.

        If the work raises, nothing of it is kept. A caller that is cancelled does not learn whether it was done.
        """
        try:
            result = await self.inspect(partial(self._transact, work))
        except StateError:
            self._write_failed = True
            raise
        self._write_failed = False
        return result

    async def inspect(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`, which only reads or sets pragmas, in the database's thread and return its result.

        Unlike `read`, it sees every transaction that was asked for before.
        """
        with self._translate_errors():
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            result = work(self._writer)
        except BaseException as exc:
            # A cursor in one of the failed frames would keep its snapshot of the database, and so prevent every write
            # after another program's, for as long as somebody holds the failure.
            traceback.clear_frames(exc.__traceback__)
            raise
        if isinstance(result, sqlite3.Cursor):
            # Freed in another thread, it would reset a statement that this thread may be executing again.
            result.close()
        return result

    def _transact(self, work: Callable[[sqlite3.Connection], T], connection: sqlite3.Connection) -> T:
        self._raise_if_lost()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        self._check_files(connection)
        self._raise_if_lost()
        self.commits += 1
        return result

    def _raise_if_lost(self) -> None:
        if self._files_lost is not None:
            raise StateError(self._files_lost)

    def _check_files(self, connection: sqlite3.Connection) -> None:
        """Take note of files that were deleted or replaced, and save what only a deleted log holds."""
        if self._files_lost is not None or not (lost := self._open_files.find_lost()):
            return
        names = ", ".join(path.name for path in lost)
        self._files_lost = message(
            "{path}: another program has deleted or replaced {names}; nothing is stored until the "
            "gateway is started again",
            path=self.path,
            names=names,
        )
        if self.path not in lost and not self._open_files.log.exists():
            with contextlib.suppress(sqlite3.Error):
                _empty_log(connection)

    async def checkpoint(self) -> None:
        """Empty the log, so that what was deleted or replaced before is in none of the files any more.

        Deleted content is overwritten in the database, but the log in front of it keeps older pages until it is reused.
        """
        if await self.inspect(_empty_log):
            _log.warning("%s: deleted content stays in its log for now: another program is reading", self.path)

    async def close(self) -> None:
        """Finish the writes under way and close. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._service is not None:
            await self._service.stop()
        with translate_errors(self.path):
            await self._reader.close()
            # Last, since the last connection to close empties the log.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
        self._thread.shutdown(wait=False)


def _close_if_opened(opening: Future[sqlite3.Connection]) -> None:
    """Close the connection that an attempt to open it has led to, in the thread that opened it."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Write the log back into the database and empty it; return whether another program was in the way."""
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy)


def _try_to_write(connection: sqlite3.Connection) -> None:
    """Write a page without changing anything."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")


async def _open_reader(path: Path) -> aiosqlite.Connection:
    with translate_errors(path):
        reader = await aiosqlite.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            reader.row_factory = sqlite3.Row
            reader.text_factory = decode_text
            await reader.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
            await reader.execute("PRAGMA query_only = ON")
        except BaseException:
            await reader.close()
            raise
    return reader
