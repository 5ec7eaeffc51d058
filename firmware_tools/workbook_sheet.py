"""The XML of an Excel workbook, read one element after the other: nothing is kept but the cells of a row."""

import re
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from firmware_tools.list_rows import MAX_COLUMNS, CleanCell, FormulaText, ListRow
from firmware_tools.workbook_cells import ShowNumber, show_number

_CHUNK_BYTES: Final = 1 << 16
_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_MAX_MERGED_RANGES: Final = 100_000
_RANGE: Final = re.compile(r"([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})")


@dataclass(slots=True)
class SheetFacts:
    """What a sheet has beside the texts of its cells; complete when all rows were read."""

    hidden_rows: list[int] = field(default_factory=list)
    """Numbers of the rows that are not empty and hidden."""
    formulas: dict[int, tuple[int, int]] = field(default_factory=dict)
    """How many formulas a column has whose value is known, and the first row with one, by the place of the column."""
    merged: list[tuple[range, range]] = field(default_factory=list)
    """Rows from 1, and columns from 0, of cells that are merged."""


class ElementHandler:
    """What is done for the elements of a file. Subclasses tell them by their names without prefix."""

    takes_texts = False
    """Whether it wants the texts of elements."""

    def __init__(self) -> None:
        self.names = _LocalNames()
        """Names of elements without their prefix, by their names in the file."""
        self.texts: list[str] = []
        """The texts so far; a subclass that takes them clears them."""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Handle the beginning of an element; its name is that in the file."""

    def end(self, name: str) -> None:
        """Handle the end of an element; its name is that in the file."""


class _LocalNames(dict[str, str]):
    def __missing__(self, name: str) -> str:
        local = self[name] = name.rpartition(":")[2]
        return local


def read_elements(archive: zipfile.ZipFile, member: str, handler: ElementHandler) -> Iterator[None]:
    """Read a file of a workbook, and pause after each piece.

    Raises `xml.parsers.expat.ExpatError` for what is no XML, and ValueError for a document type declaration: no
    workbook has one, and entities come from there.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    if handler.takes_texts:
        parser.CharacterDataHandler = handler.texts.append
    parser.StartElementHandler = handler.begin
    parser.EndElementHandler = handler.end
    parser.StartDoctypeDeclHandler = _refuse_declaration
    with archive.open(member) as file:
        while piece := file.read(_CHUNK_BYTES):
            parser.Parse(piece, False)
            yield
    parser.Parse(b"", True)


def _refuse_declaration(*_: object) -> None:
    raise ValueError("document type declaration")


def read_shared_texts(archive: zipfile.ZipFile, member: str, clean: CleanCell) -> list[str]:
    """Return the texts that cells refer to."""
    handler = _SharedTexts(clean)
    for _ in read_elements(archive, member, handler):
        pass
    return handler.found


class _SharedTexts(ElementHandler):
    takes_texts = True

    def __init__(self, clean: CleanCell) -> None:
        super().__init__()
        self._clean = clean
        self.found: list[str] = []
        self._parts: list[str] = []
        self._phonetic = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self.texts.clear()
        self._phonetic += self.names[name] == "rPh"

    def end(self, name: str) -> None:
        local = self.names[name]
        if local == "t":
            if not self._phonetic:
                self._parts.append("".join(self.texts))
        elif local == "si":
            self.found.append(self._clean(_unescape("".join(self._parts))))
            self._parts.clear()
        elif local == "rPh":
            self._phonetic -= 1


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def read_rows(
    archive: zipfile.ZipFile,
    member: str,
    shared: Sequence[str],
    formats: Sequence[ShowNumber],
    facts: SheetFacts,
    clean: CleanCell,
) -> Iterator[ListRow]:
    """Yield the rows of a sheet that are not empty. Raises ValueError for a cell that contradicts itself."""
    sheet = _Sheet(shared, formats, facts, clean)
    for _ in read_elements(archive, member, sheet):
        while sheet.rows:
            yield sheet.rows.popleft()


class _Sheet(ElementHandler):
    """Makes rows of the elements of a sheet."""

    takes_texts = True

    def __init__(
        self, shared: Sequence[str], formats: Sequence[ShowNumber], facts: SheetFacts, clean: CleanCell
    ) -> None:
        super().__init__()
        self._clean = clean
        self.rows: deque[ListRow] = deque()
        self._shared = shared
        self._formats = formats
        self._facts = facts
        self._places: dict[str, int] = {}
        self._row = 0
        self._is_hidden = False
        self._cells: list[str] = []
        self._place = -1
        self._type = ""
        self._style = 0
        self._value: str | None = None
        self._formula: str | None = None
        self._phonetic = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        local = self.names[name]
        if local == "v":
            self.texts.clear()
        elif local == "c":
            reference = attributes.get("r")
            self._place = self._find_place(reference) if reference else self._place + 1
            self._type = attributes.get("t", "n")
            self._style = int(attributes.get("s", 0))
            self._value = self._formula = None
        elif local == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._is_hidden = attributes.get("hidden") in ("1", "true")
            self._cells = []
            self._place = -1
            self.texts.clear()
        elif local == "t" or local == "f":
            self.texts.clear()
        elif local == "rPh":
            self._phonetic += 1
        elif local == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, name: str) -> None:
        local = self.names[name]
        if local == "v":
            self._value = self._take_text()
        elif local == "c":
            self._add_cell()
        elif local == "t":
            if not self._phonetic:
                self._value = (self._value or "") + self._take_text()
        elif local == "f":
            self._formula = self._take_text() or "…"
        elif local == "row":
            self._add_row()
        elif local == "rPh":
            self._phonetic -= 1

    def _take_text(self) -> str:
        return self.texts[0] if len(self.texts) == 1 else "".join(self.texts)

    def _find_place(self, reference: str) -> int:
        letters = reference.rstrip("0123456789")
        place = self._places.get(letters)
        if place is None:
            place = self._places[letters] = find_place(letters)
        return place

    def _add_cell(self) -> None:
        if not 0 <= self._place < MAX_COLUMNS:
            return
        value = self._value
        if self._formula is not None:
            text = self._show_formula(value)
        elif value is None:
            return
        else:
            text = self._shared[int(value)] if self._type == "s" else self._show(value)
        cells = self._cells
        missing = self._place - len(cells)
        if missing:
            if missing < 0:
                raise ValueError("cells out of order")
            cells += [""] * missing
        cells.append(text)

    def _show_formula(self, value: str | None) -> str:
        """Return the value that was computed; the formula if none was."""
        if value is None or (not value and self._type != "str"):
            return FormulaText(f"={self._formula}")
        count, first = self._facts.formulas.get(self._place, (0, self._row))
        self._facts.formulas[self._place] = count + 1, first
        return self._show(value)

    def _show(self, value: str) -> str:
        match self._type:
            case "n":
                if not value:
                    return ""
                return self._formats[self._style](value) if self._style else show_number(value)
            case "s":
                return self._shared[int(value)]
            case "b":
                return "TRUE" if value in ("1", "true") else "FALSE"
            case _:
                return self._clean(_unescape(value))

    def _add_row(self) -> None:
        cells = self._cells
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            if self._is_hidden:
                self._facts.hidden_rows.append(self._row)
            self.rows.append(ListRow(self._row, self._row, cells))

    def _merge(self, reference: str) -> None:
        found = _RANGE.fullmatch(reference)
        if found is None:
            return
        if len(self._facts.merged) >= _MAX_MERGED_RANGES:
            raise ValueError("merged cells without end")
        left, top, right, bottom = found.groups()
        rows = range(int(top), int(bottom) + 1)
        self._facts.merged.append((rows, range(find_place(left), find_place(right) + 1)))


def find_place(letters: str) -> int:
    """Return the place of a column, from 0, by the letters that spreadsheets give it."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1
