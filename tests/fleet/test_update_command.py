"""The command `update`: it begins now what is wanted anyway, and says why not; nothing is tried again by it."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__
from gateway.updates.exchange import STATE_VARIABLE
from gateway.updates.wanted import WantedVersion
from tests.fleet.desired_shop import DesiredShop, for_shop
from tests.waiting import until


@pytest.fixture
async def shop(shop: DesiredShop, tmp_path: Path) -> AsyncIterator[DesiredShop]:
    """Give a shop that allows the command, and has an installer of updates but no repository of the chain."""
    settings = shop.file.read_text()
    assert "[fleet]\n" in settings
    shop.file.write_text(settings.replace("[fleet]\n", '[fleet]\nmay = ["update"]\n'))
    gateway = await shop.start()
    (tmp_path / "own").mkdir()
    os.environ[STATE_VARIABLE] = str(gateway.directory.path)
    yield shop
    del os.environ[STATE_VARIABLE]


async def give(shop: DesiredShop) -> tuple[str, str, Any]:
    response = await shop.office.command(shop.name, "update")
    return response["outcome"], response["reason"], response["result"]


@for_shop(1)
async def test_it_says_what_becomes_of_the_version_that_is_wanted(shop: DesiredShop, tmp_path: Path) -> None:
    outcome, reason, _ = await give(shop)
    assert (outcome, "no version is wanted" in reason) == ("refused", True)
    await shop.want("chain", {"version": __version__})
    outcome, _, result = await give(shop)
    assert (outcome, result["outcome"], result["wanted"]) == ("done", "applied", __version__)
    await shop.want("shop.shop-1", b"{")
    assert (await give(shop))[0] == "refused"
    await shop.want("shop.shop-1", {"version": "9.9.9"})
    outcome, reason, _ = await give(shop)
    assert (outcome, "nothing here can install" in reason) == ("refused", True)

    source = tmp_path / "chain.sources"
    shop.gateway.want_version = WantedVersion(shop.gateway, tmp_path / "own", source=source).want
    outcome, reason, _ = await give(shop)
    assert (outcome, "chain.sources is missing" in reason) == ("refused", True)
    source.touch()
    request = shop.state / "update/request.json"
    outcome, _, result = await give(shop)
    assert (outcome, result["runs"], result["wanted"]) == ("done", __version__, "9.9.9")
    assert result["outcome"] == "pending"
    await until(request.exists)
    asked = json.loads(request.read_bytes())
    assert asked["version"] == "9.9.9"
    request.unlink()

    status = {"attempt": asked["attempt"], "version": "9.9.9", "reason": "it does not start", "time": ""}
    (tmp_path / "own/status.json").write_text(json.dumps({**status, "outcome": "rolled_back"}))
    for _ in range(2):
        outcome, reason, _ = await give(shop)
        assert outcome == "refused"
        assert reason.startswith("version 9.9.9 was rolled back here")
        assert reason.endswith("it does not start")
    assert not request.exists()
    await shop.want("shop.shop-1", {"version": "9.9.9", "settings": {}})  # another revision: it is wanted anew
    assert (await give(shop))[0] == "done"
    assert json.loads(request.read_bytes())["attempt"] != asked["attempt"]
    await shop.want("chain", {})
