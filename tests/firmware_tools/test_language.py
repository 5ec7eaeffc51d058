"""Texts in two languages: which one is chosen, and how a text is translated."""

import copy
import json
import pickle
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from firmware_tools import language
from firmware_tools.language import Language, Message, add_catalogues, join, message, translate

TRANSLATIONS = {
    "; ": "；",
    "": "Content-Type: text/plain; charset=utf-8\n",
    "The camera {sn} cannot be reached": "无法连接摄像机 {sn}",
    "{what}: {reason}": "{what}：{reason}",
    "no answer within {seconds:.0f} s": "{seconds:.0f} 秒内没有响应",
    "Usage:": "用法：",
}


def compile_mo(translations: Mapping[str, str]) -> bytes:
    """Return a catalogue as gettext's manual describes it."""
    texts = [(key.encode(), value.encode()) for key, value in sorted(translations.items())]
    count, start = len(texts), 28 + 16 * len(texts)
    tables, strings = b"", b""
    for column in (0, 1):
        for pair in texts:
            tables += struct.pack("<II", len(pair[column]), start + len(strings))
            strings += pair[column] + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0) + tables + strings


@pytest.fixture(autouse=True)
def _catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "locale/zh/LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "test.mo").write_bytes(compile_mo(TRANSLATIONS))
    monkeypatch.setattr(language, "CATALOGUE_FOLDERS", [])
    add_catalogues(tmp_path / "locale")
    yield
    language.load_catalogue.cache_clear()


def test_a_number_that_was_read_from_json_is_formatted_as_one() -> None:
    text = message("no answer within {seconds:.0f} s", seconds=Decimal("600.0"))
    assert (text, translate(text, Language.CHINESE)) == ("no answer within 600 s", "600 秒内没有响应")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "ZH_tw"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "zha_CN"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "C", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_GB:zh"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_CN:en"}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, "en"),
        ({"LANGUAGE": "zh_CN"}, "en"),
    ],
)
def test_the_language_is_that_of_the_terminal(environment: dict[str, str], expected: str) -> None:
    assert Language.from_environment(environment) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("zh", "zh"),
        ("ZH-Hans-CN", "zh"),
        ("zh-TW;q=0.7", "zh"),
        ("fr, de;q=0.9", "en"),
        ("fr, zh;q=0.1", "zh"),
        ("zh, en", "zh"),
        ("en, zh", "en"),
        ("*", "en"),
        ("zh;q=0.5, *;q=0.1", "zh"),
        ("zh;q=0.1, *;q=0.5", "en"),
        ("en;q=0, *", "zh"),
        ("en;q=0", "en"),
        ("zh;q=0", "en"),
        ("zh ;\tq=1.000 , en;q=0.999", "zh"),
        ("zh;q=1.5, en;q=0.1", "en"),
        ("zh;q=\uff10.9", "en"),
        ("zhx, en;q=0.1", "en"),
        ("zh;q, ;;, ,", "en"),
        ("zh\n", "en"),
        (",".join(["de"] * 100_000) + ",zh", "en"),
        ("a" * 1_000_000, "en"),
    ],
)
def test_the_language_is_the_one_that_a_browser_prefers(header: str, expected: str) -> None:
    assert Language.negotiate(header) == expected


def test_a_message_is_its_english_text() -> None:
    text = message("The camera {sn} cannot be reached", sn="S1")
    assert text == "The camera S1 cannot be reached"
    assert translate(text, Language.ENGLISH) == text
    assert translate(text, Language.CHINESE) == "无法连接摄像机 S1"


def test_values_that_are_messages_are_translated_and_other_values_are_not() -> None:
    reason = message("no answer within {seconds:.0f} s", seconds=2.6)
    text = message("{what}: {reason}", what="Usage:", reason=reason)
    assert text == "Usage:: no answer within 3 s"
    assert translate(text, Language.CHINESE) == "Usage:：3 秒内没有响应"


def test_a_plain_text_is_translated_if_it_is_known() -> None:
    assert translate("Usage:", Language.CHINESE) == "用法："
    assert translate("The camera S1 cannot be reached", Language.CHINESE) == "The camera S1 cannot be reached"
    assert translate("", Language.CHINESE) == ""
    assert translate(message("unknown {text}", text=1), Language.CHINESE) == "unknown 1"


@pytest.mark.parametrize("sn", ["{sn}", "{", "}}", "{0.__class__}", "%(sn)s", "\0", "\udcff"])
def test_values_stay_as_they_are_whatever_they_hold(sn: str) -> None:
    text = message("The camera {sn} cannot be reached", sn=sn)
    assert text == "The camera " + sn + " cannot be reached"
    assert translate(text, Language.CHINESE) == "无法连接摄像机 " + sn
    joined = join("{x} ", [text, sn])
    assert joined == text + "{x} " + sn


def test_joined_messages_are_translated_each_by_itself() -> None:
    text = join("; ", [message("The camera {sn} cannot be reached", sn=1), "disk", message("Usage:")])
    assert text == "The camera 1 cannot be reached; disk; Usage:"
    assert translate(text, Language.CHINESE) == "无法连接摄像机 1；disk；用法："
    assert translate(join(", ", ["a; b", "c"]), Language.CHINESE) == "a; b, c"
    assert join(", ", []) == ""


def test_a_message_keeps_no_object_alive_and_does_not_change() -> None:
    text = message("{what}: {reason}", what=Path("/etc"), reason=OSError("gone"))
    assert dict(text.values) == {"what": "/etc", "reason": "gone"}


def test_programs_see_a_plain_text() -> None:
    text = message("The camera {sn} cannot be reached", sn="S1")
    assert json.dumps([text]) == '["The camera S1 cannot be reached"]'
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        restored = pickle.loads(pickle.dumps(text, protocol))  # noqa: S301  our own bytes
        assert type(restored) is str
        assert restored == text
    for copied in (copy.copy(text), copy.deepcopy({"text": text})["text"]):
        assert isinstance(copied, Message)
        assert translate(copied, Language.CHINESE) == "无法连接摄像机 S1"


@pytest.mark.parametrize("content", [b"", b"\xde\x12\x04\x95", b"x" * 100, compile_mo(TRANSLATIONS)[:150]])
def test_a_damaged_catalogue_leaves_texts_in_english(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "other/zh/LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "damaged.mo").write_bytes(content)
    add_catalogues(tmp_path / "other")
    assert translate("Usage:", Language.CHINESE) == "用法："
    assert translate("another", Language.CHINESE) == "another"
