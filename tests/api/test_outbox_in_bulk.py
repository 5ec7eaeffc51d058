"""Many items of the outbox at once: listing, retrying and dropping those that are meant, and naming the rest."""

import asyncio
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.simulator.store import SimulatedStore
from tests.waiting import until

PATH = "/api/v1/cloud/order/update"
PRODUCTS = "/api/v1/cloud/product/update"
ALL = {"all": True}


def orders(*numbers: str, kind: int = 1) -> dict[str, Any]:
    return {"order_list": [{"order_no": number, "order_type": kind} for number in numbers]}


@pytest.fixture
async def refused(store: SimulatedStore, pos: Any) -> SimulatedStore:
    """Return a store whose cloud has refused orders 1 to 3 with code 5047 and product 7, which it does not know."""
    store.cloud.faults.add("refuse", path="order/update", code=5047, times=None)
    assert (await pos("POST", PATH, orders("1", "2", "3"), headers={"Prefer": "wait=20"})).status == 422
    store.cloud.faults.clear()
    assert (await pos("POST", PRODUCTS, {"product_list": [{"id": "7"}]})).status == 422
    return store


async def listed(call: Any, query: str = "") -> dict[str, str]:
    """Return the state of each item by its reference."""
    return {item["reference"]: item["state"] for item in (await call("GET", f"/api/v1/outbox{query}")).body["items"]}


@pytest.mark.parametrize(("query", "references"), [
    ("state=refused", "1237"), ("code=5047", "123"), ("code=0", "7"), ("path=product/update", "7"),
    ("state=waiting", ""),
    ("before=2001-01-01", ""), ("before=2999-01-01T00:00:00Z&code=5047", "123"), (f"code={'9' * 20}", ""),
])  # fmt: skip
async def test_a_list_of_those_that_are_meant(refused: SimulatedStore, pos: Any, query: str, references: str) -> None:
    assert "".join(await listed(pos, f"?{query}")) == references


async def test_no_item_has_a_code_that_no_database_holds(refused: SimulatedStore, pos: Any) -> None:
    for code in (10**30, -(10**30)):
        answer = await pos("POST", "/api/v1/outbox/retry", {"code": code})
        assert (answer.status, answer.body) == (200, {"retried": 0, "left": 0, "left_items": []})


async def test_a_time_that_is_none_is_refused(gateway: Gateway, pos: Any) -> None:
    answer = await pos("GET", "/api/v1/outbox?before=yesterday")
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, "before")


async def test_many_are_sent_again(refused: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    answer = await pos("POST", "/api/v1/outbox/retry", {"code": 5047, "before": "2999-01-01"})
    assert (answer.status, answer.body) == (200, {"retried": 3, "left": 0, "left_items": []})
    await until(lambda: not gateway.outbox.depth)
    assert await listed(pos) == {"1": "delivered", "2": "delivered", "3": "delivered", "7": "refused"}


async def test_those_that_would_undo_a_newer_one_are_named(refused: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    newer = await pos("POST", PATH, orders("2", kind=4), headers={"Prefer": "wait=20"})
    assert newer.status == 200
    items = {item["reference"]: item for item in (await pos("GET", "/api/v1/outbox?code=5047")).body["items"]}
    answer = await pos("POST", "/api/v1/outbox/retry", {"state": "refused", "path": "order/update"})
    assert (answer.body["retried"], answer.body["left"]) == (2, 1)
    [left] = answer.body["left_items"]
    assert left["outbox_id"] == items["2"]["outbox_id"]
    assert "would be undone" in left["reason"]


async def test_a_retry_of_a_call_retries_what_it_can(refused: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    assert (await pos("POST", PATH, orders("2", kind=4), headers={"Prefer": "wait=20"})).status == 200
    [first, *_] = (await pos("GET", "/api/v1/outbox?code=5047")).body["items"]
    answer = await pos("POST", f"/api/v1/outbox/s{first['outbox_id']}/retry")
    assert answer.status == 202
    assert [("would be undone" in one["reason"]) for one in answer.body["left_items"]] == [True]
    await until(lambda: not gateway.outbox.depth)
    again = await pos("POST", f"/api/v1/outbox/s{first['outbox_id']}/retry")
    assert again.status == 409, "nothing of it can be sent again"


async def test_many_are_dropped_and_delivered_ones_stay(refused: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    assert (await pos("POST", PATH, orders("4"), headers={"Prefer": "wait=20"})).status == 200
    await refused.cloud.stop()
    assert (await pos("POST", PATH, orders("5"), headers={"Prefer": "wait=0"})).status == 202
    await until(lambda: gateway.outbox.unreachable is not None)
    answer = await pos("POST", "/api/v1/outbox/drop", {"state": "refused", "code": 5047})
    assert answer.body == {"dropped": 3, "left": 0, "left_items": []}
    while await listed(pos) != {"7": "refused", "4": "delivered", "5": "waiting"}:
        await asyncio.sleep(0.01)  # it may be tried just now
    done = (await pos("POST", "/api/v1/outbox/drop", ALL)).body
    assert done["dropped"] + done["left"] == 2
    assert "4" in await listed(pos)


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_everything_has_to_be_asked_for(refused: SimulatedStore, pos: Any, action: str) -> None:
    answer = await pos("POST", f"/api/v1/outbox/{action}", {})
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, "all")
    assert len(await listed(pos)) == 4


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_a_till_changes_only_its_own_items(store: SimulatedStore, pos: Any, installer: Any, action: str) -> None:
    store.cloud.faults.add("refuse", path="order/update", code=5047)
    await installer("POST", PATH, orders("1"), headers={"Prefer": "wait=20"})
    assert (await pos("POST", f"/api/v1/outbox/{action}", ALL)).body["left"] == 0
    assert await listed(installer) == {"1": "refused"}
