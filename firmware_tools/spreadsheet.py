"""Lists as spreadsheets save them: Excel workbooks, or CSV with any separator, read into rows of declared columns.

The reader of each kind of file returns a `_Table`; what follows (headings, cells, errors) is the same for all kinds.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from firmware_tools.errors import CardError, InvalidInput, IOFailed
from firmware_tools.language import describe_error, join, message
from firmware_tools.size import MIB, format_size
from firmware_tools.text_decoding import decode_text
from firmware_tools.workbook import MAX_COLUMNS, WORKBOOK, is_workbook, read_workbook

T = TypeVar("T")

DEFAULT_MAX_SPREADSHEET_SIZE = 4 * MIB
DEFAULT_MAX_ROWS = 20_000
_MAX_HEADING_ROWS = 20
"""How many rows that are not empty may precede the headings, and the headings."""
_MAX_LISTED_ERRORS = 50
_MAX_SHOWN_TEXT = 40

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n\w])"?[,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
"""Characters without width, which come along when a text is copied from a page or a dialog."""
_QUOTED_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_SHORTENED_NUMBER = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SpreadsheetColumn:
    """A column that a list may have."""

    name: str
    """By which the program asks for it; also its usual heading."""
    aliases: tuple[str, ...] = ()
    """Other headings. Case, spaces, punctuation and full-width forms make no difference."""
    is_required: bool = False
    """Whether the list must have it."""


@dataclass(frozen=True, slots=True)
class CellError:
    """What is wrong in one place of a list."""

    line: int
    """Line of the file, from 1."""
    column: str | None
    """Name of the declared column; None if the whole row is meant."""
    reason: str
    """What is wrong, and what to do."""

    def describe(self) -> str:
        """Return it as a sentence."""
        if self.column is None:
            return message("line {line}: {reason}", line=self.line, reason=self.reason)
        return message("line {line}, column {column}: {reason}", line=self.line, column=self.column, reason=self.reason)


class SpreadsheetError(InvalidInput):
    """A list cannot be used; the message names all errors, up to a limit."""

    def __init__(self, name: str, errors: Sequence[CellError]) -> None:
        listed = [error.describe() for error in errors[:_MAX_LISTED_ERRORS]]
        if (more := len(errors) - _MAX_LISTED_ERRORS) > 0:
            listed.append(message("and {count} more errors", count=more))
        super().__init__(message("{name}: {errors}", name=name, errors=join("; ", listed)))
        self.errors = tuple(errors)
        """Everything that is wrong."""


class InvalidCell(InvalidInput):
    """A cell has a value that is not allowed."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        """Name of the declared column."""


@dataclass(frozen=True, slots=True)
class SpreadsheetRow:
    """A row of a list."""

    line: int
    """Line of the file on which it begins, from 1."""
    cells: Mapping[str, str]
    """The cells by the names of the declared columns; empty where the list lacks an optional column."""
    errors: tuple[CellError, ...] = ()
    """What the spreadsheet itself did to this row."""

    @contextmanager
    def cell(self, column: str) -> Iterator[str]:
        """Give the text of a cell; an `InvalidInput` raised meanwhile becomes an `InvalidCell` of this column."""
        try:
            yield self.cells[column]
        except InvalidInput as error:
            raise InvalidCell(column, str(error)) from error


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """A list that was read."""

    name: str
    """For messages."""
    rows: tuple[SpreadsheetRow, ...]
    """The rows that are not empty."""
    encoding: str
    """`UTF-8`, `UTF-16` or `GBK`; `Excel` for a workbook."""
    separator: str
    """`comma`, `semicolon`, `tab`, or the character; empty for a workbook."""
    ignored: tuple[str, ...]
    """Columns and lines that were not used, for messages."""

    def describe(self) -> str:
        """Return how the list was read, in one line."""
        ignored = f"; ignored: {', '.join(self.ignored)}" if self.ignored else ""
        described = message(
            "{name}: {count} rows, {encoding}", name=self.name, count=len(self.rows), encoding=self.encoding
        )
        separated = message(", separated by {separator}", separator=self.separator) if self.separator else ""
        return join("", [described, separated, ignored])

    def parse_rows(self, parse: Callable[[SpreadsheetRow], T]) -> list[T]:
        """Parse each row with a function that may raise `CardError`; raise `SpreadsheetError` for all rows together."""
        parsed: list[T] = []
        errors: list[CellError] = []
        for row in self.rows:
            errors += row.errors
            if not row.errors:
                try:
                    parsed.append(parse(row))
                except InvalidCell as error:
                    errors.append(CellError(row.line, error.column, describe_error(error)))
                except CardError as error:
                    errors.append(CellError(row.line, None, describe_error(error)))
        if errors:
            raise SpreadsheetError(self.name, errors)
        return parsed


class _Table(NamedTuple):
    """The cells of a file of any kind."""

    rows: list[tuple[int, list[str]]]
    """Line and cells of each row that is not empty."""
    encoding: str
    """Name of the encoding."""
    separator: str
    """Name of the separator."""


def read_spreadsheet(
    path: Path,
    columns: Sequence[SpreadsheetColumn],
    *,
    max_size: int = DEFAULT_MAX_SPREADSHEET_SIZE,
    max_rows: int = DEFAULT_MAX_ROWS,
) -> Spreadsheet:
    """Read a list from a file.

    Raises:
        InvalidInput: there is no such file, it is too large, no list, or lacks a column.
        IOFailed: it cannot be read.

    """
    try:
        with path.open("rb") as file:
            data = file.read(max_size + 1)
    except FileNotFoundError as error:
        raise InvalidInput(message("{path}: there is no such list", path=path)) from error
    except OSError as error:
        raise IOFailed.from_os_error(message("reading"), str(path), error) from error
    return parse_spreadsheet(data, str(path), columns, max_size=max_size, max_rows=max_rows)


def parse_spreadsheet(
    data: bytes,
    name: str,
    columns: Sequence[SpreadsheetColumn],
    *,
    max_size: int = DEFAULT_MAX_SPREADSHEET_SIZE,
    max_rows: int = DEFAULT_MAX_ROWS,
) -> Spreadsheet:
    """Parse the content of a file; raise `InvalidInput` if it is too large, no list, or lacks a column."""
    if len(data) > max_size:
        raise InvalidInput(
            message("{name}: the list is larger than {size}; split it", name=name, size=format_size(max_size))
        )
    names = {_normalize_heading(heading): column for column in columns for heading in (column.name, *column.aliases)}
    if is_workbook(data):
        table = _Table(list(_clean_rows(read_workbook(data, name, max_rows + _MAX_HEADING_ROWS))), WORKBOOK, "")
    else:
        table = _parse_csv(data, name, names, max_rows)
    if not table.rows:
        raise InvalidInput(message("{name}: the list is empty", name=name))
    required = {column.name for column in columns if column.is_required}
    index = _find_headings(table.rows, names, required)
    line, headings = table.rows[index]
    places = _match_headings(name, line, headings, names, required)
    body = table.rows[index + 1 :]
    if len(body) > max_rows:
        raise InvalidInput(
            message("{name}: the list has more than {max_rows} rows; split it", name=name, max_rows=max_rows)
        )
    rows = tuple(_build_row(line, cells, len(headings), places, columns) for line, cells in body)
    ignored = [f"line {line}" for line, _ in table.rows[:index]]
    ignored += _list_ignored_columns(headings, set(places.values()), body)
    return Spreadsheet(name, rows, table.encoding, table.separator, tuple(ignored))


def _parse_csv(data: bytes, name: str, names: Mapping[str, SpreadsheetColumn], max_rows: int) -> _Table:
    text, encoding = decode_text(data, name)
    skipped_lines = 0
    separators = list(_SEPARATORS)
    if match := _SEPARATOR_LINE.match(text):
        text, skipped_lines, separators = text[match.end() :], 1, [match[1]]

    def rate(separator: str) -> tuple[int, int]:
        """Return how many headings and how many cells the first rows have with this separator."""
        headings = cells = 0
        try:
            for _, row in zip(range(_MAX_HEADING_ROWS), _read_csv(text, separator), strict=False):
                headings = max(headings, len({name for cell in row[1] if (name := _normalize_heading(cell)) in names}))
                cells = max(cells, len(row[1]))
        except csv.Error:
            pass  # this is hardly the separator
        return headings, cells

    if not text.strip("".join(separators) + "\r\n "):
        return _Table([], encoding, "")
    separator = max(separators, key=rate)
    rows: list[tuple[int, list[str]]] = []
    try:
        for line, cells in _read_csv(text, separator):
            rows.append((line + skipped_lines, cells))
            if len(rows) > max_rows + _MAX_HEADING_ROWS:
                raise InvalidInput(
                    message("{name}: the list has more than {max_rows} rows; split it", name=name, max_rows=max_rows)
                )
            if len(cells) > MAX_COLUMNS:
                line += skipped_lines
                raise InvalidInput(
                    message("{name}: line {line} has more than {max} columns", name=name, line=line, max=MAX_COLUMNS)
                )
    except csv.Error as error:
        line = rows[-1][0] + 1 if rows else 1 + skipped_lines
        reason = message(
            "a quotation mark is out of place, here or in a later line ({reason}); save the list again as CSV",
            reason=error,
        )
        raise SpreadsheetError(name, [CellError(line, None, reason)]) from error
    return _Table(rows, encoding, _SEPARATORS.get(separator, repr(separator)))


def _read_csv(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and its cells, cleaned; leave out empty rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    for cells in reader:
        yield from _clean_rows([(line, cells)])
        line = reader.line_num + 1


def _clean_rows(rows: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for line, cells in rows:
        cleaned = [_clean_cell(cell) for cell in cells]
        if any(cleaned):
            yield line, cleaned


def _clean_cell(text: str) -> str:
    text = _strip(text)
    match = _QUOTED_FORMULA.fullmatch(text)
    return _strip(match[1].replace('""', '"')) if match else text


def _strip(text: str) -> str:
    previous = None
    while text != previous:
        previous, text = text, text.strip().strip(_INVISIBLE)
    return text


def _normalize_heading(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())


def _find_headings(
    rows: list[tuple[int, list[str]]], names: Mapping[str, SpreadsheetColumn], required: set[str]
) -> int:
    """Return the index of the row with the headings: the first that has all required columns, or else the most."""
    found = [
        {names[heading].name for cell in cells if (heading := _normalize_heading(cell)) in names}
        for _, cells in rows[:_MAX_HEADING_ROWS]
    ]
    return max(
        range(len(found)), key=lambda index: (bool(found[index]) and required <= found[index], len(found[index]))
    )


def _match_headings(
    name: str, line: int, headings: list[str], names: Mapping[str, SpreadsheetColumn], required: set[str]
) -> dict[str, int]:
    """Return where each declared column stands; raise `SpreadsheetError` if one is missing or comes twice."""
    places: dict[str, int] = {}
    errors: list[CellError] = []
    for index, heading in enumerate(headings):
        column = names.get(_normalize_heading(heading))
        if column is not None and places.setdefault(column.name, index) != index:
            other = headings[places[column.name]]
            errors.append(
                CellError(
                    line,
                    column.name,
                    message("it comes twice, as {first} and {second}", first=_show(other), second=_show(heading)),
                )
            )
    shown = ", ".join(_show(heading) for heading in headings[:10] if heading) or message("no text")
    errors += [
        CellError(
            line,
            column,
            message("column {column} is missing; the headings found are {shown}", column=column, shown=shown),
        )
        for column in sorted(required - places.keys())
    ]
    if errors:
        raise SpreadsheetError(name, errors)
    return places


def _build_row(
    line: int, cells: list[str], width: int, places: Mapping[str, int], columns: Sequence[SpreadsheetColumn]
) -> SpreadsheetRow:
    texts = {column.name: "" for column in columns}
    texts.update({name: cells[place] for name, place in places.items() if place < len(cells)})
    errors = [
        CellError(
            line,
            name,
            message(
                "a spreadsheet shortened the number to {text}, and its digits are lost: format the "
                "column as text there, and enter the value again",
                text=text,
            ),
        )
        for name, text in texts.items()
        if _SHORTENED_NUMBER.fullmatch(text)
    ]
    if any(cells[width:]):
        errors.append(
            CellError(line, None, message("it has more fields than the headings; put texts with separators in quotes"))
        )
    return SpreadsheetRow(line, texts, tuple(errors))


def _list_ignored_columns(headings: list[str], used: set[int], body: list[tuple[int, list[str]]]) -> list[str]:
    ignored: list[str] = []
    for index, heading in enumerate(headings):
        if index in used:
            continue
        if heading:
            ignored.append(f"column {_show(heading)}")
        elif any(index < len(cells) and cells[index] for _, cells in body):
            ignored.append(message("column {name} without heading", name=_name_column(index)))
    return ignored


def _name_column(index: int) -> str:
    """Return the letters by which spreadsheets name a column: A, B, …, Z, AA."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _show(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_TEXT else f"{text[:_MAX_SHOWN_TEXT]}…")
