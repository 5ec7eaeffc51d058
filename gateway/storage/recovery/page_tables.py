"""Pages of a damaged file, read by SQLite as tables: a first page is written that says that tables begin there.

So neither a damaged schema nor damaged pages above them are in the way, and nothing here knows how SQLite stores a row.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.storage.recovery.page_map import PAGE_BYTES

_WRITE_VERSION: Final = 18
_READ_VERSION: Final = 19
_PAGE_COUNT: Final = slice(28, 32)
"""Places in the header of a file."""
_LOG_IN_USE: Final = 2
_ROOM: Final = 3000
"""How many bytes of declarations fit into the first page for certain."""
_DECLARATION_BYTES: Final = 60
"""How much a declaration takes beside its columns, at most."""


class PageTables:
    """The pages of a file whose log is empty. The file gets its own first page back in the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._original = b""
        self._pages = 0

    def __enter__(self) -> Self:
        """Take the file. Raises `OSError`."""
        with self._file.open("rb") as stream:
            self._original = stream.read(PAGE_BYTES)
        self._pages = self._file.stat().st_size // PAGE_BYTES
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the file its first page back. Raises `OSError`."""
        write_first_page(self._file, self._original)

    def open(self, columns: str, pages: Sequence[int]) -> Iterator[tuple[sqlite3.Connection, str]]:
        """Yield each of the pages as a table with these columns: a connection, and the name that it has there.

        Pages that the file does not have are left out. Each connection is open until the next table is asked for.
        Raises `sqlite3.Error` and `OSError`.
        """
        existing = [page for page in pages if page <= self._pages]
        at_once = max(1, _ROOM // (len(columns) + _DECLARATION_BYTES))
        for start in range(0, len(existing), at_once):
            some = existing[start : start + at_once]
            write_first_page(self._file, build_first_page(columns, some))
            uri = f"{self._file.resolve().as_uri()}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                for page in some:
                    yield connection, _name(page)


def build_first_page(columns: str = "", pages: Sequence[int] = (), *, with_log: bool = False) -> bytes:
    """Return the first page of a file in which each of these pages is a table with these columns.

    `with_log` says that there may be a log beside the file.
    """
    declarations = [(_name(page), _name(page), page, f"CREATE TABLE {_name(page)}({columns})") for page in pages]
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("CREATE TABLE first(x)")  # makes the header
        connection.execute("DELETE FROM sqlite_master")
        connection.executemany("INSERT INTO sqlite_master VALUES ('table', ?, ?, ?, ?)", declarations)
        first_page = bytearray(connection.serialize()[:PAGE_BYTES])
    first_page[_PAGE_COUNT] = bytes(4)  # SQLite then goes by the size of the file
    if with_log:
        first_page[_WRITE_VERSION] = first_page[_READ_VERSION] = _LOG_IN_USE
    return bytes(first_page)


def _name(page: int) -> str:
    return f"page_{page}"


def write_first_page(file: Path, page: bytes) -> None:
    """Replace the first page of a file that nobody has open. Raises `OSError`."""
    with file.open("r+b") as stream:
        stream.write(page)
