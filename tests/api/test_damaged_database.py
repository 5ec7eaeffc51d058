"""The database cannot be used any more: status and metrics answer, and callers learn that nothing was stored."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.simulator.store import SimulatedStore

ORDER = {"order_list": [{"order_no": "1", "order_type": 1}]}


async def forget_pages(gateway: Gateway) -> None:
    """Let both connections read the file again."""
    await gateway.database.inspect(lambda connection: connection.execute("PRAGMA shrink_memory"))
    await gateway.database.read("PRAGMA shrink_memory")


@pytest.fixture
async def damaged(gateway: Gateway, store: SimulatedStore, pos: Any) -> AsyncIterator[Gateway]:
    """Give a gateway with a waiting order whose database turned to garbage."""
    store.cloud.faults.add("status", status=500, times=None)
    assert (await pos("POST", "/api/v1/cloud/order/update", ORDER)).status == 202
    database = gateway.database
    await database.checkpoint()
    database.start(gateway.supervisor)
    sound = database.path.read_bytes()
    with database.path.open("r+b") as file:
        file.write(b"\xa5" * len(sound))
    await forget_pages(gateway)
    yield gateway
    with database.path.open("r+b") as file:
        file.write(sound)
    await forget_pages(gateway)


async def test_the_status_answers(damaged: Gateway, pos: Any) -> None:
    answer = await pos("GET", "/api/v1/status")
    assert answer.status == 200
    assert answer.body["outbox"] == {"depth": 1, "oldest_age_s": None}
    assert answer.body["relay"]["other_accounts"] is None
    assert "database" in {service["name"] for service in answer.body["services"]}


async def test_the_metrics_answer(damaged: Gateway, session: aiohttp.ClientSession) -> None:
    async with session.get("/metrics") as response:
        assert response.status == 200
        text = await response.text()
    assert "\nsunmi_gateway_outbox_items 1.0\n" in text
    assert 'sunmi_gateway_service_up{service="database"}' in text
    assert "sunmi_gateway_outbox_oldest_age_seconds" not in text


async def test_an_order_is_refused_with_the_reason(damaged: Gateway, pos: Any) -> None:
    other = {"order_list": [{"order_no": "2", "order_type": 1}]}
    answer = await pos("POST", "/api/v1/cloud/order/update", other)
    assert (answer.status, answer.body["code"]) == (503, "overloaded")
    assert "a damaged one; start the gateway again" in answer.body["detail"]
    assert int(answer.headers["Retry-After"]) > 0
