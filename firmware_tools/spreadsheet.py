"""Lists as spreadsheets save them: Excel workbooks, or CSV with any separator, read into rows of declared columns."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from firmware_tools.errors import CardError, InvalidInput, IOFailed
from firmware_tools.language import count_message, describe_error, join, message
from firmware_tools.list_file import open_list
from firmware_tools.list_rows import (
    FormulaText,
    ListRow,
    MisplacedQuote,
    TrimmedText,
    find_spreadsheet_damage,
    name_column,
    normalize_heading,
)
from firmware_tools.size import MIB, format_size

T = TypeVar("T")

DEFAULT_MAX_SPREADSHEET_SIZE = 4 * MIB
DEFAULT_MAX_ROWS = 20_000
_MAX_LISTED_ERRORS = 50
_MAX_SHOWN_TEXT = 40

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0e-\x1f]")


@dataclass(frozen=True, slots=True)
class SpreadsheetColumn:
    """A column that a list may have."""

    name: str
    """By which the program asks for it; also its usual heading."""
    aliases: tuple[str, ...] = ()
    """Other headings. Case, spaces, punctuation and full-width forms make no difference."""
    is_required: bool = False
    """Whether the list must have it."""
    is_exact: bool = False
    """Whether each character counts, as in a password: blanks around it are kept or refused; it may begin with `=`."""


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
            listed.append(count_message("and {count} more error", "and {count} more errors", more))
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
    headings: Mapping[str, str]
    """How the list itself calls each declared column that it has."""

    def describe(self) -> str:
        """Return how the list was read, in one line."""
        ignored = message("; ignored: {columns}", columns=join(", ", self.ignored)) if self.ignored else ""
        described = count_message(
            "{name}: {count} row, {encoding}",
            "{name}: {count} rows, {encoding}",
            len(self.rows),
            name=self.name,
            encoding=self.encoding,
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
    names = {
        normalize_heading(heading): column.name for column in columns for heading in (column.name, *column.aliases)
    }
    required = {column.name for column in columns if column.is_required}
    try:
        found = open_list(data, name, names, required, marks_trimmed=any(column.is_exact for column in columns))
        places = _match_headings(name, found.headings, names, required)
        body = list(itertools.islice(found.rows, max_rows + 1))
    except MisplacedQuote as error:
        raise SpreadsheetError(name, [CellError(error.line, None, describe_error(error))]) from error
    if len(body) > max_rows:
        raise InvalidInput(
            message("{name}: the list has more than {max_rows} rows; split it", name=name, max_rows=max_rows)
        )
    headings = found.headings.cells
    rows = tuple(_build_row(row, len(headings), places, columns) for row in body)
    ignored: list[str] = [message("line {line}", line=row.line) for row in found.preceding]
    ignored += [message("sheet {name}", name=_show(sheet)) for sheet in found.other_sheets]
    ignored += _list_ignored_columns(headings, set(places.values()), body)
    own = {column: headings[place].strip() for column, place in places.items()}
    return Spreadsheet(name, rows, found.format.encoding, found.format.separator, tuple(ignored), own)


def _match_headings(name: str, row: ListRow, names: Mapping[str, str], required: set[str]) -> dict[str, int]:
    """Return where each declared column stands; raise `SpreadsheetError` if one is missing or comes twice."""
    places: dict[str, int] = {}
    errors: list[CellError] = []
    line, headings = row.line, row.cells
    for index, heading in enumerate(headings):
        column = names.get(normalize_heading(heading))
        if column is not None and places.setdefault(column, index) != index:
            other = headings[places[column]]
            errors.append(
                CellError(
                    line,
                    column,
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
    row: ListRow, width: int, places: Mapping[str, int], columns: Sequence[SpreadsheetColumn]
) -> SpreadsheetRow:
    cells = row.cells
    texts = {column.name: "" for column in columns}
    texts.update({name: cells[place] for name, place in places.items() if place < len(cells)})
    exact = {column.name for column in columns if column.is_exact}
    errors = [
        CellError(row.line, name, reason) for name, text in texts.items() if (reason := find_spreadsheet_damage(text))
    ]
    errors += [
        CellError(row.line, name, message("holds a control character"))
        for name, text in texts.items()
        if _CONTROL_CHARACTER.search(text)
    ]
    errors += [
        CellError(row.line, name, message("is a formula; save the list with values"))
        for name, text in texts.items()
        if isinstance(text, FormulaText) or (text.startswith("=") and len(text) > 1 and name not in exact)
    ]
    for name in exact:
        if isinstance(text := texts[name], TrimmedText):
            try:
                texts[name] = _read_exactly(text)
            except InvalidInput as error:
                errors.append(CellError(row.line, name, describe_error(error)))
    if any(cells[width:]):
        errors.append(
            CellError(
                row.line, None, message("it has more fields than the headings; put texts with separators in quotes")
            )
        )
    return SpreadsheetRow(row.line, texts, tuple(errors))


def _read_exactly(text: TrimmedText) -> str:
    """Return a text with the blanks around it, if they are meant. Raises `InvalidInput`."""
    if not text.is_quoted and not text:
        return ""
    if text.whole.strip() != text:
        raise InvalidInput(message("has signs without width at its ends: type it instead of copying it"))
    if not text.is_quoted:
        raise InvalidInput(
            message(
                "has a blank at its ends: delete it, or, if it belongs to it, save the list as CSV with the value in "
                "quotation marks"
            )
        )
    return text.whole


def _list_ignored_columns(headings: list[str], used: set[int], body: list[ListRow]) -> list[str]:
    ignored: list[str] = []
    for index, heading in enumerate(headings):
        if index in used:
            continue
        if heading:
            ignored.append(message("column {heading}", heading=_show(heading)))
        elif any(index < len(row.cells) and row.cells[index] for row in body):
            ignored.append(message("column {name} without heading", name=name_column(index)))
    return ignored


def _show(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN_TEXT else f"{text[:_MAX_SHOWN_TEXT]}…")
