"""Opens a list of any kind: finds the sheet and the row with its headings, and gives the rows after them."""

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.list_rows import ListFormat, ListRow, normalize_heading, open_csv
from firmware_tools.workbook import DEFAULT_MAX_UNPACKED_BYTES, WORKBOOK, Workbook, WorkbookSheet, is_workbook
from firmware_tools.workbook_sheet import SheetFacts

_MAX_HEADING_ROWS = 20
"""How many rows that are not empty may precede the headings, and the headings."""


@dataclass(frozen=True, slots=True)
class ListFile:
    """A list whose headings are known."""

    format: ListFormat
    """How it was saved."""
    headings: ListRow
    """The row with the headings."""
    preceding: tuple[ListRow, ...]
    """The rows before it."""
    rows: Iterator[ListRow]
    """The rows after it that are not empty. Raises `InvalidInput` for one that cannot be read."""
    facts: SheetFacts = field(default_factory=SheetFacts)
    """What a sheet has beside the texts of cells; complete after the last row."""
    other_sheets: tuple[str, ...] = ()
    """Names of the sheets that are not read."""


def open_list(
    data: bytes,
    name: str,
    headings: Mapping[str, str],
    required: Collection[str],
    *,
    codec: str | None = None,
    separator: str | None = None,
    sheet: str | None = None,
    max_unpacked_bytes: int = DEFAULT_MAX_UNPACKED_BYTES,
    marks_trimmed: bool = False,
) -> ListFile:
    """Open a list. The headings are those that are known, normalised, with the column that each stands for.

    The headings are the first row that has all required columns, or else the most; of a workbook on the first sheet
    that people see and that has such a row. With `marks_trimmed`, cells around which white space was
    cut are `TrimmedText`. Raises `InvalidInput` if it is no list, or empty.
    """
    if is_workbook(data):
        found = _open_workbook(
            Workbook(data, name, max_unpacked_bytes=max_unpacked_bytes, marks_trimmed=marks_trimmed),
            headings,
            required,
            name,
            sheet,
        )
    else:
        saved, rows = open_csv(data, name, headings, codec=codec, separator=separator, marks_trimmed=marks_trimmed)
        found = _find_headings(rows, headings, required, saved)
    if found is None:
        raise InvalidInput(message("{name}: the list is empty", name=name))
    return found


def _open_workbook(
    book: Workbook, headings: Mapping[str, str], required: Collection[str], name: str, wanted: str | None
) -> ListFile | None:
    sheets = [sheet for sheet in book.sheets if sheet.name == wanted or (wanted is None and not sheet.is_hidden)]
    if wanted is not None and not sheets:
        shown = ", ".join(sheet.name for sheet in book.sheets[:10])
        raise InvalidInput(
            message("{name}: there is no sheet {sheet}; there are {sheets}", name=name, sheet=wanted, sheets=shown)
        )
    first: ListFile | None = None
    for sheet in sheets or book.sheets:
        found = _open_sheet(book, sheet, headings, required)
        if found is not None:
            if _find_columns(found.headings, headings) >= set(required):
                return found
            first = first or found
    return first


def _open_sheet(
    book: Workbook, sheet: WorkbookSheet, headings: Mapping[str, str], required: Collection[str]
) -> ListFile | None:
    facts = SheetFacts()
    others = tuple(other.name for other in book.sheets if other is not sheet)
    saved = ListFormat(WORKBOOK, sheet=sheet.name)
    return _find_headings(book.read(sheet, facts), headings, required, saved, facts, others)


def _find_headings(
    rows: Iterator[ListRow],
    headings: Mapping[str, str],
    required: Collection[str],
    saved: ListFormat,
    facts: SheetFacts | None = None,
    others: tuple[str, ...] = (),
) -> ListFile | None:
    first = list(itertools.islice(rows, _MAX_HEADING_ROWS))
    if not first:
        return None
    found = [_find_columns(row, headings) for row in first]
    best = max(
        range(len(first)), key=lambda index: (bool(found[index]) and found[index] >= set(required), len(found[index]))
    )
    rest = itertools.chain(first[best + 1 :], rows)
    return ListFile(saved, first[best], tuple(first[:best]), rest, facts or SheetFacts(), others)


def _find_columns(row: ListRow, headings: Mapping[str, str]) -> set[str]:
    return {column for cell in row.cells if (column := headings.get(normalize_heading(cell)))}
