"""Lists as people make them: every fault is named by row and column, and nothing is half begun."""

import io
from typing import Any

import pytest
from openpyxl import Workbook

from gateway.errors import InvalidRequest
from gateway.settings import ProvisioningSettings
from gateway.shop.plan import SitePlan, WifiNetwork
from gateway.shop.plan_reader import read_document, read_list

SETTINGS = ProvisioningSettings(ssid="Shop", password="of the settings")
NUMBER = "908012345678901234567890"


def read(text: str, encoding: str = "utf-8") -> SitePlan:
    return read_list(text.encode(encoding), "plan.csv", SETTINGS)


def faults(text: str | list[dict[str, Any]]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        read(text) if isinstance(text, str) else read_document({"cameras": text}, SETTINGS)
    return {one.parameter: one.reason for one in refused.value.field_errors}


def test_a_list_is_read_in_either_language_and_encoding() -> None:
    plan = read(f"sep=;\n序列号;激活码;名称;位置;变焦\nFM1;{NUMBER};入口;门口;200\nFM2;;收银台;;\n", encoding="gb18030")
    first, second = plan.cameras
    assert (first.sn, first.activation_number, first.name, first.place) == ("FM1", NUMBER, "入口", "门口")
    assert (first.row, first.settings, second.row, second.settings) == (3, {"zoom": 200}, 4, {})
    assert plan.wifi == WifiNetwork(ssid="Shop", password="of the settings")


def test_a_row_for_the_whole_list_gives_defaults_and_the_network() -> None:
    plan = read('sn,zoom,irmode,ssid,password,hidden\n*,100,2,Shop 2,"a ""b"" c,d",yes\nFM1,,,,,\nFM2,300,,,,\n')
    assert [camera.settings for camera in plan.cameras] == [{"zoom": 100, "irmode": 2}, {"zoom": 300, "irmode": 2}]
    assert plan.wifi == WifiNetwork(ssid="Shop 2", password='a "b" c,d', hidden=True)


def test_secrets_are_in_no_text_of_a_plan() -> None:
    plan = read(f"sn,activation_number,ssid,password\nFM1,{NUMBER},Shop,of the settings\n")
    assert NUMBER not in repr(plan)
    assert "of the settings" not in repr(plan)


def test_every_fault_is_named_by_row_and_column() -> None:
    found = faults(
        "sn,mac,activation_number,name,zoom,led_switch,place\n"
        "FM1,,9.08E+13,ok,200,1,\n"
        "FM/2,,,ok,501,5,\n"
        f"FM3,04:12,,{'n' * 37},,,\n"
        "fm1,,,,,,\n"
        ",,,x,,,\n"
    )
    assert list(found) == [
        "cameras[0].activation_number",
        "cameras[1].sn",
        "cameras[1].zoom",
        "cameras[1].led_switch",
        "cameras[2].mac",
        "cameras[2].name",
        "cameras[3].sn",
        "cameras[4].sn",
    ]
    assert (
        "line 2, column activation_number: a spreadsheet shortened the number" in found["cameras[0].activation_number"]
    )
    assert found["cameras[3].sn"] == "line 5, column sn: is given twice: row 2 has the same"
    assert "501" in found["cameras[1].zoom"]


def test_a_fault_names_the_heading_that_stands_in_the_list() -> None:
    found = faults("序列号,激活码\nFM1,9.08E+13\n")
    assert found["cameras[0].activation_number"].startswith("line 2, column 激活码: ")
    long = faults(f"sn,激活{' ' * 100}码\nFM1,9.08E+13\n")
    assert len(long["cameras[0].activation_number"].split(": ")[0]) < 60


def test_numbers_that_a_program_shortened_are_refused_in_json_too() -> None:
    assert (
        "its digits are lost"
        in faults([{"sn": "FM1", "activation_number": "9.08E+13"}])["cameras[0].activation_number"]
    )


def test_a_mac_address_and_an_activation_number_are_given_once() -> None:
    rows = [
        {"mac": "04:12:24:e3:45:12", "activation_number": NUMBER},
        {"mac": "041224E34512"},
        {"sn": "FM2", "activation_number": NUMBER},
    ]
    assert list(faults(rows)) == ["cameras[1].mac", "cameras[2].activation_number"]


def test_unknown_columns_are_ignored_and_named() -> None:
    assert read("sn,Bemerkung,name\nFM1,schön,Tür\n").ignored == ("column 'Bemerkung'",)


def test_one_plan_has_one_network() -> None:
    assert list(faults("sn,ssid,password\nFM1,A,12345678\nFM2,B,12345678\n")) == ["cameras[1].ssid"]
    assert list(faults("sn,ssid,password\nFM1,A,short\n")) == ["cameras[0].password"]


def test_500_cameras_are_a_plan_and_501_are_not() -> None:
    rows = [f"FM{index},{index:024}" for index in range(501)]
    assert len(read("\n".join(["sn,activation_number", *rows[:500]])).cameras) == 500
    assert "500" in faults("\n".join(["sn,activation_number", *rows]))["cameras"]


@pytest.mark.parametrize("text", ["", "sn\n", "name\nEntrance\n"])
def test_a_list_without_cameras_is_refused(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize("name", ["sn", "name", "activation_number", "ssid", "zom"])
def test_a_setting_stands_for_nothing_else(name: str) -> None:
    assert list(faults([{"sn": "FM1", "settings": {name: 77}}])) == [f"cameras[0].settings.{name}"]
    with pytest.raises(InvalidRequest) as refused:
        read_document({"cameras": [{"sn": "FM1"}], "defaults": {name: 77}}, SETTINGS)
    assert [one.parameter for one in refused.value.field_errors] == [f"defaults.{name}"]


def save_book(*rows: tuple[Any, ...]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for row in sheet.iter_rows():
        for cell in row:
            cell.data_type = "s" if isinstance(cell.value, str) and not cell.value.startswith("=A") else cell.data_type
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_blanks_in_quotation_marks_belong_to_a_network(separator: str) -> None:
    rows = [
        ["name", "sn", "ssid", "password", "place"],
        ['"a ""quoted"" name"', "*", '" Shop"', '" plenty ""of"" coffee; "', " above the door "],
        ["", " FM1 ", "", "", '" inside\nand out"'],
    ]
    plan = read("\n".join(separator.join(row) for row in rows).replace("\nand", ""))
    assert plan.wifi == WifiNetwork(ssid=" Shop", password=' plenty "of" coffee; ')
    assert [one.sn for one in plan.cameras] == ["FM1"]
    plan = read('sn,ssid,password\nFM1,Shop,"="" plenty of coffee"""\n')
    assert plan.wifi == WifiNetwork(ssid="Shop", password=" plenty of coffee")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (" plenty-of-coffee", "has a blank at its ends"),
        ("plenty-of-coffee\u3000", "has a blank at its ends"),
        ('"plenty-of-coffee\u200b"', "signs without width"),
        ('"plenty-of-coffee\n"', "neither line breaks"),
        ('"plenty\n-of-coffee"', "neither line breaks"),
        ("x" * 64, "64 hexadecimal digits"),
        ("########", "the column is too narrow"),
    ],
)
def test_a_password_that_a_list_cannot_mean_is_refused(value: str, reason: str) -> None:
    found = faults(f"sn,ssid,password\nFM1,Shop,{value}\n")
    assert list(found) == ["cameras[0].password"]
    assert reason in found["cameras[0].password"]
    assert "coffee" not in found["cameras[0].password"]


def test_a_network_name_of_too_many_bytes_is_refused() -> None:
    assert "32 bytes" in faults(f"sn,ssid\nFM1,{'网' * 11}\n")["cameras[0].ssid"]


def test_a_password_may_begin_with_an_equals_sign() -> None:
    wanted = WifiNetwork(ssid="Shop", password="=plenty-of-coffee")
    assert read("sn,ssid,password\nFM1,Shop,=plenty-of-coffee\n").wifi == wanted
    book = save_book(("sn", "ssid", "password"), ("FM1", "Shop", "=plenty-of-coffee"))
    assert read_list(book, "plan.xlsx", SETTINGS).wifi == wanted
    formula = save_book(("sn", "ssid", "password"), ("FM1", "Shop", "=A1"))
    with pytest.raises(InvalidRequest, match="is a formula"):
        read_list(formula, "plan.xlsx", SETTINGS)


def test_blanks_around_a_password_in_a_workbook_are_asked_about() -> None:
    book = save_book(("sn", "ssid", "password"), ("FM1 ", "Shop", "plenty-of-coffee "))
    with pytest.raises(InvalidRequest) as refused:
        read_list(book, "plan.xlsx", SETTINGS)
    assert [one.parameter for one in refused.value.field_errors] == ["cameras[0].password"]


@pytest.mark.parametrize(
    "written",
    [
        "9080 1234 5678 9012 3456 7890",
        "".join(chr(ord(digit) + 0xFEE0) for digit in NUMBER),
        "9080\u00a012345678901234567890",
    ],
)
def test_an_activation_number_is_read_as_people_write_it(written: str) -> None:
    assert read(f"sn,activation_number\nFM1,{written}\n").cameras[0].activation_number == NUMBER
    rows = [{"sn": "FM1", "activation_number": NUMBER}, {"sn": "FM2", "activation_number": written}]
    assert list(faults(rows)) == ["cameras[1].activation_number"]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("9.08 E+23", "shortened the number to 9.08E+23"),
        ("9,08E+23", "shortened the number"),
        ("########", "the column is too narrow"),
        ("#N/A", "shows the error #N/A"),
        ("908012345678901000000000", "keeps 15 digits"),
        (f"{NUMBER} {NUMBER}", "too long for one number"),
    ],
)
def test_an_activation_number_that_a_spreadsheet_damaged_is_refused(written: str, reason: str) -> None:
    cell = f'"{written}"'
    assert reason in faults(f"sn,activation_number\nFM1,{cell}\n")["cameras[0].activation_number"]
    document = [{"sn": "FM1", "activation_number": written}]
    assert reason in faults(document)["cameras[0].activation_number"]


def test_what_is_no_list_of_cameras_has_one_fault() -> None:
    found = faults('"""A program."""\n\nimport os\n\nprint(os.name)\n')
    assert list(found) == ["list"]
    assert "no list of cameras" in found["list"]
    assert list(faults("name,place\nEntrance,door\nTill,hall\n")) == ["list"]


def test_columns_of_the_firmware_cards_are_not_named() -> None:
    assert read("sn,model,firmware,note\nFM1,FM020,fm020.bin,x\n").ignored == ("column 'note'",)


def test_a_name_is_one_line() -> None:
    assert "line breaks" in faults('sn,name\nFM1,"a\nb"\n')["cameras[0].name"]
