"""The columns of a list before it is read: their headings, what they are taken for, and what stands in the first rows.

They are known even if the list cannot be read, as one of whose columns none is known to be the price.
"""

import itertools
from dataclasses import dataclass
from typing import Final

from firmware_tools.errors import CardError
from firmware_tools.language import message
from firmware_tools.list_rows import normalize_heading
from gateway.products.columns import ColumnMapping
from gateway.products.product_list import make_list_error, open_product_list
from gateway.products.row_reader import shorten

MAX_COLUMNS: Final = 200
"""How many columns are told."""
_SAMPLED_ROWS: Final = 20
_MAX_SAMPLES: Final = 2


@dataclass(frozen=True, slots=True)
class HeadColumn:
    """A column of a list that has a heading."""

    heading: str
    """Its heading."""
    field: str
    """The field that it is taken for; empty if it is not used."""
    samples: tuple[str, ...]
    """What stands in it first, shortened."""


def read_list_head(content: bytes, mapping: ColumnMapping, *, is_partial: bool) -> list[HeadColumn]:
    """Return the columns of a list. It may take its time, so it belongs into a thread. Raises `InvalidRequest`."""
    headings = mapping.make_headings()
    try:
        source = open_product_list(content, message("the list"), mapping, is_partial=is_partial)
        rows = [row.cells for row in itertools.islice(source.rows, _SAMPLED_ROWS)]
    except CardError as exc:
        raise make_list_error(exc) from exc
    columns: list[HeadColumn] = []
    for place, heading in enumerate(source.headings.cells[:MAX_COLUMNS]):
        if normalize_heading(heading):
            cells = (row[place] for row in rows if place < len(row) and row[place] not in (None, ""))
            samples = tuple(shorten(str(cell)) for cell in itertools.islice(cells, _MAX_SAMPLES))
            columns.append(HeadColumn(heading, headings.get(normalize_heading(heading), ""), samples))
    return columns
