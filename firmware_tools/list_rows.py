"""The rows of a list as spreadsheets save it: of CSV with any separator, or of an Excel workbook.

`firmware_tools.spreadsheet` gives them the meaning of declared columns; other readers have rules of their own.
"""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from firmware_tools.errors import InvalidInput
from firmware_tools.language import Message, message
from firmware_tools.text_decoding import TextEncoding, recognise_encoding

MAX_COLUMNS: Final = 1024
"""How many columns a list has at most."""
SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}

_SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n\w])"?[,;\t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_SAMPLE_CHARACTERS: Final = 1 << 16
_SAMPLE_ROWS: Final = 20
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060"
"""Characters without width, which come along when a text is copied from a page or a dialog."""
_HAS_INVISIBLE = re.compile(f"[{_INVISIBLE}]")
_QUOTED_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_QUOTED_CELL = re.compile(r'"[^"]*(?:""[^"]*)*"')
SPREADSHEET_ERRORS: Final = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!")
"""What a spreadsheet shows in place of a value that it cannot compute."""
_TOO_NARROW = re.compile(r"#{3,}")
_SHORTENED_NUMBER: Final = re.compile(r"\d(?:[.,]\d+E\+?|E\+)\d+", re.IGNORECASE)
"""Without a point or a plus it may be hexadecimal."""


def find_lost_digits(text: str) -> Message | None:
    """Return what is wrong with a number that a spreadsheet has shortened, as 1.12E+11; None for any other text."""
    if text[-1:].isdecimal() and _SHORTENED_NUMBER.fullmatch(text):
        return message(
            "a spreadsheet shortened the number to {text}, and its digits are lost: format the column as text there, "
            "and enter the value again",
            text=text,
        )
    return None


def find_spreadsheet_damage(text: str) -> Message | None:
    """Return what a spreadsheet did to a value, so that the list does not hold it; None for any other text."""
    if text in SPREADSHEET_ERRORS:
        return message("the spreadsheet shows the error {text} instead of a value: enter the value", text=text)
    if _TOO_NARROW.fullmatch(text):
        return message(
            "the spreadsheet shows {text} instead of a value, since the column is too narrow: widen it, and save or "
            "copy the list again",
            text=text[:8],
        )
    return find_lost_digits(text)


class FormulaText(str):
    """The formula of a cell whose value is not known."""

    __slots__ = ()


class TrimmedText(str):
    """The text of a cell without what surrounded it: white space, and signs without width."""

    __slots__ = ("is_quoted", "whole")

    whole: str
    """All that the cell holds."""
    is_quoted: bool
    """Whether it stands in quotation marks, as only CSV has them."""

    def __new__(cls, text: str, whole: str, *, is_quoted: bool) -> Self:
        """Take the text that is left."""
        made = super().__new__(cls, text)
        made.whole, made.is_quoted = whole, is_quoted
        return made


class NumberText(str):
    """The text of a cell that holds a number: its decimals stand after a point, whatever the country."""

    __slots__ = ()


CleanCell = Callable[[str], str]
"""Returns the text of a cell without what surrounds it."""


class ListRow(NamedTuple):
    """A row that is not empty."""

    number: int
    """As a spreadsheet counts, from 1."""
    line: int
    """Line of the file on which it begins, from 1; of a workbook the number."""
    cells: list[str]
    """Its cells, without white space around them; as `TrimmedText` if it was asked for and there was some."""


@dataclass(frozen=True, slots=True)
class ListFormat:
    """How a list was saved."""

    encoding: str
    """`UTF-8`, `UTF-16` or `GBK`; `Excel` for a workbook."""
    separator: str = ""
    """`comma`, `semicolon`, `tab`, `pipe` or the character; empty for a workbook."""
    sheet: str = ""
    """Name of the sheet; empty for a text."""


class MisplacedQuote(InvalidInput):
    """A quotation mark is out of place in a text with separators."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        """Line of the file on which the row begins."""


def open_csv(
    data: bytes,
    name: str,
    headings: Collection[str],
    *,
    codec: str | None = None,
    separator: str | None = None,
    marks_trimmed: bool = False,
) -> tuple[ListFormat, Iterator[ListRow]]:
    """Recognise how a text was saved, and return its rows. The best separator finds most of the normalised headings.

    Raises `InvalidInput` if it is no text. The iterator raises `MisplacedQuote`, or `InvalidInput` for too many
    columns.
    """
    encoding = recognise_encoding(data, name, codec)
    sample = encoding.open(data).read(_SAMPLE_CHARACTERS)
    stated = _SEPARATOR_LINE.match(sample)
    skip = stated.end() if stated else 0
    if separator is None:
        separator = stated[1] if stated else max(SEPARATORS, key=lambda one: _rate(sample, one, headings))
    found = ListFormat(encoding.name, SEPARATORS.get(separator, repr(separator)))
    return found, _read_csv(data, name, encoding, skip, separator, marks_trimmed=marks_trimmed)


def _rate(sample: str, separator: str, headings: Collection[str]) -> tuple[int, int]:
    """Return how many headings and how many cells the first rows have with this separator."""
    found = cells = 0
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator, strict=True)
        for row in itertools.islice(filter(None, reader), _SAMPLE_ROWS):
            found = max(found, len({name for cell in row if (name := normalize_heading(cell)) in headings}))
            cells = max(cells, len(row))
    except csv.Error:
        pass  # this is hardly the separator
    return found, cells


def _read_csv(
    data: bytes, name: str, encoding: TextEncoding, skip: int, separator: str, *, marks_trimmed: bool
) -> Iterator[ListRow]:
    file = encoding.open(data)
    file.read(skip)
    skipped_lines = int(skip > 0)
    lines: list[str] = []
    reader = csv.reader(_keep(file, lines) if marks_trimmed else file, delimiter=separator, strict=True)
    line = 1 + skipped_lines
    try:
        for number, cells in enumerate(reader, 1):
            if len(cells) > MAX_COLUMNS:
                raise InvalidInput(
                    message("{name}: line {line} has more than {max} columns", name=name, line=line, max=MAX_COLUMNS)
                )
            if cleaned := clean_cells(cells):
                if marks_trimmed and cleaned != cells:
                    quoted = _find_quoted("".join(lines), separator)
                    cleaned = list(map(_mark_trimmed, cleaned, cells, quoted))
                yield ListRow(number, line, cleaned)
            lines.clear()
            line = reader.line_num + 1 + skipped_lines
    except csv.Error as error:
        raise MisplacedQuote(
            line,
            message(
                "a quotation mark is out of place, here or in a later line ({reason}); save the list again as CSV",
                reason=error,
            ),
        ) from error


def _keep(file: Iterable[str], lines: list[str]) -> Iterator[str]:
    for line in file:
        lines.append(line)
        yield line


def _find_quoted(row: str, separator: str) -> list[bool]:
    """Return for each cell of a row whether it stands in quotation marks, by the rules of `csv`."""
    quoted: list[bool] = []
    start = 0
    while True:
        cell = _QUOTED_CELL.match(row, start)
        quoted.append(cell is not None)
        end = row.find(separator, cell.end() if cell else start)
        if end < 0:
            return quoted
        start = end + len(separator)


def _mark_trimmed(cleaned: str, cell: str, is_quoted: bool) -> str:
    formula = _QUOTED_FORMULA.fullmatch(_strip(cell))
    whole = formula[1].replace('""', '"') if formula else cell
    return cleaned if cleaned == whole else TrimmedText(cleaned, whole, is_quoted=is_quoted or formula is not None)


def clean_cells(cells: Sequence[str]) -> list[str]:
    """Return cells without what surrounds their texts; an empty list if all are empty."""
    cleaned = [cell.strip() for cell in cells]
    joined = "".join(cleaned)
    if not joined.isascii() and _HAS_INVISIBLE.search(joined):
        cleaned = [_strip(cell) for cell in cleaned]
    if '="' in joined:
        cleaned = [_clean_formula(cell) for cell in cleaned]
    return cleaned if joined and any(cleaned) else []


def clean_cell(text: str) -> str:
    """Return the text of a cell without white space and signs without width around it."""
    text = text.strip()
    return text if text.isascii() or not _HAS_INVISIBLE.search(text) else _strip(text)


def mark_cell(text: str) -> str:
    """Return what `clean_cell` does, as `TrimmedText` if something was cut."""
    cleaned = clean_cell(text)
    return cleaned if cleaned == text else TrimmedText(cleaned, text, is_quoted=False)


def _clean_formula(text: str) -> str:
    match = _QUOTED_FORMULA.fullmatch(text)
    return _strip(match[1].replace('""', '"')) if match else text


def _strip(text: str) -> str:
    previous = None
    while text != previous:
        previous, text = text, text.strip().strip(_INVISIBLE)
    return text


def normalize_heading(text: str) -> str:
    """Return a heading without what makes no difference: case, spaces, punctuation, full-width forms."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())


def name_column(index: int) -> str:
    """Return the letters by which spreadsheets name a column: A, B, …, Z, AA."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters
