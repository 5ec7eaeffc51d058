"""Writing the log of a damaged database back into it, so that the file alone holds everything."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.storage.recovery.page_map import PAGE_BYTES
from gateway.storage.recovery.page_tables import build_first_page, write_first_page
from gateway.storage.sqlite_errors import SQLITE_ERRORS, get_error_code

_HEADER_BYTES: Final = 32
"""The size of the log's header."""
_HEADER_SALTS: Final = slice(16, 24)
"""The bytes of the header that the frames of this log repeat."""
_FRAME_HEADER_BYTES: Final = 24
"""The size of the header of a frame, which a page follows."""
_FRAME_SALTS: Final = slice(8, 16)
"""The bytes of a frame's header that repeat those of the log's header."""
_FRAME_PAGE_COUNT: Final = slice(4, 8)
"""The bytes of a frame's header that say, at the end of a transaction, how many pages the database has."""


def write_log_back(damaged: Path) -> None:
    """Write the log of a database that nobody has open back into it. Raises `OSError` and `StateError`."""
    log = damaged.with_name(f"{damaged.name}-wal")
    error = _close_last(damaged)
    if log.exists() and error == sqlite3.SQLITE_NOTADB:
        write_first_page(damaged, build_first_page(with_log=True))
        _close_last(damaged)
    if log.exists():
        _lengthen(damaged, log)
        _close_last(damaged)
    if log.exists():
        raise StateError(
            message(
                "{damaged}: its log cannot be written back; free some space on the disk, and close "
                "programs that use it",
                damaged=damaged,
            )
        )


def _close_last(damaged: Path) -> int:
    """Open the database, read, and close it; return the code of SQLite's error, or 0.

    The last connection to close writes the log back, even if reading failed.
    """
    with contextlib.closing(sqlite3.connect(damaged)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except SQLITE_ERRORS as exc:
            return get_error_code(exc)
    return 0


def _lengthen(damaged: Path, log: Path) -> None:
    """Give a file that was cut off its length again: SQLite refuses to write a log back into one that is too short."""
    pages = 0
    with log.open("rb") as stream:
        salts = stream.read(_HEADER_BYTES)[_HEADER_SALTS]
        while len(header := stream.read(_FRAME_HEADER_BYTES)) == _FRAME_HEADER_BYTES and header[_FRAME_SALTS] == salts:
            pages = int.from_bytes(header[_FRAME_PAGE_COUNT], "big") or pages
            stream.seek(PAGE_BYTES, os.SEEK_CUR)
    if pages * PAGE_BYTES > damaged.stat().st_size:
        os.truncate(damaged, pages * PAGE_BYTES)
