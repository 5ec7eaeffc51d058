"""The pointer map of a database file: which pages belong to which table, known even where the tables are damaged.

Every file with auto-vacuum has one ("Pointer Map or Ptrmap Pages" in SQLite's description of its file format). For each
page it tells the kind, and the page that refers to it, up to the first page of its table.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import BinaryIO, Final

PAGE_BYTES: Final = 4096
"""The size of a page in every database of the gateway."""

_ENTRY_BYTES: Final = 5
_ENTRIES: Final = PAGE_BYTES // _ENTRY_BYTES
"""How many pages one page of the map describes: those that follow it."""
_FIRST_MAP_PAGE: Final = 2

_LEAF: Final = b"\x0d"
"""The first byte of a page that holds rows of a table."""
_ROOT: Final = 1
_PARTS: Final = frozenset({3, 4, 5})
"""Kinds of pages that belong to the page that refers to them: two of long rows, and one of the tree below the root."""


class PageMap:
    """The pointer map of a file that has no log."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the file, open for reading. Every method raises `OSError` where it cannot be read."""
        self._file = file
        self._roots: dict[int, int | None] = {}
        """The first page of the table to which a page belongs."""
        self._map_pages: dict[int, bytes] = {}

    def find_pages(self, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return all pages of the tables whose first pages are given, by first page."""
        pages: defaultdict[int, list[int]] = defaultdict(list)
        for page in range(_FIRST_MAP_PAGE + 1, self._file.seek(0, os.SEEK_END) // PAGE_BYTES + 1):
            root = self._find_root(page)
            if root is not None and root in roots:
                pages[root].append(page)
        return pages

    def find_leaves(self, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return those pages of the tables that hold rows, by first page of the table."""
        found = self.find_pages(roots)
        return {root: [page for page in pages if self._read(page, 1) == _LEAF] for root, pages in found.items()}

    def _find_root(self, page: int) -> int | None:
        root = None
        chain = []
        while page not in self._roots:
            self._roots[page] = None  # what comes back to it is no table
            chain.append(page)
            kind, parent = self._read_entry(page)
            if kind == _ROOT:
                root = page
                break
            if kind not in _PARTS:
                break
            page = parent
        else:
            root = self._roots[page]
        self._roots.update(dict.fromkeys(chain, root))
        return root

    def _read_entry(self, page: int) -> tuple[int, int]:
        """Return the kind of a page and the page that refers to it; zeros where the map says nothing."""
        group, place = divmod(page - _FIRST_MAP_PAGE, _ENTRIES + 1)
        if group < 0 or place == 0:
            return 0, 0
        if group not in self._map_pages:
            self._map_pages[group] = self._read(_FIRST_MAP_PAGE + group * (_ENTRIES + 1), PAGE_BYTES)
        start = (place - 1) * _ENTRY_BYTES
        entry = self._map_pages[group][start : start + _ENTRY_BYTES].ljust(_ENTRY_BYTES, b"\0")
        return entry[0], int.from_bytes(entry[1:], "big")

    def _read(self, page: int, size: int) -> bytes:
        self._file.seek((page - 1) * PAGE_BYTES)
        return self._file.read(size)
