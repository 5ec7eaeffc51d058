"""The health of a database, examined from outside while it may be in use."""

import contextlib
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.storage.read_only import open_read_only
from gateway.storage.sqlite_errors import SQLITE_ERRORS, get_error_code

_STEPS_BETWEEN_CHECKS: Final = 20000
"""After how many of SQLite's steps the time is checked."""
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Health(NamedTuple):
    """What is known of a database file."""

    damage: str | None
    """The damage that was found; None where none was."""
    complete: bool
    """Whether everything was examined within the time."""
    bytes: int
    """The size of the file."""
    log_bytes: int
    """The size of the log in front of it."""
    schema: str
    """The last migration that it has had; empty where that was not read."""
    rows: Mapping[str, int]
    """How many rows each table has."""
    set_aside: tuple[str, ...]
    """Names of the damaged files that recoveries have set aside."""


class _Findings:
    """What an examination has found so far."""

    def __init__(self) -> None:
        self.damage: str | None = None
        self.complete = False
        self.schema = ""
        self.rows: dict[str, int] = {}

    def examine(self, connection: sqlite3.Connection) -> None:
        try:
            [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
            self.damage = None if verdict == "ok" else str(verdict)
            self.schema = connection.execute("SELECT max(name) FROM migration").fetchone()[0] or ""
            self.rows = _count_rows(connection)
            self.complete = True
        except SQLITE_ERRORS as exc:
            code = get_error_code(exc)
            if code in _DAMAGE:
                self.damage = describe_error(exc)
            elif code != sqlite3.SQLITE_INTERRUPT:
                raise


def examine(path: Path, *, limit_s: float) -> Health:
    """Check a database for at most `limit_s` seconds; this blocks the calling thread.

    Raises `StateError` where the database cannot be opened.
    """
    end = time.monotonic() + limit_s
    findings = _Findings()
    try:
        size, log_size = path.stat().st_size, 0
        with contextlib.suppress(FileNotFoundError):
            log_size = path.with_name(f"{path.name}-wal").stat().st_size
    except OSError as exc:
        raise StateError(message("{path}: cannot be read: {reason}", path=path, reason=exc)) from exc
    with open_read_only(path) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS_BETWEEN_CHECKS)
        findings.examine(connection)
    set_aside = tuple(sorted(file.name for file in path.parent.glob(f"{path.name}.corrupt-*")))
    return Health(findings.damage, findings.complete, size, log_size, findings.schema, findings.rows, set_aside)


def _count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    tables = [name for (name,) in connection.execute(named)]
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608
