"""Excel workbooks: the cells of the first sheet as texts, bounded in size whatever the file says of itself."""

import io
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from firmware_tools.errors import InvalidInput
from firmware_tools.language import describe_error, message
from firmware_tools.list_rows import MAX_COLUMNS
from firmware_tools.size import MIB, format_size

WORKBOOK = "Excel"
"""The name of this kind of file, in place of an encoding."""

_MAX_UNPACKED_BYTES = 64 * MIB
"""How much a workbook may unpack to. `zipfile` never reads more of a member than its head declares."""
_MAX_MEMBERS = 1000
_MAX_EMPTY_ROWS = 2000
"""How many empty rows may stand one after the other; a cell at the very end of a sheet has a million before it."""
_SHORTENED_FROM = 10**15
"""From here on a workbook does not hold all digits of a number."""
_ZIP = b"PK\x03\x04"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"


def is_workbook(data: bytes) -> bool:
    """Tell whether a file is a workbook, of the old kind too, or another archive."""
    return data.startswith((_ZIP, _OLD_WORKBOOK))


def read_workbook(data: bytes, name: str, max_rows: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row of the first sheet, up to the last one that is not empty.

    Raises `InvalidInput` if it is no workbook that can be read, or larger than it may be.
    """
    if data.startswith(_OLD_WORKBOOK):
        raise InvalidInput(
            message("{name}: this is an old Excel workbook; save it as .xlsx, or as CSV (UTF-8)", name=name)
        )
    try:
        yield from _read_rows(data, name, max_rows)
    except InvalidInput:
        raise
    except (
        zipfile.BadZipFile,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
    ) as error:
        raise InvalidInput(
            message(
                "{name}: this is no Excel workbook that can be read ({reason}); save it as .xlsx, or as CSV (UTF-8)",
                name=name,
                reason=describe_error(error),
            )
        ) from error


def _read_rows(data: bytes, name: str, max_rows: int) -> Iterator[tuple[int, list[str]]]:
    _check_size(data, name)
    # Imported here, since it takes a while and few lists are workbooks.
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is left out: pictures, styles, rules
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        if not book.worksheets:
            raise InvalidInput(
                message("{name}: the workbook has no sheet with cells; save it as CSV (UTF-8)", name=name)
            )
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        found = empty = 0
        for line, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True), 1):
            cells = [_show_value(value) for value in row]
            while cells and not cells[-1]:
                cells.pop()
            empty = 0 if cells else empty + 1
            found += bool(cells)
            if found > max_rows:
                raise InvalidInput(
                    message("{name}: the list has more than {max_rows} rows; split it", name=name, max_rows=max_rows)
                )
            if empty > _MAX_EMPTY_ROWS:
                return
            yield line, cells
    finally:
        book.close()


def _check_size(data: bytes, name: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if len(members) > _MAX_MEMBERS or sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
        raise InvalidInput(
            message(
                "{name}: the workbook unpacks to more than {size}; save the list alone as CSV (UTF-8)",
                name=name,
                size=format_size(_MAX_UNPACKED_BYTES),
            )
        )


def _show_value(value: Any) -> str:
    """Return what a cell shows, as far as its value says it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float() if abs(value) >= _SHORTENED_FROM:
            return f"{value:.2E}"
        case float():
            return str(int(value)) if value.is_integer() else str(value)
        case datetime():
            return value.isoformat(" ")
        case date():
            return value.isoformat()
        case _:
            return str(value)
