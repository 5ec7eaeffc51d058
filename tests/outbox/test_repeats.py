"""Orders that are handed over again: which are repeats, which are newer versions, and which are tried again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.outbox.model import Outcome
from gateway.outbox.outbox import Outbox
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from tests.outbox.opened import ACCOUNT, OpenedOutbox, all_items, submit

DELIVERED = Outcome("delivered", 0, "success")
REFUSED = Outcome("refused", 5047, "invalid order")


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    life = await OpenedOutbox.open(tmp_path / "gateway.db")
    yield life.outbox
    await life.close()


def order(*orders: tuple[str, int]) -> Call:
    given = [{"order_no": number, "order_type": kind} for number, kind in orders]
    return CATALOGUE.get("cloud", "order/update").encode({"order_list": given}, defaults=ACCOUNT.shop)


def product(action: str, **members: Any) -> Call:
    return CATALOGUE.get("cloud", f"product/{action}").encode(
        {"product_list": [{"id": "7", **members}]}, defaults=ACCOUNT.shop
    )


async def end(outbox: Outbox, outcome: Outcome = DELIVERED) -> list[str]:
    """Give everything that waits an outcome; return what was sent."""
    sent = []
    while (batch := await outbox.claim(lambda _: 1000)) is not None:
        sent += [entry.text for entry in batch.entries]
        await outbox.settle(batch, dict.fromkeys(batch.sequences, outcome))
    return sent


async def states(outbox: Outbox) -> list[str]:
    return [item.state for item in await all_items(outbox)]


@pytest.mark.parametrize("ended", [True, False])
async def test_a_way_back_is_a_newer_version(outbox: Outbox, *, ended: bool) -> None:
    numbers = []
    for kind in (1, 4, 1, 1):
        numbers += await submit(outbox, order(("A", kind)))
        if ended:
            await end(outbox)
    assert numbers == [1, 2, 3, 3]
    await end(outbox)
    assert await states(outbox) == ["delivered"] * 3


async def test_a_version_with_a_key_counts_as_the_newest(outbox: Outbox) -> None:
    assert await submit(outbox, order(("A", 1))) == [1]
    assert await submit(outbox, order(("A", 4)), key="k") == [2]
    assert await submit(outbox, order(("A", 1))) == [3]


async def test_a_refused_one_that_is_handed_over_again_is_tried_again(outbox: Outbox) -> None:
    await submit(outbox, order(("A", 1)))
    await end(outbox, REFUSED)
    waiting = asyncio.create_task(outbox.submit(order(("A", 1)), token="", wait_s=30))
    while not outbox.depth:
        await asyncio.sleep(0.001)
    assert len(await end(outbox)) == 1
    status = await waiting
    assert (status.outbox_id, status.state, status.outcome) == ("1", "delivered", DELIVERED)
    assert outbox.depth == 0
    item = await outbox.item(1)
    assert (item.state, item.attempts) == ("delivered", 2)


async def test_of_a_call_those_are_tried_again_that_were_refused(outbox: Outbox) -> None:
    both = order(("A", 1), ("B", 1))
    numbers = await submit(outbox, both)
    batch = await outbox.claim(lambda _: 1000)
    assert batch is not None
    await outbox.settle(batch, {1: DELIVERED, 2: REFUSED})
    assert await submit(outbox, both) == numbers
    assert await states(outbox) == ["delivered", "waiting"]
    assert await submit(outbox, order(("B", 1), ("C", 1)), token="other") == [2, 3]
    assert outbox.depth == 2
    assert len(await end(outbox)) == 2


async def test_a_refused_one_behind_which_there_is_a_newer_version_stays_refused(outbox: Outbox) -> None:
    await submit(outbox, order(("A", 1)))
    await end(outbox, REFUSED)
    await submit(outbox, order(("A", 4)))
    await end(outbox)
    assert await submit(outbox, order(("A", 1))) == [3]
    assert await states(outbox) == ["refused", "delivered", "waiting"]


async def test_a_key_keeps_the_first_outcome(outbox: Outbox) -> None:
    await submit(outbox, order(("A", 1)), key="k")
    await end(outbox, REFUSED)
    assert (await outbox.submit(order(("A", 1)), token="", idempotency_key="k", wait_s=30)).state == "refused"
    assert outbox.depth == 0


async def test_numbers_are_compared_as_a_whole(outbox: Outbox) -> None:
    same, other = order(("A\0B", 1)), order(("A", 1), ("A\0C", 1))
    assert await submit(outbox, same) == [1]
    assert await submit(outbox, other) == [2, 3]
    assert await submit(outbox, same) == [1]
    assert await submit(outbox, other) == [2, 3]
    batch = await outbox.claim(lambda _: 1000)
    assert batch is not None
    assert [entry.reference for entry in batch.entries] == ["A\0B", "A", "A\0C"]


async def test_the_first_and_the_repeated_response_to_a_create_are_equal(outbox: Outbox) -> None:
    async def create() -> str:
        return (await outbox.submit(product("create", name="Cola"), token="", idempotency_key="k", wait_s=30)).response

    first = asyncio.create_task(create())
    while not outbox.depth:
        await asyncio.sleep(0.001)
    batch = await outbox.claim(lambda _: 1000)
    assert batch is not None
    await outbox.settle(batch, {1: Outcome("waiting", result_list="exist_list", redirect_to="product/update")})
    await end(outbox)
    assert await first == '{"code":0,"msg":"succeed","data":{"exist_list":["7"],"invalid_list":[]}}'
    assert await create() == await first


async def test_the_first_and_the_repeated_response_to_a_dropped_call_are_equal(outbox: Outbox) -> None:
    async def change() -> Outcome | None:
        return (await outbox.submit(product("update", unit="l"), token="", idempotency_key="k", wait_s=30)).outcome

    first = asyncio.create_task(change())
    while not outbox.depth:
        await asyncio.sleep(0.001)
    await outbox.submit(product("update", unit="cl"), token="", idempotency_key="other")
    await outbox.drop([1])
    dropped = await first
    assert dropped is not None
    assert dropped.meaning == "it was dropped by a person"
