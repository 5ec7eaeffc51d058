"""The relay tells its listeners of refused items, of a cloud that goes and comes, and of items that block others."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from gateway.cloud.client import Cloud
from gateway.outbox import Outbox
from gateway.outbox.relay_events import CloudBack, CloudLost, ItemRefused, News, QueueBlocked
from gateway.outbox.worker import Relay, Submitted
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud import SHOPS, SimulatedCloud
from gateway.storage.database import Database

SHOP = next(iter(SHOPS))


class Desk:
    """A relay with its news, and what is handed over to it."""

    def __init__(self, relay: Relay, outbox: Outbox) -> None:
        self.relay = relay
        self.outbox = outbox
        self.news: list[News] = []
        relay.subscribe(self.news.append)

    async def order(self, number: str, wait_s: float = 0) -> Submitted:
        return await self._submit("order/update", "order_list", {"order_no": number, "order_type": 1}, wait_s)

    async def product(self, number: str, wait_s: float = 0) -> Submitted:
        element = {"id": number, "name": "Cola", "price": "1.00"}
        return await self._submit("product/create", "product_list", element, wait_s)

    async def _submit(self, path: str, each: str, element: Mapping[str, object], wait_s: float) -> Submitted:
        call = CATALOGUE.get("cloud", path).encode({"shop_id": SHOP, each: [element]})
        return await self.relay.submit(call, token="till", key=None, wait_s=wait_s)

    def told(self, kind: type[News]) -> bool:
        return any(isinstance(one, kind) for one in self.news)

    async def happens(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def desk(simulated: SimulatedCloud, make_client: Callable[..., Cloud], tmp_path: Path) -> AsyncIterator[Desk]:
    database = await Database.open(tmp_path / "gateway.db")
    outbox = await Outbox.open(database, max_bytes=2**30)
    relay = Relay(make_client(simulated), outbox)
    yield Desk(relay, outbox)
    await relay.close()
    await outbox.close()
    await database.close()


async def test_a_refused_item_is_told_with_code_and_meaning(desk: Desk, simulated: SimulatedCloud) -> None:
    simulated.faults.add("refuse", path="order/update", code=5047)
    bad = await desk.order("bad", wait_s=10)
    good = await desk.order("good", wait_s=10)
    meaning = CATALOGUE.get("cloud", "order/update").describe_code(5047)
    assert (bad.state, good.state) == ("refused", "delivered")
    assert desk.news == [ItemRefused(bad.outbox_id, "order/update", 5047, meaning)]


async def test_each_loss_and_return_of_the_cloud_is_told_once(desk: Desk, simulated: SimulatedCloud) -> None:
    for number in ("1", "2"):
        simulated.faults.add("status", status=500, times=2)
        await desk.order(number)
        await desk.happens(lambda: desk.told(CloudBack))
        [lost, back] = desk.news
        assert isinstance(lost, CloudLost)
        assert "500" in lost.reason
        assert back == CloudBack()
        desk.news.clear()
        await desk.happens(lambda: not desk.outbox.depth)


async def test_an_item_that_fails_while_others_pass_is_told_to_block(desk: Desk, simulated: SimulatedCloud) -> None:
    began = time.time()
    simulated.faults.add("status", path="order/update", status=500, times=None)
    poison = await desk.order("poison")
    for number in range(10_000):
        await desk.product(str(number), wait_s=0.05)
        if desk.told(QueueBlocked):
            break
    [blocked] = [one for one in desk.news if isinstance(one, QueueBlocked)]
    assert (blocked.outbox_id, blocked.path) == (poison.outbox_id, "order/update")
    assert blocked.order_key.endswith("poison")
    assert began - 5 <= blocked.since <= time.time() + 5
    simulated.faults.queue.clear()
    desk.news.clear()
    await desk.happens(lambda: not desk.outbox.depth)
    assert not desk.told(QueueBlocked)
    assert not desk.told(ItemRefused)


async def test_calls_that_are_too_many_are_nobodys_fault(desk: Desk, simulated: SimulatedCloud) -> None:
    simulated.faults.add("status", path="order/update", status=429, retry_after_s=0, times=3)
    await desk.order("patient")
    while simulated.faults.queue:
        await desk.product("1", wait_s=0.5)
    await desk.happens(lambda: not desk.outbox.depth)
    assert not desk.told(QueueBlocked)
