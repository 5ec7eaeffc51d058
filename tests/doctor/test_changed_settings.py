"""The doctor reports settings that were changed in the console and do not count."""

from typing import Any

import pytest

from gateway.app import Gateway
from gateway.desired_settings import DesiredSettings, RolledBackSetting, SettingSource, write_desired


async def test_those_that_count_are_named(gateway: Gateway, doctor: Any) -> None:
    (gateway.settings.state_directory / "settings.toml").write_text("[video]\nmax_streams = 3\n", encoding="utf-8")
    found = await doctor.one("changed_settings")
    assert (found.status, found.evidence) == ("ok", "video.max_streams")


@pytest.mark.parametrize(
    ("text", "word"), [("[video]\nmax_streams = 99\n", "video.max_streams"), ("[video\n", "settings.toml")]
)
async def test_those_that_do_not_count_are_a_warning(gateway: Gateway, doctor: Any, text: str, word: str) -> None:
    (gateway.settings.state_directory / "settings.toml").write_text(text, encoding="utf-8")
    found = await doctor.one("changed_settings")
    assert found.status == "warning"
    assert word in found.what
    assert "change the settings again" in found.what_to_do


async def test_those_that_were_set_aside_are_named(gateway: Gateway, doctor: Any) -> None:
    (gateway.settings.state_directory / "settings.toml.bad-1").touch()
    found = await doctor.one("changed_settings")
    assert (found.status, found.evidence) == ("warning", "settings.toml.bad-1")


async def test_what_the_head_office_sets_is_named_and_what_was_taken_back_is_a_warning(
    gateway: Gateway, doctor: Any
) -> None:
    rolled_back = RolledBackSetting(source=SettingSource(key="chain", revision=7), reason="no link")
    desired = DesiredSettings(settings={"video.max_streams": 3}, rolled_back={"fleet.servers": rolled_back})
    write_desired(gateway.settings.state_directory / "head-office-settings.json", desired)
    findings = (await doctor("changed_settings"))["changed_settings"]
    assert [(one.status, one.evidence) for one in findings] == [
        ("ok", ""),
        ("ok", "video.max_streams"),
        ("warning", "fleet.servers"),
    ]
