"""Lists as spreadsheets save them: separators, encodings, headings, and what spreadsheets do to numbers."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_tools.errors import CardError, InvalidInput
from firmware_tools.spreadsheet import (
    CellError,
    Spreadsheet,
    SpreadsheetColumn,
    SpreadsheetError,
    SpreadsheetRow,
    parse_spreadsheet,
    read_spreadsheet,
)

COLUMNS = (
    SpreadsheetColumn("mac", ("MAC address", "MAC地址"), is_required=True),
    SpreadsheetColumn("name", ("camera name", "名称"), is_required=True),
    SpreadsheetColumn("note", ("备注",)),
)
MAC = "0C25760A1B2C"


def parse(data: bytes | str, **limits: int) -> Spreadsheet:
    content = data.encode() if isinstance(data, str) else data
    return parse_spreadsheet(content, "list.csv", COLUMNS, **limits)


def list_cells(sheet: Spreadsheet) -> list[tuple[int, str, str, str]]:
    return [(row.line, row.cells["mac"], row.cells["name"], row.cells["note"]) for row in sheet.rows]


@pytest.mark.parametrize(
    ("text", "separator", "line"),
    [
        (f"mac,name,note\n{MAC},Door,x\n", "comma", 2),
        (f"mac;name;note\r\n{MAC};Door;x\r\n", "semicolon", 2),
        (f"mac\tname\tnote\n{MAC}\tDoor\tx", "tab", 2),
        (f"sep=;\nmac;name;note\n{MAC};Door;x\n", "semicolon", 3),
        (f'"sep=,"\r\nmac,name,note\r\n{MAC},Door,x\r\n', "comma", 3),
        (f"SEP=|\nmac|name|note\n{MAC}|Door|x\n", "pipe", 3),
        (f"sep=\t\nmac\tname\tnote\n{MAC}\tDoor\tx\n", "tab", 3),
        (f"\n;;\n  \nmac;name;note\n{MAC};Door;x\n", "semicolon", 5),
        (f"mac,name,note\r{MAC},Door,x\r", "comma", 2),
        (f'"mac","name","note"\n"{MAC}","Door","x"\n', "comma", 2),
        (f'mac;name;note\n"=""{MAC}""";="Door";x\n', "semicolon", 2),
        (f"Note;Camera name ; MAC-Address\nx;Door;\u202a {MAC}\u00a0\n", "semicolon", 2),
        (f"备注,名称,\uff2d\uff21\uff23 地址*\nx,Door,{MAC}\n", "comma", 2),
        (f"one, two; three\nmac;name;note\n{MAC};Door;x\n", "semicolon", 3),
    ],
)
def test_lists_of_all_kinds_are_read(text: str, separator: str, line: int) -> None:
    for bom, codec in (
        (b"", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ):
        sheet = parse(bom + text.encode(codec))
        assert list_cells(sheet) == [(line, MAC, "Door", "x")]
        assert (sheet.separator, sheet.encoding) == (separator, codec.upper()[: 6 if "16" in codec else 5])


def test_gbk_is_read_when_it_is_not_utf_8() -> None:
    sheet = parse(f"MAC地址,名称,备注\n{MAC},收银台,靠近门口\n".encode("gbk"))
    assert list_cells(sheet) == [(2, MAC, "收银台", "靠近门口")]
    assert (sheet.encoding, sheet.separator, sheet.ignored) == ("GBK", "comma", ())


def test_other_columns_are_ignored_and_named() -> None:
    sheet = parse(f"mac,,name,colour,,\n{MAC},,Door,red,here,\n")
    assert sheet.ignored == ("column 'colour'", "column E without heading")
    assert sheet.describe() == (
        "list.csv: 1 row, UTF-8, separated by comma; ignored: column 'colour', column E without heading"
    )
    assert parse(f"Shop 12\nmac,name\n{MAC},Door\n").ignored == ("line 1",)


def test_cells_may_have_several_lines() -> None:
    sheet = parse(f'mac,name,note\n{MAC},"Front\ndoor","a, ""b"""\n{MAC},Back,\n')
    assert list_cells(sheet) == [(2, MAC, "Front\ndoor", 'a, "b"'), (4, MAC, "Back", "")]


def test_a_number_that_a_spreadsheet_shortened_is_an_error_of_its_cell() -> None:
    sheet = parse("mac;name\n1.12233E+11;Door\n0C25760A1B2C;Back\n1,12233e+11;Roof\n1E+11;Yard\n")
    with pytest.raises(SpreadsheetError) as refused:
        sheet.parse_rows(lambda row: row.cells["mac"])
    assert [(error.line, error.column) for error in refused.value.errors] == [(2, "mac"), (4, "mac"), (5, "mac")]
    assert "line 2, column mac: a spreadsheet shortened the number to 1.12233E+11" in str(refused.value)
    assert "format the column as text" in str(refused.value)


def test_a_control_character_is_an_error_of_its_cell() -> None:
    with pytest.raises(SpreadsheetError, match="line 2, column name: holds a control character"):
        parse(f"mac,name\n{MAC},Do\0or\n").parse_rows(lambda row: row.cells["mac"])


def test_all_errors_carry_row_and_column() -> None:
    def parse_row(row: SpreadsheetRow) -> str:
        with row.cell("name") as name:
            if not name:
                raise InvalidInput("a name is missing")
        if name == "Roof":
            raise CardError("there is no roof")
        return name

    sheet = parse(f"mac,name\n{MAC},\n{MAC},Door,more\n{MAC},Roof\n{MAC},Back\n")
    with pytest.raises(SpreadsheetError) as refused:
        sheet.parse_rows(parse_row)
    assert [(error.line, error.column) for error in refused.value.errors] == [(2, "name"), (3, None), (4, None)]
    assert str(refused.value) == (
        "list.csv: line 2, column name: a name is missing; line 3: it has more fields than the headings; put texts with"
        " separators in quotes; line 4: there is no roof"
    )
    many = SpreadsheetError("list.csv", [CellError(line, "mac", "bad") for line in range(2, 1002)])
    assert str(many).endswith("and 950 more errors")
    assert len(many.errors) == 1000


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "the list is empty"),
        (b"\n,,\n", "the list is empty"),
        (b"mac,colour\n", "column name is missing; the headings found are 'mac', 'colour'"),
        (b"mac,name,MAC address\n", r"line 1, column mac: it comes twice, as 'mac' and 'MAC address'"),
        (b"PK\x03\x04rest", "no Excel workbook that can be read.*as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel workbook"),
        (b"\xff\xff\x00", "no text"),
        (b"caf\xe9,name\nx,Cr\xe8me\n", "no text"),
        (b'mac,name\nx,y\n"open,z\n', "line 3: a quotation mark is out of place"),
        (b"mac,name\n" + b"," * 2000 + b"x\n", "more than 1024 columns"),
        (b"mac,name,note\n" + b"x" * 300_000, "larger than 200 kB"),
        (b"mac,name\n" + b"x,y\n" * 101, "more than 100 rows"),
        (b"mac,name\n" + b"x,y\n" * 1000, "more than 100 rows"),
    ],
)
def test_what_is_no_list_is_refused(data: bytes, fault: str) -> None:
    with pytest.raises(InvalidInput, match=fault):
        parse(data, max_size=200_000, max_rows=100)


def test_files_are_read_no_further_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"mac,name\n{MAC},Door\n")
    assert len(read_spreadsheet(path, COLUMNS).rows) == 1
    with pytest.raises(InvalidInput, match="larger than"):
        read_spreadsheet(path, COLUMNS, max_size=10)
    with pytest.raises(InvalidInput, match="there is no such list"):
        read_spreadsheet(tmp_path / "none.csv", COLUMNS)


CELLS = st.text(st.characters(codec="gb2312", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@given(
    names=st.lists(CELLS.map(lambda text: f"x{text}x"), min_size=1, max_size=5),
    separator=st.sampled_from([",", ";", "\t"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gbk"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_spreadsheet_writes_is_read_back(names: list[str], separator: str, codec: str, line_end: str) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator=line_end)
    writer.writerows([["mac", "名称", "other"], *([MAC, name, name] for name in names)])
    data = buffer.getvalue().encode(codec)
    sheet = parse(data)
    if sheet.encoding == "GBK" or codec != "gbk":  # a few short texts in GBK are UTF-8, too
        assert [row.cells["name"] for row in sheet.rows] == names


@given(data=st.binary(max_size=300) | st.text('",;\t\r\n=E+1.aMmacnme sep', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for content in (data, b"mac,name\n" + data):
        try:
            sheet = parse(content)
            sheet.parse_rows(lambda row: row.line)
        except InvalidInput:
            continue
        assert all(row.cells.keys() == {"mac", "name", "note"} for row in sheet.rows)
