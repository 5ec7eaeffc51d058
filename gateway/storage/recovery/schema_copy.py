"""A copy of the schema's pages beside the database: without them nothing else in the file can be read.

They are few and change with migrations alone, so the copy is written as seldom. In a damaged database they take the
place of what is there; the tables' own pages are where they were.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from gateway.storage.private_file import write_private
from gateway.storage.recovery.leaf_pages import PAGE

_HEADER: Final = 100
_INTERIOR: Final = 5
_MAGIC: Final = b"SQLite format 3\0"


def path_for(database: Path) -> Path:
    """Return where the copy of a database's schema is."""
    return database.with_name(f"{database.name}-schema")


def keep(database: Path) -> None:
    """Copy the schema's pages of a sound database, whose log is empty, if the copy is another one. Raises OSError."""
    with database.open("rb") as file:
        first = file.read(PAGE)
        pages = {1: first[_HEADER:].rjust(PAGE, b"\0")}
        for number in _children(first):
            file.seek((number - 1) * PAGE)
            pages[number] = file.read(PAGE)
    content = b"".join(number.to_bytes(4, "big") + page for number, page in sorted(pages.items()))
    copy = path_for(database)
    if not copy.exists() or copy.read_bytes() != content:
        write_private(copy, content)


def put_back(database: Path, copy: Path) -> None:
    """Replace the schema's pages of a damaged database by a copy's, but touch nothing else. Raises OSError."""
    content = copy.read_bytes()
    with database.open("r+b") as file:
        header = file.read(_HEADER)
        if not header.startswith(_MAGIC):
            return
        for start in range(0, len(content), 4 + PAGE):
            number = int.from_bytes(content[start : start + 4], "big")
            page = content[start + 4 : start + 4 + PAGE]
            if number == 1:
                page = header + page[_HEADER:]
            file.seek((number - 1) * PAGE)
            file.write(page)


def is_readable(database: Path) -> bool:
    """Tell whether a database says what tables it has."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        try:
            return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        except sqlite3.Error:
            return False


def _children(first: bytes) -> list[int]:
    """Return the numbers of the pages below the schema's root, which is on the first page behind the file's header."""
    if not first.startswith(_MAGIC) or first[_HEADER] != _INTERIOR:
        return []
    cells = int.from_bytes(first[_HEADER + 3 : _HEADER + 5], "big")
    starts = [int.from_bytes(first[_HEADER + 12 + 2 * cell : _HEADER + 14 + 2 * cell], "big") for cell in range(cells)]
    below = [int.from_bytes(first[start : start + 4], "big") for start in starts]
    return [*below, int.from_bytes(first[_HEADER + 8 : _HEADER + 12], "big")]
