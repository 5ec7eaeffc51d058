"""Lists as people make them: every fault is named by row and column, and nothing is half begun."""

from typing import Any

import pytest

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
