"""One shelf label under two names: its items keep their order, whether the gateway knows that or not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.client import CloudClient
from gateway.errors import Conflict
from gateway.outbox.model import Batch, Outcome
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.simulator.account import SHOPS
from gateway.simulator.cloud import SimulatedCloud
from tests.outbox.opened import ACCOUNT, OpenedOutbox, submit
from tests.waiting import until

DELIVERED = Outcome("delivered", 0, "success")
REFUSED = Outcome("refused", 5301, "invalid ESL")
ID, OTHER_ID, CODE = "129200", "129201", "SKDI39DN"


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenedOutbox]:
    life = await OpenedOutbox.open(tmp_path / "gateway.db")
    yield life
    await life.close()


@pytest.fixture
def outbox(opened: OpenedOutbox) -> Outbox:
    return opened.outbox


def call(path: str, **arguments: str) -> Call:
    files = {"pic": FilePart("p.png", "image/png", bytes(10))} if path.endswith("pushImage") else {}
    return Call(CATALOGUE.get("cloud", path), {**ACCOUNT.shop, **arguments}, files)


def bind(**label: str) -> Call:
    return call("product/bindEsl", product_id="7", template_id="1", **label)


def unbind(**label: str) -> Call:
    return call("product/unbindEsl", **label)


def learn(outbox: Outbox, *data: Any) -> None:
    for one in data:
        outbox.label_names.learn({}, {"code": 0, "data": one})


async def take(outbox: Outbox) -> Batch | None:
    return await outbox.claim(lambda _: 1000)


async def taken(outbox: Outbox) -> list[int]:
    """Return what can be sent at the same time."""
    found: list[int] = []
    while (batch := await take(outbox)) is not None:
        found += batch.sequences
    return found


async def test_an_unknown_name_waits_for_those_who_go_by_the_other(outbox: Outbox) -> None:
    for one in (bind(esl_code=CODE), unbind(esl_id=ID), call("device/esl/pushImage", esl_id=OTHER_ID)):
        await submit(outbox, one)
    first = await take(outbox)
    assert first is not None
    assert first.sequences == [1]
    assert await take(outbox) is None
    await outbox.settle(first, {1: DELIVERED})
    assert await taken(outbox) == [2, 3], "those who go by the same name do not wait for each other"


async def test_one_that_ends_frees_those_behind_it_only_with_the_last_of_its_kind(outbox: Outbox) -> None:
    for one in (unbind(esl_id=ID), unbind(esl_id=OTHER_ID), bind(esl_code=CODE)):
        await submit(outbox, one)
    first, second = await take(outbox), await take(outbox)
    assert first is not None
    assert second is not None
    await outbox.settle(first, {1: DELIVERED})
    assert await take(outbox) is None
    outbox.release(second, attempted=True)
    assert await taken(outbox) == [2]
    await outbox.settle(second, {2: DELIVERED})
    assert await taken(outbox) == [3]


@pytest.mark.parametrize("data", [
    {"esl_id": ID, "esl_code": CODE}, {"esl_list": [{"esl_id": int(ID), "esl_code": CODE}, None, {"esl_id": "5"}]},
])  # fmt: skip
async def test_names_that_were_learned_keep_the_order_and_others_do_not_wait(outbox: Outbox, data: Any) -> None:
    await submit(outbox, unbind(esl_id=ID))
    learn(outbox, data, {"esl_id": OTHER_ID, "esl_code": "OTHER123"})
    for one in (bind(esl_code=CODE), unbind(esl_id=ID), call("device/esl/pushImage", esl_id=OTHER_ID)):
        await submit(outbox, one)
    first = await take(outbox)
    assert first is not None
    assert first.sequences == [1]
    assert await taken(outbox) == [4]
    await outbox.settle(first, {1: DELIVERED})
    assert await taken(outbox) == [2]


async def test_a_call_with_both_names_waits_for_both(outbox: Outbox) -> None:
    for one in (unbind(esl_id=ID), bind(esl_id=ID, esl_code=CODE), unbind(esl_code=CODE)):
        await submit(outbox, one)
    assert await taken(outbox) == [1]


@pytest.mark.parametrize("known", [True, False])
async def test_an_old_one_does_not_undo_a_newer_one_of_the_other_name(outbox: Outbox, *, known: bool) -> None:
    if known:
        learn(outbox, {"esl_id": ID, "esl_code": CODE})
    await submit(outbox, bind(esl_code=CODE))
    batch = await take(outbox)
    assert batch is not None
    await outbox.settle(batch, {1: REFUSED})
    await submit(outbox, unbind(esl_id=ID))
    batch = await take(outbox)
    assert batch is not None
    await outbox.settle(batch, {2: DELIVERED})
    with pytest.raises(Conflict, match="would be undone"):
        await outbox.retry([1])


async def test_names_from_the_cloud_are_bounded(outbox: Outbox) -> None:
    learn(
        outbox,
        {"esl_id": "x" * 65, "esl_code": CODE},
        {"esl_id": {}, "esl_code": CODE},
        {"esl_id": "", "esl_code": CODE},
    )
    learn(outbox, None, [], {"esl_list": "text"}, *({"esl_id": str(n), "esl_code": f"C{n}"} for n in range(30_000)))
    await submit(outbox, bind(esl_code="C29999"))
    await submit(outbox, unbind(esl_id="29999"))
    await submit(outbox, unbind(esl_id="29998"))
    assert await taken(outbox) == [1, 3]


async def test_names_are_learned_from_what_passes_through(
    opened: OpenedOutbox, make_client: Callable[..., CloudClient], simulated: SimulatedCloud
) -> None:
    client = make_client(simulated)
    worker = OutboxWorker(client, opened.outbox, opened.supervisor)
    shop = {"shop_id": next(iter(SHOPS))}
    bound = await client.call(Call(CATALOGUE.get("cloud", "device/esl/bind"), {**shop, "esl_code": CODE}))
    esl_id = bound.data["esl_id"]
    await submit(opened.outbox, bind(esl_code=CODE))
    await submit(opened.outbox, unbind(esl_id=esl_id))
    await submit(opened.outbox, unbind(esl_id="1"))
    first = await take(opened.outbox)
    assert first is not None
    assert (first.sequences, await taken(opened.outbox)) == ([1], [3])
    await until(lambda: not opened.outbox.unreachable)
    await worker.close()
