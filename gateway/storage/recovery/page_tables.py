"""Reading any page of a damaged file as a table: its first page is replaced by one that declares a table there.

So neither a damaged schema nor damaged pages above them are in the way, and nothing here knows how SQLite stores a row.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.storage.recovery.page_map import PAGE_BYTES

_VERSIONS: Final = slice(18, 20)
"""The bytes of a file's header that say whether there may be a log beside it."""
_WITH_LOG: Final = b"\2\2"
_PAGE_COUNT: Final = slice(28, 32)
"""The bytes of a file's header that say how many pages it has; zeros leave that to the size of the file."""
_ROOM: Final = 3000
"""How many bytes of declarations certainly fit into the first page."""
_DECLARATION_BYTES: Final = 60
"""The most bytes that a declaration takes beside its columns."""


class PageTables:
    """The pages of a file that has no log. In the end, the file gets its own first page back."""

    def __init__(self, file: Path) -> None:
        """Take the file, which nobody has open."""
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

    def has(self, page: int) -> bool:
        """Return whether the file is long enough to have a page."""
        return page <= self._pages

    def open(self, columns: str, pages: Sequence[int]) -> Iterator[tuple[sqlite3.Connection, str]]:
        """Yield each of these pages as a table: a connection, open until the next one is asked for, and its name there.

        `columns` declares the columns of all of them, in SQL. Raises `sqlite3.Error` and `OSError`.
        """
        tables_per_page = max(1, _ROOM // (len(columns) + _DECLARATION_BYTES))
        for start in range(0, len(pages), tables_per_page):
            some = pages[start : start + tables_per_page]
            write_first_page(self._file, build_first_page(columns, some))
            uri = f"{self._file.resolve().as_uri()}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
                for page in some:
                    yield connection, _name(page)


def build_first_page(columns: str = "", pages: Sequence[int] = (), *, with_log: bool = False) -> bytes:
    """Return the first page of a file in which each of these pages is a table with these columns.

    `with_log` tells SQLite that there may be a log beside the file.
    """
    declarations = [(_name(page), _name(page), page, f"CREATE TABLE {_name(page)}({columns})") for page in pages]
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("CREATE TABLE first(x)")  # makes the header
        connection.execute("DELETE FROM sqlite_master")
        connection.executemany("INSERT INTO sqlite_master VALUES ('table', ?, ?, ?, ?)", declarations)
        first_page = bytearray(connection.serialize()[:PAGE_BYTES])
    first_page[_PAGE_COUNT] = bytes(4)
    if with_log:
        first_page[_VERSIONS] = _WITH_LOG
    return bytes(first_page)


def _name(page: int) -> str:
    return f"page_{page}"


def write_first_page(file: Path, page: bytes) -> None:
    """Replace the first page of a file that nobody has open. Raises `OSError`."""
    with file.open("r+b") as stream:
        stream.write(page)
