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
_FREE: Final = 2
_PARTS: Final = frozenset({3, 4, 5})
"""Kinds of pages that belong to the page that refers to them: two of long rows, and one of the tree below the root."""


class PageMap:
    """The pointer map of a file that has no log."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the file, open for reading. Every method raises `OSError` where it cannot be read."""
        self._file = file
        self._page_count = file.seek(0, os.SEEK_END) // PAGE_BYTES
        self._roots: dict[int, int | None] = {}
        """The first page of the table to which a page belongs."""
        self._map_pages: dict[int, bytes] = {}

    def find_pages(self, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return all pages of the tables whose first pages are given, by first page."""
        pages: defaultdict[int, list[int]] = defaultdict(list)
        for page in range(_FIRST_MAP_PAGE + 1, self._page_count + 1):
            root = self._find_root(page)
            if root is not None and root in roots:
                pages[root].append(page)
        return pages

    def find_leaves(self, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return those pages of the tables that hold rows, by first page of the table."""
        found = self.find_pages(roots)
        return {root: [page for page in pages if self._read(page, 1) == _LEAF] for root, pages in found.items()}

    def find_unmapped_leaves(self, roots: Collection[int]) -> Sequence[int]:
        """Return pages that hold rows, and of which the map does not say that they are free or belong to these tables.

        Free pages and parts of long rows do not look like that: they begin with zeros.
        """
        return [
            page
            for page in range(_FIRST_MAP_PAGE + 1, self._page_count + 1)
            if self._read(page, 1) == _LEAF
            and self._find_root(page) not in roots
            and self._read_entry(page)[0] != _FREE
        ]

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
            content = self._read(_FIRST_MAP_PAGE + group * (_ENTRIES + 1), PAGE_BYTES)
            self._map_pages[group] = content if self._is_sound(group, content) else b""
        start = (place - 1) * _ENTRY_BYTES
        entry = self._map_pages[group][start : start + _ENTRY_BYTES].ljust(_ENTRY_BYTES, b"\0")
        return entry[0], int.from_bytes(entry[1:], "big")

    def _is_sound(self, group: int, content: bytes) -> bool:
        """Tell whether every entry of a page of the map may be one: garbage must not hide a page."""
        first = _FIRST_MAP_PAGE + group * (_ENTRIES + 1) + 1
        for place in range(min(_ENTRIES, self._page_count + 1 - first)):
            entry = content[place * _ENTRY_BYTES : (place + 1) * _ENTRY_BYTES].ljust(_ENTRY_BYTES, b"\0")
            parent = int.from_bytes(entry[1:], "big")
            may_be = parent > 0 if entry[0] in _PARTS else entry[0] in (_ROOT, _FREE) and parent == 0
            if not may_be:
                return False
        return True

    def _read(self, page: int, size: int) -> bytes:
        self._file.seek((page - 1) * PAGE_BYTES)
        return self._file.read(size)
