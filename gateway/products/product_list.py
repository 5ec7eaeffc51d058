"""Lists of products, as tills and spreadsheets save them: read and checked. Pure: no network, no database."""

from collections import deque
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from firmware_tools.errors import CardError, InvalidInput
from firmware_tools.language import describe_error, message
from firmware_tools.list_file import ListFile, open_list
from firmware_tools.list_rows import ListFormat, ListRow, MisplacedQuote, normalize_heading
from firmware_tools.size import format_size
from firmware_tools.workbook import is_workbook
from gateway.errors import FieldError, InvalidRequest, TooLarge
from gateway.products.columns import ColumnMapping, ListColumn
from gateway.products.json_list import is_json, open_json
from gateway.products.notices import ListNotices
from gateway.products.number_style import AmbiguousNumbers, DecimalMark, recognise_mark
from gateway.products.product import PRICE_FIELDS, Product
from gateway.products.row_reader import RowFault, RowReader, RowRefused, find_merged_cells, shorten

MAX_LIST_BYTES: Final = 64 * 1024 * 1024
"""Largest file."""
MAX_ROWS: Final = 100_000
"""How many rows a list has at most."""
MAX_FAULTS: Final = 1000
"""How many faults are kept; all are counted."""
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
"""How much a workbook may unpack to. It is read piece by piece; only texts that cells share are kept."""
CHUNK_ROWS: Final = 500
"""After how many rows `read_in_chunks` pauses."""

_REQUIRED: Final = ("id", "name", "price")
_REQUIRED_OF_SOME: Final = ("id",)


@dataclass(frozen=True, slots=True)
class ProductList:
    """A list that was read."""

    products: tuple[Product, ...]
    """The products of the good rows, in their order; no two have one id."""
    rows: tuple[int, ...]
    """The row of each product, as a spreadsheet counts."""
    faults: tuple[RowFault, ...]
    """What is wrong, by row; the first `MAX_FAULTS` of it."""
    fault_count: int
    """How much is wrong."""
    bad_row_count: int
    """How many rows were not taken."""
    bad_ids: frozenset[str]
    """The ids of the rows that were not taken, as far as they can be read."""
    unnamed_row: int | None
    """The first row that was not taken and whose id cannot be read; None if there is none."""
    notices: tuple[str, ...]
    """What a person should know: how the list was read, and what was left out."""
    format: ListFormat
    """Encoding and separator."""
    columns: Mapping[str, str]
    """The heading of each field that the list has."""
    decimal: Mapping[str, DecimalMark]
    """What stands before decimals, by field, where the list or the mapping tells."""


def read_product_file(path: Path) -> bytes:
    """Return the content of a file, or of one that is too large its beginning. Raises OSError."""
    with path.open("rb") as file:
        return file.read(MAX_LIST_BYTES + 1)


def read_product_list(
    content: bytes, *, file_name: str, mapping: ColumnMapping | None = None, is_partial: bool = False
) -> ProductList:
    """Read a list. One that is partial needs neither names nor prices.

    It can run in a thread of its own: it never keeps other threads waiting for long.

    Raises:
        InvalidRequest: it is no list, has no rows, lacks a column, or has one that can be read in two ways.
        TooLarge: it is too large, or has too many rows.

    """
    steps = read_in_chunks(content, file_name=file_name, mapping=mapping, is_partial=is_partial)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            found: ProductList = stop.value
            return found


def read_in_chunks(
    content: bytes, *, file_name: str, mapping: ColumnMapping | None = None, is_partial: bool = False
) -> Generator[int, None, ProductList]:
    """Do what `read_product_list` does, and yield the number of rows so far again and again: time for a pause."""
    if len(content) > MAX_LIST_BYTES:
        raise TooLarge(
            message(
                "{name}: the list is larger than {size}; split it", name=file_name, size=format_size(MAX_LIST_BYTES)
            )
        )
    mapping = mapping or ColumnMapping()
    notices = ListNotices()
    required = _REQUIRED_OF_SOME if is_partial else _REQUIRED
    try:
        source = open_product_list(content, file_name, mapping, is_partial=is_partial)
        columns = _choose_columns(source, mapping, required, notices)
        rows: deque[ListRow] = deque()
        for row in source.rows:
            rows.append(row)
            if len(rows) > MAX_ROWS:
                raise TooLarge(
                    message(
                        "{name}: the list has more than {max_rows} rows; split it", name=file_name, max_rows=MAX_ROWS
                    )
                )
            if len(rows) % CHUNK_ROWS == 0:
                yield len(rows)
        if not rows:
            raise InvalidInput(message("{name}: the list has headings, but no products", name=file_name))
        merged = find_merged_cells(source, columns)
    except CardError as exc:
        raise make_list_error(exc) from exc
    marks = _recognise_marks(columns, rows, mapping)
    notices.add_facts(source, columns)
    reader = RowReader(columns, marks, len(source.headings.cells), notices)
    building = _Building(merged)
    count = 0
    while rows:
        building.add(rows.popleft(), reader)
        count += 1
        if count % CHUNK_ROWS == 0:
            yield count
    return building.finish(source, columns, marks, notices)


def open_product_list(content: bytes, name: str, mapping: ColumnMapping, *, is_partial: bool) -> ListFile:
    """Find the headings of a list. Raises `CardError` if it is none."""
    if not is_workbook(content) and is_json(content):
        return open_json(content, name, MAX_ROWS)
    return open_list(
        content,
        name,
        mapping.make_headings(),
        _REQUIRED_OF_SOME if is_partial else _REQUIRED,
        codec=mapping.encoding,
        separator=mapping.separator,
        sheet=mapping.sheet,
        max_unpacked_bytes=MAX_UNPACKED_BYTES,
    )


def make_list_error(error: CardError) -> InvalidRequest:
    """Return what is said of a list that cannot be read."""
    reason = describe_error(error)
    if isinstance(error, MisplacedQuote):
        reason = message("line {line}: {reason}", line=error.line, reason=reason)
    return InvalidRequest([FieldError("list", reason)])


def _choose_columns(
    source: ListFile, mapping: ColumnMapping, required: Sequence[str], notices: ListNotices
) -> list[ListColumn]:
    """Return the columns that are used; note those that are not. Raises `InvalidRequest`."""
    headings = mapping.make_headings()
    found: dict[str, ListColumn] = {}
    errors: list[FieldError] = []
    for place, heading in enumerate(source.headings.cells):
        name = headings.get(normalize_heading(heading))
        if name is None and heading:
            notices.add(message("column {column} is not known, and not used", column=shorten(heading)))
        if not name:
            continue
        column = ListColumn(name, heading, place, name in required)
        if found.setdefault(name, column) is not column:
            twice = message(
                "{first} and {second} are both columns for {field}: say which one counts",
                first=shorten(found[name].heading),
                second=shorten(heading),
                field=name,
            )
            errors.append(FieldError(name, twice))
    if missing := [name for name in required if name not in found]:
        shown = ", ".join(shorten(heading) for heading in source.headings.cells[:10] if heading)
        errors += [FieldError(name, _describe_missing(name, mapping, shown or "-")) for name in missing]
    if errors:
        raise InvalidRequest(errors)
    return list(found.values())


def _describe_missing(name: str, mapping: ColumnMapping, shown: str) -> str:
    # The usual words do not count for a field that a mapping names: without a hint at it, "the headings found are id"
    # contradicts itself.
    if mapped := ", ".join(shorten(heading) for heading, field in mapping.columns.items() if field == name):
        return message(
            "no column is {mapped}, as the mapping calls this; the headings found are {shown}; map the right "
            "one: COLUMN={field}, or call it {field} in the list",
            mapped=mapped,
            shown=shown,
            field=name,
        )
    return message(
        "no column is known to be this; the headings found are {shown}; map the right one: COLUMN={field}, or call it "
        "{field} in the list",
        shown=shown,
        field=name,
    )


def _recognise_marks(
    columns: Sequence[ListColumn], rows: Collection[ListRow], mapping: ColumnMapping
) -> dict[str, DecimalMark]:
    """Return what stands before the decimals in each column of prices. Raises `InvalidRequest` if that is uncertain."""
    marks: dict[str, DecimalMark] = {}
    errors: list[FieldError] = []
    for column in columns:
        if column.field not in PRICE_FIELDS:
            continue
        place = column.place
        cells = (
            (row.number, row.cells[place])
            for row in rows
            if place < len(row.cells) and row.cells[place] and isinstance(row.cells[place], str)
        )
        try:
            mark = mapping.decimal.get(column.field) or recognise_mark(cells)
        except AmbiguousNumbers as exc:
            errors.append(
                FieldError(
                    column.field,
                    message(
                        "column {column}: {reason}; map it: {column}={field}:comma, or :point",
                        column=column.heading,
                        reason=exc.reason,
                        field=column.field,
                    ),
                )
            )
            continue
        if mark:
            marks[column.field] = mark
    if errors:
        raise InvalidRequest(errors)
    return marks


class _Building:
    """A list while its rows are read. Of rows with the same id none is taken: nobody knows which one is right."""

    def __init__(self, merged: Mapping[int, Sequence[RowFault]]) -> None:
        self._merged = merged
        self._products: dict[str, tuple[int, Product]] = {}
        self._first_rows: dict[str, int] = {}
        self._faults: list[RowFault] = []
        self._fault_count = 0
        self._bad_rows: set[int] = set()
        self._bad_ids: set[str] = set()
        self._unnamed_row: int | None = None

    def add(self, row: ListRow, reader: RowReader) -> None:
        if row.number in self._merged:
            self._refuse_unread(row, reader, self._merged[row.number])
            return
        try:
            product = reader.read(row.number, row.cells)
        except RowRefused as exc:
            self._refuse_unread(row, reader, exc.faults)
            return
        first = self._first_rows.setdefault(product.id, row.number)
        if first == row.number:
            self._products[product.id] = row.number, product
            return
        if self._products.pop(product.id, None) is not None:
            self._refuse(first, [_name_other(product.id, first, row.number)])
        self._refuse(row.number, [_name_other(product.id, row.number, first)])
        self._bad_ids.add(product.id)

    def _refuse_unread(self, row: ListRow, reader: RowReader, faults: Sequence[RowFault]) -> None:
        self._refuse(row.number, faults)
        # Where the row as a whole is wrong, its cells may stand in other columns than they seem to.
        is_unsure = any(fault.field in ("", "id") for fault in faults)
        product_id = None if is_unsure else reader.find_id(row.cells)
        if product_id is not None:
            self._bad_ids.add(product_id)
        elif self._unnamed_row is None:
            self._unnamed_row = row.number

    def _refuse(self, row: int, faults: Sequence[RowFault]) -> None:
        self._bad_rows.add(row)
        self._fault_count += len(faults)
        self._faults += faults[: MAX_FAULTS - len(self._faults)]

    def finish(
        self,
        source: ListFile,
        columns: Sequence[ListColumn],
        marks: Mapping[str, DecimalMark],
        notices: ListNotices,
    ) -> ProductList:
        return ProductList(
            products=tuple(product for _, product in self._products.values()),
            rows=tuple(row for row, _ in self._products.values()),
            faults=tuple(
                replace(fault, column=_find_heading(columns, fault))
                for fault in sorted(self._faults, key=lambda fault: fault.row)
            ),
            fault_count=self._fault_count,
            bad_row_count=len(self._bad_rows),
            bad_ids=frozenset(self._bad_ids),
            unnamed_row=self._unnamed_row,
            notices=notices.describe(),
            format=source.format,
            columns={column.field: column.heading for column in columns},
            decimal=marks,
        )


def _name_other(product_id: str, row: int, other: int) -> RowFault:
    reason = message("two products have this id: row {row} has it too", row=other)
    return RowFault(row, "", "id", shorten(product_id), reason)


def _find_heading(columns: Sequence[ListColumn], fault: RowFault) -> str:
    return next((column.heading for column in columns if column.field == fault.field), "")
