"""Commands for hooks: confirmation before others' subscriptions end, and the list."""

from typing import Any

from gateway.simulator.store import SimulatedStore

PUBLIC = {"SUNMI_GATEWAY__HOOKS__PUBLIC_URL": "http://shop.invalid"}


async def test_subscriptions_are_ended_only_after_a_confirmation(store: SimulatedStore, command: Any) -> None:
    added = await command("events", "hook", "cloud", "--json", **PUBLIC)
    assert added.status == 0, added.errors
    assert added.json["callback"] == "http://shop.invalid/hooks/cloud"
    refused = await command("events", "unhook", "cloud", "--no-input")
    assert refused.status == 1
    assert "every other system" in refused.errors
    assert "--yes" in refused.errors
    assert store.cloud.state.hooks
    ended = await command("events", "unhook", "cloud", "--yes", "--json")
    assert (ended.status, ended.json["state"]) == (0, "ended")
    assert "events hook" in ended.errors
    assert not store.cloud.state.hooks


async def test_the_list_shows_what_is_missing(command: Any) -> None:
    listed = await command("events", "hooks", "--json")
    assert [one["target"] for one in listed.json["hooks"]] == ["cloud"]
    failed = await command("events", "hook", "cloud")
    assert failed.status == 1
    assert "hooks.public_url" in failed.errors
    assert "run discovery" in (await command("events", "hook", "NOBODY")).errors
