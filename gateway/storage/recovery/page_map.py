"""The pointer map of a database file: which pages belong to which table, known even where the tables are damaged.

Every file with auto-vacuum has one ("Pointer Map or Ptrmap Pages" in SQLite's description of its file format). For each
page it tells the kind, and the page that refers to it, up to the first page of its table.
"""

import mmap
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

PAGE_BYTES: Final = 4096
"""The size of a page in every database of the gateway."""

_ENTRY_BYTES: Final = 5
_ENTRIES: Final = PAGE_BYTES // _ENTRY_BYTES
"""How many pages one page of the map describes: those that follow it."""
_FIRST_MAP_PAGE: Final = 2

_ROOT: Final = 1
_PARTS: Final = frozenset({3, 4, 5})
"""Kinds of pages that belong to the page that refers to them: two of long rows, and one of the tree below the root."""


class PageMap:
    """The pointer map of a file, whose log is empty."""

    def __init__(self, content: mmap.mmap) -> None:
        """Take the content of the file."""
        self._content = content
        self._roots: dict[int, int | None] = {}

    def find_pages(self, roots: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return all pages of the tables whose first pages are given, by first page."""
        pages: defaultdict[int, list[int]] = defaultdict(list)
        for page in range(_FIRST_MAP_PAGE + 1, len(self._content) // PAGE_BYTES + 1):
            root = self._find_root(page)
            if root is not None and root in roots:
                pages[root].append(page)
        return pages

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
        map_page = _FIRST_MAP_PAGE + group * (_ENTRIES + 1)
        start = (map_page - 1) * PAGE_BYTES + (place - 1) * _ENTRY_BYTES
        entry = self._content[start : start + _ENTRY_BYTES].ljust(_ENTRY_BYTES, b"\0")
        return entry[0], int.from_bytes(entry[1:], "big")
