"""Long lists, of which one page is shown at a time."""

from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

PER_PAGE: Final = 50
"""How many rows a page has."""
_MAX_DIGITS: Final = 5

Row = TypeVar("Row")


class RowPage(NamedTuple, Generic[Row]):
    """A page of a list."""

    rows: Sequence[Row]
    """What it shows."""
    number: int
    """Its number, from 1."""
    last: int
    """The number of the last one."""


def cut_page(rows: Sequence[Row], number: int) -> RowPage[Row]:
    """Return a page of a list: the one with this number, or the nearest one that there is."""
    last = max(1, -(-len(rows) // PER_PAGE))
    number = min(max(1, number), last)
    return RowPage(rows[(number - 1) * PER_PAGE : number * PER_PAGE], number, last)


def read_page_number(text: str) -> int:
    """Return the number of a page in a query; the first one for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 1
