"""Opens a list of products of any kind: its headings, and its rows one after the other."""

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.list_rows import MAX_HEADING_ROWS, ListFormat, ListRow, normalize_heading, open_csv
from gateway.products.columns import ColumnMapping


@dataclass(frozen=True, slots=True)
class ListSource:
    """A list whose headings are known."""

    format: ListFormat
    """How it was saved."""
    headings: Sequence[str]
    """The headings, by place."""
    rows: Iterator[ListRow]
    """The rows after the headings that are not empty."""


def open_source(content: bytes, name: str, mapping: ColumnMapping, required: Collection[str]) -> ListSource:
    """Open a list. Raises `InvalidInput`, as its rows do."""
    headings = mapping.make_headings()
    saved, rows = open_csv(content, name, headings, codec=mapping.encoding, separator=mapping.separator)
    found = find_headings(rows, headings, required)
    if found is None:
        raise InvalidInput(message("{name}: the list is empty", name=name))
    return ListSource(saved, *found)


def find_headings(
    rows: Iterator[ListRow], headings: Mapping[str, str], required: Collection[str]
) -> tuple[list[str], Iterator[ListRow]] | None:
    """Return the headings and the rows after them: the first row that has all that are needed, or else the most."""
    first = list(itertools.islice(rows, MAX_HEADING_ROWS))
    if not first:
        return None
    found = [{headings.get(normalize_heading(str(cell))) for cell in row.cells} - {None, ""} for row in first]
    best = max(range(len(first)), key=lambda index: (found[index] >= set(required), len(found[index])))
    return first[best].cells, itertools.chain(first[best + 1 :], rows)
