"""Excel workbooks: their sheets, and the cells as people see them. Bounded in size whatever the file says of itself."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from posixpath import join, normpath
from typing import Final, TypeVar
from xml.parsers.expat import ExpatError

from firmware_tools.errors import InvalidInput
from firmware_tools.language import describe_error, message
from firmware_tools.list_rows import ListRow, clean_cell, mark_cell
from firmware_tools.size import MIB, format_size
from firmware_tools.workbook_cells import make_formats
from firmware_tools.workbook_sheet import ElementHandler, SheetFacts, read_elements, read_rows, read_shared_texts

Handler = TypeVar("Handler", bound=ElementHandler)

WORKBOOK: Final = "Excel"
"""The name of this kind of file, in place of an encoding."""
DEFAULT_MAX_UNPACKED_BYTES: Final = 64 * MIB
"""How much a workbook may unpack to. `zipfile` never reads more of a member than its head declares."""

_MAX_MEMBERS: Final = 1000
_MAX_SHEETS: Final = 255
_ZIP: Final = b"PK\x03\x04"
_OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True)
class WorkbookSheet:
    """A sheet of a workbook."""

    name: str
    """As its tab shows it."""
    member: str
    """Where it is in the archive."""
    is_hidden: bool
    """Whether people do not see it."""


def is_workbook(data: bytes) -> bool:
    """Tell whether a file is a workbook, of the old kind too, or another archive."""
    return data.startswith((_ZIP, _OLD_WORKBOOK))


class Workbook:
    """A workbook whose sheets can be read."""

    def __init__(
        self,
        data: bytes,
        name: str,
        *,
        max_unpacked_bytes: int = DEFAULT_MAX_UNPACKED_BYTES,
        marks_trimmed: bool = False,
    ) -> None:
        """Open a workbook. With `marks_trimmed`, cells around which white space was cut are `TrimmedText`.

        Raises `InvalidInput` if it is none, is of the old kind, or larger than it may be.
        """
        self._name = name
        self._clean = mark_cell if marks_trimmed else clean_cell
        if data.startswith(_OLD_WORKBOOK):
            raise InvalidInput(
                message("{name}: this is an old Excel workbook; save it as .xlsx, or as CSV (UTF-8)", name=name)
            )
        with self._translate_errors():
            self._archive = zipfile.ZipFile(io.BytesIO(data))
            self._check_size(max_unpacked_bytes)
            self._members = set(self._archive.namelist())
            self._read_parts()
        if not self.sheets:
            raise InvalidInput(
                message("{name}: the workbook has no sheet with cells; save it as CSV (UTF-8)", name=name)
            )

    def read(self, sheet: WorkbookSheet, facts: SheetFacts | None = None) -> Iterator[ListRow]:
        """Yield the rows of a sheet that are not empty. Raises `InvalidInput` if it cannot be read."""
        with self._translate_errors():
            yield from read_rows(
                self._archive, sheet.member, self._shared, self._formats, facts or SheetFacts(), self._clean
            )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            ExpatError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            KeyError,
            ValueError,
            IndexError,
            OverflowError,
            OSError,
        ) as error:
            raise InvalidInput(
                message(
                    "{name}: this is no Excel workbook that can be read ({reason}); save it as .xlsx, or as CSV "
                    "(UTF-8)",
                    name=self._name,
                    reason=describe_error(error),
                )
            ) from error

    def _check_size(self, max_bytes: int) -> None:
        members = self._archive.infolist()
        if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > max_bytes:
            raise InvalidInput(
                message(
                    "{name}: the workbook unpacks to more than {size}; save the list alone as CSV (UTF-8)",
                    name=self._name,
                    size=format_size(max_bytes),
                )
            )

    def _read_parts(self) -> None:
        roots = self._read(_Relations(""), "_rels/.rels")
        main = roots.first("officeDocument") or "xl/workbook.xml"
        folder, _, file = main.rpartition("/")
        relations = self._read(_Relations(folder), join(folder, "_rels", f"{file}.rels"))
        parts = self._read(_Parts(relations), main)
        self.sheets = [sheet for sheet in parts.sheets if sheet.member in self._members]
        shared = relations.first("sharedStrings")
        self._shared = read_shared_texts(self._archive, shared, self._clean) if shared in self._members else []
        styles = relations.first("styles")
        found = self._read(_Styles(), styles) if styles in self._members else _Styles()
        self._formats = make_formats(found.codes, found.styles, is_1904=parts.is_1904)

    def _read(self, handler: Handler, member: str) -> Handler:
        for _ in read_elements(self._archive, member, handler):
            pass
        return handler


class _Relations(ElementHandler):
    """Where the parts are that a part refers to."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder
        self._found: list[tuple[str, str, str]] = []

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if self.names[name] == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes["Target"]
            path = target.lstrip("/") if target.startswith("/") else normpath(join(self._folder, target))
            self._found.append((attributes["Id"], attributes["Type"].rpartition("/")[2], path))

    def first(self, kind: str) -> str:
        """Return where the first part of a kind is; empty if there is none."""
        return next((path for _, found, path in self._found if found == kind), "")

    def find_sheet(self, number: str) -> str:
        """Return where a sheet with cells is, by the id of its relation; empty if there is none."""
        return next((path for found, kind, path in self._found if found == number and kind == "worksheet"), "")


class _Parts(ElementHandler):
    """What a workbook says of its sheets."""

    def __init__(self, relations: _Relations) -> None:
        super().__init__()
        self._relations = relations
        self.sheets: list[WorkbookSheet] = []
        self.is_1904 = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        local = self.names[name]
        if local == "sheet" and len(self.sheets) < _MAX_SHEETS:
            number = next((value for key, value in attributes.items() if self.names[key] == "id"), "")
            is_hidden = attributes.get("state", "visible") != "visible"
            member = self._relations.find_sheet(number)
            self.sheets.append(WorkbookSheet(attributes.get("name", ""), member, is_hidden))
        elif local == "workbookPr":
            self.is_1904 = attributes.get("date1904") in ("1", "true")


class _Styles(ElementHandler):
    """The number formats of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: dict[int, str] = {}
        self.styles: list[int] = []
        self._is_of_cells = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        match self.names[name]:
            case "numFmt":
                self.codes[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            case "cellXfs":
                self._is_of_cells = True
            case "xf" if self._is_of_cells:
                self.styles.append(int(attributes.get("numFmtId", 0)))

    def end(self, name: str) -> None:
        if self.names[name] == "cellXfs":
            self._is_of_cells = False
