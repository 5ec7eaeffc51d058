"""The connection that writes: checked, with safe settings, at the newest schema, recovered where it is damaged."""

import contextlib
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from firmware_tools.language import describe_error, message
from gateway.errors import DiskFull, StateError
from gateway.storage import migrations, recovery
from gateway.storage.migrations import Migration
from gateway.storage.sqlite_errors import SQLITE_ERRORS, get_error_code

BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for another program, such as a person's sqlite3 shell, before it fails."""

_CACHED_STATEMENTS: Final = 256
"""How many prepared statements are kept: statements that insert many rows exist once for each number of rows."""

_MIN_LOG_PAGES: Final = 2000
_MAX_LOG_PAGES: Final = 6500
"""The range of the log's length before it is written back, in pages. It is long because whoever commits then waits for
several flushes, and bounded because it needs room on the disk."""
_LOG_SHARE_OF_DISK: Final = 1 / 200

_READ_ONLY: Final = message(
    "it cannot be written to; check the owner and mode of the file and whether the disk is read-only"
)
_REASONS: Final = {
    sqlite3.SQLITE_FULL: message("the disk is full; free some space there"),
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: message(
        "it cannot be opened; check that the folder exists and that its owner runs the gateway"
    ),
    sqlite3.SQLITE_IOERR: message("the disk reports an error; it may be full or worn out"),
    sqlite3.SQLITE_CORRUPT: message(
        "the database is damaged; start the gateway again, which recovers what can be read"
    ),
    sqlite3.SQLITE_NOTADB: message("it is not a database, or a damaged one; start the gateway again"),
    sqlite3.SQLITE_BUSY: message("another program has been holding it for too long; close that program"),
    sqlite3.SQLITE_LOCKED: message("another program has been holding it for too long; close that program"),
    sqlite3.SQLITE_NOMEM: message("there is not enough memory"),
}

_log = logging.getLogger(__name__)


class DatabaseDamaged(StateError):
    """The file is a damaged database, or none."""


_ERRORS: Final[dict[int, type[StateError]]] = {
    sqlite3.SQLITE_FULL: DiskFull,
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
}


@contextlib.contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Translate failures of the disk and the file to `StateError`, but leave those of a statement as they are."""
    try:
        yield
    except SQLITE_ERRORS as exc:
        code = get_error_code(exc)
        reason = _REASONS.get(code)
        if reason is None:
            raise
        raise _ERRORS.get(code, StateError)(
            message("{path}: {reason} (SQLite says: {original})", path=path, reason=reason, original=exc)
        ) from exc


def decode_text(raw: bytes) -> str:
    """Return a stored text, with U+FFFD for what is not UTF-8: one damaged text must not fail a query for many rows."""
    return raw.decode("utf-8", "replace")


def open_connection(path: Path, known: Sequence[Migration]) -> sqlite3.Connection:
    """Open or create a database (0600), check it, and bring its schema to the last of the known migrations.

    A damaged database is set aside. The rows that can be read are recovered into a new one, and the log says so.
    Raises `StateError`: an unusable file, a schema that this version does not know, a migration that failed.
    """
    with translate_errors(path):
        if recovery.is_interrupted(path):
            damage = f"{path}: a recovery was interrupted"
        else:
            try:
                return _open(path, known)
            except DatabaseDamaged as exc:
                damage = describe_error(exc)
        report = recovery.recover(path, known, create=_open)
        _log.error("%s; %s", damage, report)
        return _open(path, known)


def _open(path: Path, known: Sequence[Migration]) -> sqlite3.Connection:
    _make_private(path)
    with translate_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_CACHED_STATEMENTS
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.text_factory = decode_text
            migrations.check_database(connection, known, path)
            _prepare(connection, path)
            migrations.migrate(connection, known, path)
            # After the migrations, which may have to rebuild tables that others refer to.
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _make_private(path: Path) -> None:
    """Let only the owner read the file; SQLite gives its log the same mode.

    A file that exists is not opened: closing it would drop the locks that SQLite holds on it in this process.
    """
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as exc:
        raise StateError(message("{path}: the database cannot be opened: {reason}", path=path, reason=exc)) from exc


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the pragmas and check the file. Raises `StateError`, `DatabaseDamaged`."""

    def pragma(text: str) -> Any:
        row = connection.execute(f"PRAGMA {text}").fetchone()
        return row[0] if row is not None else None

    pragma(f"page_size = {recovery.PAGE_BYTES}")  # holds from the first table on
    shrinks = pragma("auto_vacuum") == 2
    if not shrinks:
        pragma("auto_vacuum = INCREMENTAL")  # likewise, or from a VACUUM on
    if pragma("journal_mode = WAL") != "wal":
        raise StateError(
            message("{path}: SQLite's write-ahead log cannot be used there; keep the state on a local disk", path=path)
        )
    pragma("synchronous = FULL")
    pragma("secure_delete = ON")
    log_pages = _choose_log_pages(shutil.disk_usage(path.parent).total)
    pragma(f"wal_autocheckpoint = {log_pages}")
    pragma(f"journal_size_limit = {log_pages * recovery.PAGE_BYTES}")  # of what one large write has left of the log
    damage = pragma("integrity_check(1)")
    if damage != "ok":
        raise DatabaseDamaged(message("{path}: the database is damaged ({damage})", path=path, damage=damage))
    if not shrinks and pragma("page_count") > 1:
        pragma("auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def _choose_log_pages(disk_bytes: int) -> int:
    share = int(disk_bytes * _LOG_SHARE_OF_DISK) // recovery.PAGE_BYTES
    return max(_MIN_LOG_PAGES, min(_MAX_LOG_PAGES, share))
