"""The worker publishes events of refused items, of a cloud that goes and comes, and of items that block others."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from gateway.cloud.client import CloudClient
from gateway.outbox.events import CloudBack, CloudLost, ItemRefused, OutboxEvent, QueueBlocked
from gateway.outbox.outbox import Outbox
from gateway.outbox.submission import SubmissionStatus
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.account import SHOPS
from gateway.simulator.cloud import SimulatedCloud
from tests.outbox.opened import OpenedOutbox

SHOP = next(iter(SHOPS))


class Desk:
    """A worker with its events, and what is handed over to it."""

    def __init__(self, worker: OutboxWorker, outbox: Outbox) -> None:
        self.outbox = outbox
        self.events: list[OutboxEvent] = []
        worker.subscribe(self.events.append)

    async def order(self, number: str, wait_s: float = 0) -> SubmissionStatus:
        return await self._submit("order/update", "order_list", {"order_no": number, "order_type": 1}, wait_s)

    async def product(self, number: str, wait_s: float = 0) -> SubmissionStatus:
        element = {"id": number, "name": "Cola", "price": "1.00"}
        return await self._submit("product/create", "product_list", element, wait_s)

    async def _submit(self, path: str, each: str, element: Mapping[str, object], wait_s: float) -> SubmissionStatus:
        call = CATALOGUE.get("cloud", path).encode({"shop_id": SHOP, each: [element]})
        return await self.outbox.submit(call, token="till", wait_s=wait_s)

    def told(self, kind: type[OutboxEvent]) -> bool:
        return any(isinstance(one, kind) for one in self.events)

    async def happens(self, condition: Callable[[], bool], *, within_s: float = 20) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, self.events
            await asyncio.sleep(0.01)


@pytest.fixture
async def desk(
    simulated: SimulatedCloud, make_client: Callable[..., CloudClient], tmp_path: Path
) -> AsyncIterator[Desk]:
    opened = await OpenedOutbox.open(tmp_path / "gateway.db")
    worker = OutboxWorker(make_client(simulated), opened.outbox, opened.supervisor)
    worker.start()
    yield Desk(worker, opened.outbox)
    await worker.close()
    await opened.close()


async def test_a_refused_item_is_told_with_code_and_meaning(desk: Desk, simulated: SimulatedCloud) -> None:
    simulated.faults.add("refuse", path="order/update", code=5047)
    bad = await desk.order("bad", wait_s=10)
    good = await desk.order("good", wait_s=10)
    meaning = CATALOGUE.get("cloud", "order/update").describe_code(5047)
    assert (bad.state, good.state) == ("refused", "delivered")
    assert desk.events == [ItemRefused(bad.outbox_id, "order/update", 5047, meaning)]


async def test_each_loss_and_return_of_the_cloud_is_told_once(desk: Desk, simulated: SimulatedCloud) -> None:
    for number in ("1", "2"):
        simulated.faults.add("status", status=500, times=2)
        await desk.order(number)
        await desk.happens(lambda: desk.told(CloudBack))
        [lost, back] = desk.events
        assert isinstance(lost, CloudLost)
        assert "500" in lost.reason
        assert back == CloudBack()
        desk.events.clear()
        await desk.happens(lambda: not desk.outbox.depth)


async def test_an_item_that_fails_while_others_pass_is_told_to_block(desk: Desk, simulated: SimulatedCloud) -> None:
    began = time.time()
    simulated.faults.add("status", path="order/update", status=500, times=None)
    poison = await desk.order("poison")
    for number in range(10_000):
        await desk.product(str(number), wait_s=0.05)
        if desk.told(QueueBlocked):
            break
    [blocked] = [one for one in desk.events if isinstance(one, QueueBlocked)]
    assert (blocked.outbox_id, blocked.path) == (poison.outbox_id, "order/update")
    assert blocked.order_key.endswith("poison")
    assert began - 5 <= datetime.fromisoformat(blocked.since).timestamp() <= time.time() + 5
    simulated.faults.queue.clear()
    desk.events.clear()
    await desk.happens(lambda: not desk.outbox.depth, within_s=60)
    assert not desk.told(QueueBlocked)
    assert not desk.told(ItemRefused)


async def test_calls_that_are_too_many_are_nobodys_fault(desk: Desk, simulated: SimulatedCloud) -> None:
    simulated.faults.add("status", path="order/update", status=429, retry_after_s=0, times=3)
    await desk.order("patient")
    while simulated.faults.queue:
        await desk.product("1", wait_s=0.5)
    await desk.happens(lambda: not desk.outbox.depth, within_s=60)
    assert not desk.told(QueueBlocked)
