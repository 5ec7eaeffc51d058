"""The doctor reports settings that were changed in the console and do not count."""

from typing import Any

import pytest

from gateway.app import Gateway


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
