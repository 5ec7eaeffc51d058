"""Products through storms and deaths: the cloud ends with what the till said last, field by field; orders go first."""

import asyncio
import json
import random
from typing import Any

import aiohttp
import pytest

from gateway.simulator.account import SHOP_ID
from tests.outbox.cloud import ObservedCloud, Version
from tests.outbox.day import Report, drained, end_of_day
from tests.outbox.process import GatewayProcess
from tests.outbox.test_faults import hand_over

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def products(cloud: ObservedCloud) -> dict[str, dict[str, Any]]:
    return cloud.simulated.state.shops[SHOP_ID].products


async def change(session: aiohttp.ClientSession, path: str, *items: Any, key: str = "", wait: float = 0) -> int:
    name = "product_key_list" if path == "product/delete" else "product_list"
    headers = {"Prefer": f"wait={wait}"} | ({"Idempotency-Key": key} if key else {})
    async with session.post(f"/api/v1/cloud/{path}", json={name: list(items)}, headers=headers) as response:
        assert response.status in (200, 202), await response.text()
        return response.status


async def test_waiting_updates_become_one_with_the_newest_of_each_field(
    cloud: ObservedCloud, gateway: GatewayProcess, report: Report
) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    async with gateway.caller(token) as session:
        assert await change(session, "product/create", {"id": "1", "name": "Cola", "unit": "can"}, wait=5) == 200
        await cloud.fall()
        for number in range(30):
            await change(session, "product/update", {"id": "1", "price": f"{number}.50"})
            await change(session, "product/update", {"id": "1", "name": f"Cola {number}"})
        await change(session, "product/update", {"id": "1", "brand": "SUNMI"})
        await cloud.rise()
        before = len(cloud.weather.visits)
        await drained(gateway)
    report(f"61 waiting updates of one product in {len(cloud.weather.visits) - before} calls")
    kept = products(cloud)["1"]
    assert (kept["name"], kept["unit"], str(kept["price"]), kept["brand"]) == ("Cola 29", "can", "29.50", "SUNMI")
    assert len(cloud.weather.visits) - before <= 3


async def test_create_and_delete_are_barriers(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    [token] = await gateway.tokens("till")
    await cloud.fall()
    await gateway.start()
    async with gateway.caller(token) as session:
        await change(session, "product/create", {"id": "1", "name": "Cola", "brand": "old"})
        await change(session, "product/update", {"id": "1", "price": "1.00"})
        await change(session, "product/delete", "1")
        await change(session, "product/create", {"id": "1", "name": "Lemonade"})
        await change(session, "product/update", {"id": "1", "price": "2.00"})
        await change(session, "product/create", {"id": "2", "name": "Water"})
        await change(session, "product/delete", "2")
        await cloud.rise()
        await drained(gateway)
    kept = products(cloud)
    assert set(kept) == {"1"}
    assert (kept["1"]["name"], str(kept["1"]["price"]), kept["1"].get("brand")) == ("Lemonade", "2.00", None)


async def test_a_create_that_meets_the_product_updates_it(cloud: ObservedCloud, gateway: GatewayProcess) -> None:
    """As when its first answer was lost: the product exists, and the till's values shall hold."""
    [token] = await gateway.tokens("till")
    await gateway.start()
    async with gateway.caller(token) as session:
        await change(session, "product/create", {"id": "1", "name": "Cola", "price": "1.00"}, wait=5)
        cloud.weather.add("reset_after", path="product/create")
        await change(session, "product/create", {"id": "2", "name": "Water", "price": "1.00"})
        await drained(gateway)
        async with session.get("/api/v1/outbox", params={"state": "refused"}) as response:
            assert json.loads(await response.read())["items"] == []
    assert set(products(cloud)) == {"1", "2"}


async def test_orders_go_before_a_bulk_load_of_products(
    cloud: ObservedCloud, gateway: GatewayProcess, report: Report
) -> None:
    [token] = await gateway.tokens("till")
    await cloud.fall()
    await gateway.start()
    async with gateway.caller(token) as session:
        for first in range(0, 8000, 1000):
            items = [{"id": str(number), "name": "x" * 300} for number in range(first, first + 1000)]
            await change(session, "product/create", *items)
        assert (await hand_over(session, Version("urgent", 1)))[0] == 202
        await cloud.rise()
        async with session.post("/api/v1/cloud/product/getList", json={}) as response:
            assert response.status == 200
        await drained(gateway)
    paths = [path for path in cloud.simulated.request_paths if path in ("order/update", "product/create")]
    report(f"the order was call {paths.index('order/update') + 1} of {len(paths)}")
    assert paths.index("order/update") <= 1, "at most what was under way goes before"
    assert len(products(cloud)) == 8000


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_products_survive_storms_and_deaths(
    cloud: ObservedCloud, gateway: GatewayProcess, counts: dict[str, int], report: Report
) -> None:
    [token] = await gateway.tokens("till")
    await gateway.start()
    said: dict[str, dict[str, str]] = {}
    async with gateway.caller(token) as session:
        await change(session, "product/create", *({"id": str(n), "name": "new"} for n in range(20)), wait=10)
        stop = asyncio.Event()
        working = asyncio.create_task(_till(session, said, stop))
        cloud.flap()
        dice = random.Random(cloud.dice.random())
        for _ in range(counts["kills"] // 4):
            await asyncio.sleep(dice.uniform(0.2, 2.0))
            await gateway.kill()
            await gateway.start()
        stop.set()
        changes = await working
    took_s = await end_of_day(gateway, cloud)
    wrong = {
        product_id: (fields, products(cloud)[product_id])
        for product_id, fields in said.items()
        if any(str(products(cloud)[product_id].get(name)) != value for name, value in fields.items())
    }
    report(f"{changes} changes of {len(said)} products, {len(gateway.deaths)} kills, empty after {took_s:.1f} s")
    assert not wrong


async def _till(session: aiohttp.ClientSession, said: dict[str, dict[str, str]], stop: asyncio.Event) -> int:
    """Change one field of one product after the other, each until acknowledged; return how many changes that were."""
    dice, changes = random.Random(5), 0
    while not stop.is_set():
        product_id, name = str(dice.randrange(20)), dice.choice(("name", "unit", "brand", "spec"))
        value = f"{name} {changes}"
        while True:
            try:
                await change(session, "product/update", {"id": product_id, name: value}, key=f"change {changes}")
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
            else:
                break
        said.setdefault(product_id, {})[name] = value
        changes += 1
        await asyncio.sleep(dice.uniform(0, 0.02))
    return changes
