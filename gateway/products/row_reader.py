"""Makes products of the rows of a list: each cell by the rules of its column, each fault with its place."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message
from firmware_tools.list_file import ListFile
from firmware_tools.list_rows import SPREADSHEET_ERRORS, NumberText
from gateway.products.bar_code import has_check_digit, is_float, restore_bar_code, restore_digits, restore_zeros
from gateway.products.columns import TIME_FIELDS, ListColumn
from gateway.products.notices import ListNotices
from gateway.products.number_style import DecimalMark, read_number
from gateway.products.product import FIELDS, PRICE_FIELDS, Product, read_field, read_price
from gateway.protocol.values import InvalidValue, describe_json_type, is_unicode

MAX_TEXT_CHARACTERS: Final = 2000
"""Longest text of a product. The vendor states no limit but that of a request."""
MAX_ID_CHARACTERS: Final = 128
"""Longest number of a product."""

_MAX_SHOWN_CHARACTERS: Final = 40
_MAX_MERGED_CELLS: Final = 200_000
_NO_PRICE: Final = ("-", "--", "\u2013", "\u2014", "/", "无", "n/a", "N/A")
"""What people write where there is no price."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LINE_BREAKS: Final = re.compile(r"[ \t]*[\r\n\t\v\f\x85]\s*")
_DATE: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]+|\Z)", re.ASCII)
_HOUR: Final = re.compile(r"\d:")


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one cell of a list, or with a row."""

    row: int
    """Number of the row as a spreadsheet counts, or of the element of a JSON list, from 1."""
    column: str
    """Heading of the column; empty if the row is meant."""
    field: str
    """The field of the product; empty if the row is meant."""
    value: str
    """What stands there, shortened."""
    reason: str
    """What is wrong, and what to do."""


class RowRefused(Exception):
    """A row cannot be taken."""

    def __init__(self, faults: Sequence[RowFault]) -> None:
        super().__init__()
        self.faults = faults
        """Everything that is wrong with it."""


def find_merged_cells(source: ListFile, columns: Sequence[ListColumn]) -> dict[int, list[RowFault]]:
    """Return the faults of rows whose cells are merged with one above them: their own values are not known, by row."""
    found: dict[int, list[RowFault]] = {}
    count = 0
    for rows, places in source.facts.merged:
        for column in columns:
            if column.place in places and rows.start > source.headings.number:
                count += len(rows)
                if count > _MAX_MERGED_CELLS:
                    raise InvalidInput(message("more than {max} cells are merged; split them", max=_MAX_MERGED_CELLS))
                reason = message("is merged with the cell of row {row}; split it, and fill in each", row=rows.start)
                for row in rows[1:]:
                    found.setdefault(row, []).append(RowFault(row, column.heading, column.field, "", reason))
    return found


class RowReader:
    """Makes products of rows."""

    def __init__(
        self, columns: Sequence[ListColumn], marks: Mapping[str, DecimalMark], width: int, notices: ListNotices
    ) -> None:
        self._width = width
        self._notices = notices
        self._row = 0
        self._readers = [(column, self._make_reader(column, marks)) for column in columns]
        self._texts: dict[str, str] = {}
        self._others = [column.field for column in columns if column.field not in _OWN]
        self._emptied: dict[tuple[str, ...], frozenset[str]] = {}

    def read(self, row: int, cells: Sequence[Any]) -> Product:
        """Return the product of a row; cells that are None are not there. Raises `RowRefused` with all its faults."""
        self._row = row
        values: dict[str, Any] = {}
        emptied: list[str] = []
        faults: list[RowFault] = []
        count = len(cells)
        for column, read in self._readers:
            cell = cells[column.place] if column.place < count else ""
            if cell is None or cell == "":
                if column.is_required:
                    faults.append(_make_fault(row, column, "", message("is missing")))
                elif cell is not None and column.field not in _NEVER_EMPTIED:
                    emptied.append(column.field)
                continue
            try:
                values[column.field] = read(cell)
            except InvalidValue as exc:
                if cell in _NO_PRICE and column.field in PRICE_FIELDS and not column.is_required:
                    if column.field not in _NEVER_EMPTIED:
                        emptied.append(column.field)
                    continue
                faults.append(_make_fault(row, column, cell, exc.reason))
        if count > self._width and any(cells[self._width :]):
            more = message("it has more fields than the headings; put texts with separators in quotes")
            faults.append(RowFault(row, "", "", "", more))
        if "valid_until" in values:
            faults += _check_times(row, values)
        if faults:
            raise RowRefused(faults)
        if self._others:
            unknown = {name: values.pop(name) for name in self._others if name in values}
            if unknown:
                values["unknown"] = unknown
        if emptied:
            key = tuple(emptied)
            if key not in self._emptied:
                self._emptied[key] = frozenset(key) & FIELDS.keys()
            values["emptied"] = self._emptied[key]
        return Product(**values)

    def find_id(self, cells: Sequence[Any]) -> str | None:
        """Return the id of a row that is not taken for another reason; None if it cannot be read."""
        for column, read in self._readers:
            if column.field == "id" and column.place < len(cells) and cells[column.place]:
                with suppress(InvalidValue):
                    return str(read(cells[column.place]))
        return None

    def _make_reader(self, column: ListColumn, marks: Mapping[str, DecimalMark]) -> Callable[[Any], Any]:
        match column.field:
            case "id":
                return self._read_id
            case "bar_code":
                return lambda cell: self._read_bar_code(cell, column)
            case name if name in PRICE_FIELDS:
                return _PriceReader(name, marks.get(name, DecimalMark.POINT)).read
            case name if name in TIME_FIELDS:
                return lambda cell: _read_time(cell, is_end=name == "valid_until")
            case name if name not in FIELDS:
                return lambda cell: self._read_text(cell, column) if type(cell) is str else _read_json(cell)
            case name if FIELDS[name].type == "int":
                return lambda cell: read_field(name, cell)
            case _:
                return lambda cell: self._read_text(cell, column)

    def _read_text(self, cell: Any, column: ListColumn) -> str:
        if not isinstance(cell, str):
            raise InvalidValue(message("must be a string, not {json_type}", json_type=describe_json_type(cell)))
        if cell.isprintable() and len(cell) <= MAX_TEXT_CHARACTERS and cell[0] not in "=#":
            return self._texts.setdefault(cell, cell)  # as nearly all; many products share a unit or a brand
        if not cell.isprintable():
            if _LINE_BREAKS.search(cell):
                cell = _LINE_BREAKS.sub(" ", cell)
                self._notices.count_line_breaks(column.heading, self._row)
            _check_characters(cell)
        return _check_text(cell, MAX_TEXT_CHARACTERS)

    def _read_id(self, cell: Any) -> str:
        text = _read_code(cell, MAX_ID_CHARACTERS)
        return restore_digits(text) if is_float(text) else text

    def _read_bar_code(self, cell: Any, column: ListColumn) -> str:
        text = _read_code(cell, MAX_TEXT_CHARACTERS)
        if is_float(text):
            text = restore_bar_code(text)
            self._notices.count_restored(column.heading, self._row)
        elif isinstance(cell, NumberText) and has_check_digit(text) is not True:
            restored = restore_zeros(text)
            if restored is not None and restored != text:
                text = restored
                self._notices.count_restored(column.heading, self._row)
        if has_check_digit(text) is False:
            self._notices.count_wrong_check_digit(column.heading, self._row)
        return text


_NEVER_EMPTIED: Final = ("name", "price", *TIME_FIELDS)
"""Fields about which an empty cell says nothing."""
_OWN: Final = frozenset((*FIELDS, *TIME_FIELDS))


class _PriceReader:
    """Reads the prices of one column. Shops have few different ones, so they are kept."""

    def __init__(self, name: str, mark: DecimalMark) -> None:
        self._name = name
        self._mark = mark
        self._numbers: dict[str, Decimal] = {}
        self._texts: dict[str, Decimal] = {}

    def read(self, cell: Any) -> Decimal:
        if not isinstance(cell, str):
            raise InvalidValue(message("must be a number, not {json_type}", json_type=describe_json_type(cell)))
        known = self._numbers if isinstance(cell, NumberText) else self._texts
        price = known.get(cell)
        if price is None:
            if cell.startswith("="):
                raise InvalidValue(message("is a formula; save the list with values"))
            price = known[cell] = read_price(self._name, read_number(cell, self._mark))
        return price


def _read_code(cell: Any, max_characters: int) -> str:
    if not isinstance(cell, str):
        raise InvalidValue(message("must be a string, not {json_type}", json_type=describe_json_type(cell)))
    if not cell.isprintable():
        _check_characters(cell)
    return str(_check_text(cell, max_characters))


def _check_characters(text: str) -> None:
    if found := _CONTROL.search(text):
        raise InvalidValue(message("holds the control character U+{code:04X}", code=ord(found[0])))
    if not is_unicode(text):
        raise InvalidValue(message("must be valid Unicode"))


def _check_text(text: str, max_characters: int) -> str:
    if len(text) > max_characters:
        raise InvalidValue(
            message("must have at most {max} characters, not {count}", max=max_characters, count=len(text))
        )
    if text[0] == "=" and len(text) > 1:
        raise InvalidValue(message("is a formula; save the list with values"))
    if text[0] == "#" and text in SPREADSHEET_ERRORS:
        raise InvalidValue(message("is an error of the spreadsheet"))
    return text


def _read_json(cell: Any) -> Any:
    return Decimal(cell) if isinstance(cell, NumberText) else cell


def _read_time(cell: Any, *, is_end: bool) -> datetime:
    """Read a date with or without time; the end of a date is its last moment."""
    text = cell.strip() if isinstance(cell, str) else ""
    found = _DATE.match(text)
    if found:
        year, month, day = map(int, found.groups())
        rest = text[found.end() :].strip()
        if _HOUR.match(rest):
            rest = f"0{rest}"
        try:
            if rest:
                return datetime.fromisoformat(f"{year:04}-{month:02}-{day:02}T{rest}")
            date = datetime(year, month, day)  # noqa: DTZ001  the shop's own zone, which is not known here
            return date + timedelta(days=1) if is_end else date
        except (ValueError, OverflowError):
            pass
    raise InvalidValue(message("must be a date or a time, such as 2026-12-31 or 2026-12-31 08:30"))


def _check_times(row: int, values: Mapping[str, Any]) -> list[RowFault]:
    begin, end = values.get("valid_from"), values.get("valid_until")
    if begin is None or end is None:
        return []
    if (begin.tzinfo is None) != (end.tzinfo is None):
        return [RowFault(row, "", "valid_until", str(end), message("both times have a zone, or none has"))]
    if begin >= end:
        return [RowFault(row, "", "valid_until", str(end), message("ends before it begins"))]
    return []


def _make_fault(row: int, column: ListColumn, cell: Any, reason: str) -> RowFault:
    return RowFault(row, column.heading, column.field, shorten(str(cell)), reason)


def shorten(text: str) -> str:
    """Return what can be shown of a cell in one line."""
    shown = text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"
    return "".join(char if char.isprintable() else "\ufffd" for char in shown)
