"""Commands for shops, given while the head office has no line to its servers, or with more than a shop reads."""

import asyncio

import pytest

from gateway.errors import InvalidRequest
from gateway.office import command_calls
from gateway.office.command_calls import CommandCall, call_shops
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

SHOPS = [f"away-{number}" for number in range(40)]


async def test_a_command_outlives_the_loss_of_the_servers(office: HeadOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is large, so that the client library soon keeps no more for the time when they are back."""
    monkeypatch.setattr(command_calls, "RESPONSE_TIMEOUT_S", 0.5)
    [node] = office.nodes
    calls: list[CommandCall] = []
    async with office.connect() as connected:

        async def give() -> None:
            arguments = {"plan": {"remark": "x" * 200_000}}
            await call_shops(
                connected, "site_plan", arguments, SHOPS, run_id="lost-servers", deadline_s=6, on_outcome=calls.append
            )

        async with asyncio.TaskGroup() as group:
            group.create_task(give())
            await until(lambda: connected.client.stats["out_msgs"] > len(SHOPS))
            await node.kill()
        await node.start()
        await until(lambda: connected.client.is_connected)
    assert sorted(one.shop for one in calls) == sorted(SHOPS)
    assert {one.outcome for one in calls} == {"away"}
    assert any("the servers took nothing" in one.reason for one in calls)


async def test_what_no_shop_would_read_is_not_sent(office: HeadOffice) -> None:
    calls: list[CommandCall] = []
    async with office.connect() as connected:
        with pytest.raises(InvalidRequest, match="261120"):
            await call_shops(
                connected, "site_plan", {"plan": {"remark": "x" * 300_000}}, SHOPS, run_id="too-large", deadline_s=6,
                on_outcome=calls.append,
            )  # fmt: skip
    assert calls == []
