"""The rows in the leaf pages of a database file, found without the pages above them, where those are damaged.

After the database file format as SQLite describes it (fileformat2): b-tree pages, record format, pointer map pages. The
pointer map, which every file with auto-vacuum has, tells of each page what is above it, up to the root of its table.
"""

import mmap
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

PAGE: Final = 4096
"""How many bytes a page has in every database of the gateway."""
_LEAF: Final = 0x0D
_ROOT: Final = 1
_BELOW: Final = 5
_ENTRIES: Final = PAGE // 5
"""How many pages one page of the pointer map tells of."""
_LARGEST_ROOT: Final = 52
"""Where the file's header has a number that is 0 if there is no pointer map."""
_DEEPEST: Final = 20
_MOST_LOCAL: Final = PAGE - 35
_LEAST_LOCAL: Final = (PAGE - 12) * 32 // 255 - 23
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)
_FLOAT: Final = 7


class Row(NamedTuple):
    """A row as it is stored: without columns that were added to the table later, and without its number's own one."""

    number: int
    values: list[Any]


class Leaves:
    """The leaf pages of the tables in a file whose log is empty. Raises OSError for a file that cannot be read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._by_root: defaultdict[int, list[int]] = defaultdict(list)
        if self._number(_LARGEST_ROOT):
            for page in range(2, len(self._content) // PAGE + 1):
                if self._content[(page - 1) * PAGE] == _LEAF and (root := self._root(page)) is not None:
                    self._by_root[root].append(page)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._content.close()

    def rows(self, root: int) -> Iterator[Row]:
        """Return the rows of the table with this root page, in no order; what makes no sense is left out."""
        for number in self._by_root.get(root, ()):
            page = self._content[(number - 1) * PAGE : number * PAGE]
            for cell in range(int.from_bytes(page[3:5], "big")):
                start = int.from_bytes(page[8 + 2 * cell : 10 + 2 * cell], "big")
                try:
                    yield self._row(page, start)
                except (ValueError, IndexError, struct.error):
                    continue

    def _number(self, start: int) -> int:
        return int.from_bytes(self._content[start : start + 4], "big")

    def _root(self, page: int) -> int | None:
        for _ in range(_DEEPEST):
            table = 2 + (page - 2) // (_ENTRIES + 1) * (_ENTRIES + 1)
            if page <= max(table, 2):
                return None
            entry = (table - 1) * PAGE + 5 * (page - table - 1)
            if self._content[entry : entry + 1] == bytes([_ROOT]):
                return page
            if self._content[entry : entry + 1] != bytes([_BELOW]):
                return None
            page = self._number(entry + 1)
        return None

    def _row(self, page: bytes, start: int) -> Row:
        size, start = _varint(page, start)
        number, start = _varint(page, start)
        if size <= _MOST_LOCAL:
            return Row(number, _record(page[start : start + size], size))
        if size > len(self._content):
            raise ValueError("larger than the file")
        local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % (PAGE - 4)
        if local > _MOST_LOCAL:
            local = _LEAST_LOCAL
        payload = bytearray(page[start : start + local])
        following = int.from_bytes(page[start + local : start + local + 4], "big")
        while len(payload) < size and following:
            begin = (following - 1) * PAGE
            payload += self._content[begin + 4 : begin + 4 + min(PAGE - 4, size - len(payload))]
            following = self._number(begin)
        return Row(number, _record(bytes(payload), size))


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends."""
    value = 0
    for place in range(8):
        byte = data[start + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, start + place + 1
    value = value << 8 | data[start + 8]
    return value - (1 << 64) if value >> 63 else value, start + 9


def _record(payload: bytes, size: int) -> list[Any]:
    if len(payload) != size:
        raise ValueError("cut off")
    end, start = _varint(payload, 0)
    at = end
    values: list[Any] = []
    while start < end:
        kind, start = _varint(payload, start)
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != size:
        raise ValueError("not a record")
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind < len(_INTEGER_BYTES):
        end = at + _INTEGER_BYTES[kind]
        return (None if kind == 0 else int.from_bytes(payload[at:end], "big", signed=True)), end
    if kind == _FLOAT:
        return struct.unpack_from(">d", payload, at)[0], at + 8
    if kind in (8, 9):
        return kind - 8, at
    if kind < 12:
        raise ValueError("no such kind of value")
    end = at + (kind - 12) // 2
    return (payload[at:end].decode() if kind % 2 else payload[at:end]), end
