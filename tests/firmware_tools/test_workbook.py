"""Lists as Excel workbooks: what people see in them is read, and nothing that a file claims costs time or memory."""

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

import pytest
from openpyxl import Workbook

from firmware_tools.errors import InvalidInput
from firmware_tools.list_rows import ListRow
from firmware_tools.spreadsheet import Spreadsheet, SpreadsheetColumn, SpreadsheetError, parse_spreadsheet
from firmware_tools.workbook import Workbook as ReadWorkbook

COLUMNS = (SpreadsheetColumn("mac", aliases=("MAC 地址",)), SpreadsheetColumn("name", is_required=False))


def save(rows: Sequence[Sequence[Any]]) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    return save_book(book)


def save_book(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parse(data: bytes) -> Spreadsheet:
    return parse_spreadsheet(data, "list.xlsx", COLUMNS, max_rows=100)


def read_rows(data: bytes) -> list[ListRow]:
    book = ReadWorkbook(data, "list.xlsx")
    return list(book.read(book.sheets[0]))


def repack(data: bytes, member: str, content: bytes) -> bytes:
    """Return a workbook with another content of one of its files."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == member else old.read(name))
    return file.getvalue()


def test_the_first_sheet_is_read_like_any_list() -> None:
    sheet = parse(save([["Shop 7"], [], ["MAC 地址", "name", "note"], ["04:12:24:E3:45:12", "门口", 3], [None, None]]))
    assert [row.cells["name"] for row in sheet.rows] == ["门口"]
    assert [row.line for row in sheet.rows] == [4]
    assert (sheet.encoding, sheet.separator) == ("Excel", "")


def test_a_sheet_without_the_headings_is_passed_over_and_named() -> None:
    book = Workbook()
    book.create_sheet("Cards").append(["mac", "name"])
    book["Cards"].append(["04:12:24:E3:45:12", "x"])
    assert book.active is not None
    book.active.append(["How to fill in this list"])
    sheet = parse_spreadsheet(save_book(book), "list.xlsx", (SpreadsheetColumn("mac", is_required=True), COLUMNS[1]))
    assert [row.cells["name"] for row in sheet.rows] == ["x"]
    assert sheet.ignored == ("sheet 'Sheet'",)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12, "12"),
        (12.0, "12"),
        (1.5, "1.5"),
        (True, "TRUE"),
        (date(2026, 3, 1), "2026-03-01"),
        (time(8, 30), "08:30:00"),
        (datetime(2026, 3, 1, 8, 30), "2026-03-01 08:30:00"),  # noqa: DTZ001  a workbook has no zones
        ("  x ", "x"),
        ("a_x000D_b", "a\rb"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (908000000000000000000000, "9.08E+23"),
        (9080000000000001, "9.08E+15"),
    ],
)
def test_cells_are_what_people_see(value: object, shown: str) -> None:
    [row] = read_rows(save([[value]]))
    assert (row.number, row.cells) == (1, [shown])


def test_a_number_that_has_lost_digits_is_told() -> None:
    with pytest.raises(SpreadsheetError, match=r"line 2, column mac: .*spreadsheet"):
        parse(save([["mac", "name"], [112233000000000000.0, "x"]])).parse_rows(lambda row: row.cells)


def test_a_formula_that_nothing_has_computed_is_an_error() -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["mac", "name"])
    book.active.append(["04:12:24:E3:45:12", '="a"&"b"'])
    with pytest.raises(SpreadsheetError, match="line 2, column name: is a formula"):
        parse(save_book(book)).parse_rows(lambda row: row.cells)


def test_a_cell_at_the_very_end_costs_neither_time_nor_memory() -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["mac", "name"])
    book.active.append(["04:12:24:E3:45:12", "x"])
    book.active["XFD1048576"] = "far away"
    assert [row.number for row in read_rows(save_book(book))] == [1, 2], "column XFD is beyond the last that counts"
    book.active["A1048576"] = "far away"
    assert [row.number for row in read_rows(save_book(book))] == [1, 2, 1048576]


def test_what_unpacks_to_too_much_is_refused() -> None:
    bomb = repack(save([["mac"]]), "xl/worksheets/sheet1.xml", bytes(70 * 1024 * 1024))
    assert len(bomb) < 200_000
    with pytest.raises(InvalidInput, match="unpacks to more than"):
        parse(bomb)


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r='x'><c r='A1'><v>1</v></c></row>"),
        ("xl/worksheets/sheet1.xml", b"no XML"),
        ("xl/workbook.xml", b"<workbook/>"),
        ("_rels/.rels", b""),
        ("xl/_rels/workbook.xml.rels", b"<Relationships/>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row><c t='s'><v>9</v></c></row></sheetData></worksheet>"),
        (
            "xl/worksheets/sheet1.xml",
            b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + b"".join(
                b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10)
            ) + b"]><worksheet><sheetData><row><c t='inlineStr'><is><t>&k;</t></is></c></row></sheetData></worksheet>",
        ),
    ],
)  # fmt: skip
def test_a_damaged_workbook_is_refused_in_one_sentence(member: str, content: bytes) -> None:
    with pytest.raises(InvalidInput, match="save it as"):
        parse(repack(save([["mac", "name"], ["04:12:24:E3:45:12", "x"]]), member, content))


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(InvalidInput, match="more than 100 rows"):
        parse(save([["mac", "name"], *(["04:12:24:E3:45:12", "x"] for _ in range(101))]))
