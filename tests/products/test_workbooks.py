"""Lists of products as Excel workbooks: what people see is read, and nothing in them costs time or memory."""

import contextlib
import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from gateway.errors import InvalidRequest, TooLarge
from gateway.products import product_list
from gateway.products.columns import ColumnMapping
from gateway.products.product_list import ProductList, read_product_list

HEAD = ("商品编码", "条码", "品名", "售价", "促销价")


def save(*rows: tuple[Any, ...], change: Callable[[Worksheet], object] = lambda sheet: None) -> bytes:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    change(sheet)
    return save_book(book)


def save_book(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repack(data: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a workbook one of whose files is changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(old.read(name)) if name == member else old.read(name))
    return file.getvalue()


def read(data: bytes, mapping: ColumnMapping | None = None) -> ProductList:
    return read_product_list(data, file_name="list.xlsx", mapping=mapping)


def test_numbers_are_exact_and_codes_whole() -> None:
    found = read(save(HEAD, ("001", 6901234567892, "可乐", 0.1 + 0.2, None), (2, 12345678905.0, "b", 4.35, 3)))
    assert [(one.id, one.bar_code, one.price) for one in found.products] == [
        ("001", "6901234567892", Decimal("0.30")),
        ("2", "012345678905", Decimal("4.35")),
    ]
    assert found.products[0].emptied == {"promote_price"}
    assert (found.format.encoding, found.format.sheet, found.decimal) == ("Excel", "Sheet", {})
    assert "made a number of 1 bar code, in row 3" in found.notices[0]


def test_a_number_format_says_what_people_see() -> None:
    def style(sheet: Worksheet) -> None:
        sheet["A2"].number_format = "00000"
        sheet["D2"].number_format = "#,##0.00 [$€-407]"
        sheet["E2"].number_format = "0%"

    found = read(save(HEAD, (7, None, "a", 4.576, 0.5), change=style))
    assert [(one.id, one.price, one.promote_price) for one in found.products] == [
        ("00007", Decimal("4.58"), Decimal("0.50"))
    ]


@pytest.mark.parametrize(
    ("row", "field", "value", "reason"),
    [
        ((1, 6.9e17, "a", 1), "bar_code", "6.90E+17", "digits are lost"),
        ((1, None, "a", "1,234"), "", "", ""),
        ((1, None, "a", -3), "price", "-3", "at least 0"),
        ((1, None, "a", 1.005), "price", "1.005", "at most 2 digits"),
        ((1, None, "a", "=1+1"), "price", "=1+1", "is a formula"),
        ((1, None, "#N/A", 1), "name", "#N/A", "an error of the spreadsheet"),
        ((1, None, "a", True), "price", "TRUE", "must be a number"),
        ((1, None, "a", datetime(2026, 3, 1)), "price", "2026-03-01", "must be a number"),  # noqa: DTZ001
        ((None, None, "a", 1), "id", "", "is missing"),
    ],
)
def test_a_bad_cell_is_named(row: tuple[Any, ...], field: str, value: str, reason: str) -> None:
    data = save(HEAD, ("x", None, "a", 1), row)
    if not field:
        with pytest.raises(InvalidRequest, match="1,234 in row 3 can be read in two ways"):
            read(data)
        return
    [fault] = read(data).faults
    assert (fault.row, fault.field, fault.value) == (3, field, value)
    assert re.search(reason, fault.reason)


def test_a_formula_counts_by_the_value_that_was_computed_and_that_is_said() -> None:
    data = repack(
        save(HEAD, (1, None, "a", "=1+1")), "xl/worksheets/sheet1.xml", lambda xml: xml.replace(b"<v />", b"<v>2</v>")
    )
    found = read(data)
    assert found.products[0].price == Decimal(2)
    assert "column 售价: 1 formula, in row 2" in found.notices[0]


def test_hidden_rows_are_read_and_said_and_merged_cells_are_faults() -> None:
    def change(sheet: Worksheet) -> None:
        sheet.row_dimensions[2].hidden = True
        sheet.merge_cells("A1:A1")
        sheet.merge_cells("D3:D4")
        sheet.merge_cells("G2:H9")

    found = read(
        save(HEAD, (1, None, "a", 1), (2, None, "b", 1), (3, None, "c", 9), (), (4, None, "d", 1), change=change)
    )
    assert [one.id for one in found.products] == ["1", "2", "4"]
    assert [(fault.row, fault.column) for fault in found.faults] == [(4, "售价")]
    assert "is merged with the cell of row 3" in found.faults[0].reason
    assert "1 row is hidden, row 2" in found.notices[0]
    assert found.rows == (2, 3, 6)


def test_the_first_sheet_that_has_the_headings_is_read_and_said() -> None:
    book = Workbook()
    assert isinstance(book.active, Worksheet)
    book.active.append(["read me"])
    hidden, list_, more = (book.create_sheet(name) for name in ("旧", "价目表", "二店"))
    for number, sheet in enumerate((hidden, list_, more)):
        sheet.append(list(HEAD))
        sheet.append([number, None, "a", 1])
    hidden.sheet_state = "hidden"
    data = save_book(book)
    found = read(data)
    assert [one.id for one in found.products] == ["1"]
    assert found.notices[0] == "sheet 价目表 is read; not read: Sheet, 旧, 二店"
    assert read(data, ColumnMapping(sheet="二店")).products[0].id == "2"
    with pytest.raises(InvalidRequest, match="no sheet none"):
        read(data, ColumnMapping(sheet="none"))


def test_a_bomb_and_sheets_without_end_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_list, "MAX_UNPACKED_BYTES", 4_000_000)
    data = save(HEAD, (1, None, "a", 1))
    sheet = "xl/worksheets/sheet1.xml"
    bomb = repack(data, sheet, lambda _: bytes(4_000_000))
    with pytest.raises(InvalidRequest, match="unpacks to more than"):
        read(bomb)
    far = read(save(HEAD, (1, None, "a", 1), change=lambda sheet: sheet.cell(1_048_576, 16_384, "x")))
    assert (len(far.products), far.faults) == (1, ())
    empty = repack(data, sheet, lambda xml: xml.replace(b"</sheetData>", b"<row/>" * 50_000 + b"</sheetData>"))
    assert len(read(empty).products) == 1
    merged = repack(
        data, sheet, lambda xml: xml.replace(b"</sheetData>", b"</sheetData>" + b'<mergeCell ref="A2:E1048576"/>')
    )
    with pytest.raises(InvalidRequest, match="200000 cells are merged"):
        read(merged)


@pytest.mark.parametrize(
    "declaration",
    [
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
        b'<!DOCTYPE a [<!ENTITY x "aaaa"><!ENTITY y "&x;&x;&x;">]>',
    ],
)
@pytest.mark.parametrize("member", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "_rels/.rels"])
def test_entities_are_never_looked_at(member: str, declaration: bytes) -> None:
    def declare(xml: bytes) -> bytes:
        body = re.sub(rb"<\?xml.*?\?>", b"", xml)
        return declaration + body.replace(b"</t>", b"&x;</t>", 1)

    with pytest.raises(InvalidRequest, match="document type declaration"):
        read(repack(save(HEAD, (1, None, "a", 1)), member, declare))


def test_prefixes_of_other_programs_make_no_difference() -> None:
    def prefix(xml: bytes) -> bytes:
        return re.sub(rb"<(/?)(?=[a-z])", rb"<\1x:", xml).replace(b"xmlns=", b"xmlns:x=")

    data = save(HEAD, (1, None, "a", 1))
    for member in ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"):
        data = repack(data, member, prefix)
    assert read(data).products[0].name == "a"


@settings(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9).map(
                lambda text: f"品{text}名"
            ),
            st.decimals(min_value=0, max_value=Decimal("99999999.99"), places=2),
            st.sampled_from(["6901234567892", "012345678905", "", "A-1"]),
        ),
        min_size=1,
        max_size=5,
    ),
    as_numbers=st.booleans(),
)
def test_products_come_back_from_a_workbook(rows: list[tuple[str, Decimal, str]], as_numbers: bool) -> None:
    cells = [
        (f"00{number}", int(code) if as_numbers and code.isdecimal() else code, name, float(price), None)
        for number, (name, price, code) in enumerate(rows)
    ]
    found = read(save(HEAD, *cells))
    assert found.faults == ()
    assert [(one.id, one.name, one.price, one.bar_code or "") for one in found.products] == [
        (f"00{number}", name, price, code) for number, (name, price, code) in enumerate(rows)
    ]


DAMAGES = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 5),
        st.sampled_from([b"", b"0", b"-1", b'"', b"<", b"/>", b"9" * 30, b"1e999", b"nan", b"&lt;", b"_x0000_"]),
    ),
    min_size=1,
    max_size=4,
)
INTACT = save(HEAD, ("001", 6901234567892, "a", 1.5, None), (2, "x", "b", datetime(2026, 1, 1), "=1+1"))  # noqa: DTZ001


@settings(max_examples=60)
@given(
    member=st.sampled_from(["xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/sharedStrings.xml", "xl/workbook.xml"]),
    damages=DAMAGES,
)
def test_a_damaged_workbook_is_read_or_refused(member: str, damages: list[tuple[float, int, bytes]]) -> None:
    def damage(xml: bytes) -> bytes:
        for where, length, added in damages:
            place = int(where * len(xml))
            xml = xml[:place] + added + xml[place + length :]
        return xml

    with contextlib.suppress(InvalidRequest, TooLarge):
        read(repack(INTACT, member, damage))
