"""What to do with a finished card: the vendor's steps, in the language of the terminal."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from firmware_tools.card import CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.language import Language
from firmware_tools.mac import Mac
from firmware_tools.procedure import describe_procedure
from tests.firmware_tools.conftest import COMMAND, ENVIRONMENT, MAC


@pytest.mark.parametrize(
    ("path", "language", "stations"),
    [
        (
            FirmwarePath.UPDATE,
            Language.ENGLISH,
            [
                "Insert",
                "Power",
                "until the LED blinks red",
                "1 minute more",
                "Reset",
                "bind",
                "format",
                "Delete firmware/ipc-up.bin",
            ],
        ),
        (
            FirmwarePath.UPDATE,
            Language.CHINESE,
            ["插入", "电源", "红灯闪烁", "绿灯闪烁或蓝灯", "Reset", "绑定", "格式化", "删除卡上的 firmware/ipc-up.bin"],
        ),
        (
            FirmwarePath.RECOVERY,
            Language.ENGLISH,
            ["Insert", "Power", "10 seconds the red LED is on", "1 minute", "Reset", "Delete up.bin"],
        ),
        (FirmwarePath.RECOVERY, Language.CHINESE, ["插入", "电源", "红灯常亮", "重启", "Reset", "删除卡上的 up.bin"]),
    ],
)
def test_the_whole_procedure_is_told_in_order(
    mac: Mac, path: FirmwarePath, language: Language, stations: list[str]
) -> None:
    steps = describe_procedure(CardSpec(mac, path), language)
    assert [station in step for station, step in zip(stations, steps, strict=True)] == [True] * len(stations)
    assert MAC in steps[0]
    with_image = describe_procedure(CardSpec(mac, path), language, image="card.img")
    assert "card.img" in with_image[0]
    assert with_image[1:] == steps


def test_the_store_is_that_of_the_channel(mac: Mac) -> None:
    stores = {
        FirmwareChannel.UAT: "at https://store.uat.sunmi.com.",
        FirmwareChannel.RELEASE: "at https://store.sunmi.com.",
        None: "at https://store.sunmi.com (uat: https://store.uat.sunmi.com).",
    }
    for channel, store in stores.items():
        steps = describe_procedure(CardSpec(mac, channel=channel), Language.ENGLISH)
        assert any(step.endswith(store) for step in steps)


@pytest.mark.parametrize(
    ("locale", "title"), [("zh_CN.UTF-8", "存储卡的使用步骤"), ("C.UTF-8", "What to do with the card:")]
)
def test_the_command_tells_it_on_stderr(firmware_file: Path, tmp_path: Path, locale: str, title: str) -> None:
    shown = _write_image(firmware_file, tmp_path / "card.img", locale).stderr.decode()
    assert title in shown
    assert "  9. " in shown


def test_json_has_it_in_english(firmware_file: Path, tmp_path: Path) -> None:
    images = dict.fromkeys(("zh_CN.UTF-8", "C.UTF-8"), tmp_path / "card.img")
    chinese, english = (_write_image(firmware_file, file, locale, "--json") for locale, file in images.items())
    document = json.loads(chinese.stdout)
    assert len(document["procedure"]) == 9
    for number, step in enumerate(document["procedure"], 1):
        assert f"  {number}. {step}\n" in english.stderr.decode().replace(os.linesep, "\n")
    assert chinese.stdout == english.stdout


def _write_image(firmware: Path, file: Path, locale: str, *options: str) -> "subprocess.CompletedProcess[bytes]":
    arguments = ["image", "--mac", MAC, "--size", "32MiB", "--firmware", str(firmware), str(file), *options]
    environment = {**ENVIRONMENT, "LC_ALL": locale, "PYTHONUTF8": "1"}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, check=True, timeout=50)
