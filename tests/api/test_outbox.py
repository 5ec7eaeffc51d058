"""Queued calls over REST: accepted durably, answered in time or later, repeated without harm, seen by their owner."""

import asyncio
from typing import Any

from gateway.app import Gateway
from gateway.simulator.fleet import SimulatedStore

PATH = "/api/v1/cloud/order/update"


def order(number: str, **more: object) -> dict[str, Any]:
    return {"order_list": [{"order_no": number, **more}]}


async def until(caller: Any, location: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            item: dict[str, Any] = (await caller("GET", location)).body
            if item["state"] == state:
                return item
            await asyncio.sleep(0.02)


async def test_while_the_cloud_is_there_the_answer_comes_at_once(store: SimulatedStore, pos: Any) -> None:
    answer = await pos("POST", PATH, order("1"), headers={"Prefer": "wait=5"})
    assert (answer.status, answer.body["code"]) == (200, 0)
    assert answer.headers["Preference-Applied"] == "wait=5"


async def test_while_it_is_away_orders_wait_and_arrive_in_order(store: SimulatedStore, pos: Any) -> None:
    await store.cloud.stop()
    answers = [await pos("POST", PATH, order("1", order_type=kind)) for kind in (1, 2, 3)]
    assert [answer.status for answer in answers] == [202, 202, 202]
    assert set(answers[0].body) == {"outbox_id", "state"}
    assert answers[0].headers["Location"] == f"/api/v1/outbox/{answers[0].body['outbox_id']}"
    status = (await pos("GET", "/api/v1/status")).body["outbox"]
    assert status["depth"] == 3
    assert status["oldest_age_s"] >= 0
    await store.cloud.start()
    for answer in answers:
        await until(pos, answer.headers["Location"], "delivered")
    sent = [received.fields["order_list"] for received in store.cloud.received]
    assert [text[text.index("order_type") + 12] for text in sent] == ["1", "2", "3"]


async def test_a_repeat_is_the_same_order(store: SimulatedStore, pos: Any) -> None:
    for _ in range(3):
        assert (await pos("POST", PATH, order("1"))).status == 200
    assert len(store.cloud.received) == 1
    assert (await pos("POST", PATH, order("1", order_type=2))).status == 200
    assert len(store.cloud.received) == 2


async def test_an_idempotency_key(store: SimulatedStore, pos: Any, admin: Any) -> None:
    key = {"Idempotency-Key": "till-1-000017"}
    first = await pos("POST", PATH, order("1"), headers=key)
    again = await pos("POST", PATH, order("1"), headers=key)
    assert first.status == again.status == 200
    assert len(store.cloud.received) == 1
    other = await pos("POST", PATH, order("2"), headers=key)
    assert (other.status, other.body["code"]) == (409, "conflict")
    assert (await admin("POST", PATH, order("2"), headers=key)).status == 200, "every token has its own keys"


async def test_refused_items_stay_until_somebody_acts(store: SimulatedStore, pos: Any) -> None:
    store.cloud.faults.add("refuse", code=5047)
    refused = await pos("POST", PATH, order("1"))
    assert (refused.status, refused.body["code"], refused.body["vendor_code"]) == (422, "vendor_refused", 5047)
    [item] = (await pos("GET", "/api/v1/outbox?state=refused")).body["items"]
    assert item["vendor_code"] == 5047
    location = f"/api/v1/outbox/{item['outbox_id']}"
    assert (await pos("POST", f"{location}/retry")).status == 202
    await until(pos, location, "delivered")
    assert (await pos("POST", f"{location}/retry")).status == 409


async def test_a_till_sees_its_own_alone(gateway: Gateway, store: SimulatedStore, pos: Any, admin: Any) -> None:
    await store.cloud.stop()
    mine = await pos("POST", PATH, order("1"))
    theirs = await admin("POST", PATH, order("2"))
    assert [item["outbox_id"] for item in (await pos("GET", "/api/v1/outbox")).body["items"]] == [
        mine.body["outbox_id"]
    ]
    assert (await pos("GET", theirs.headers["Location"])).status == 404
    assert (await pos("DELETE", theirs.headers["Location"])).status == 404
    assert len((await admin("GET", "/api/v1/outbox")).body["items"]) == 2


async def test_one_call_of_several_orders(store: SimulatedStore, pos: Any) -> None:
    await store.cloud.stop()
    answer = await pos("POST", PATH, {"order_list": [{"order_no": "1"}, {"order_no": "2"}]})
    shown = (await pos("GET", answer.headers["Location"])).body
    assert [item["state"] for item in shown["items"]] == ["waiting", "waiting"]
    await store.cloud.start()
    await until(pos, answer.headers["Location"], "delivered")


async def test_what_waits_is_dropped(store: SimulatedStore, pos: Any) -> None:
    await store.cloud.stop()
    answer = await pos("POST", PATH, order("1"))
    assert (await pos("DELETE", answer.headers["Location"])).status == 204
    assert (await pos("GET", answer.headers["Location"])).status == 404


async def test_bad_queries_are_named(pos: Any) -> None:
    for query, parameter in (("state=gone", "state"), ("limit=0", "limit"), ("after=x", "after"), ("page=1", "page")):
        answer = await pos("GET", f"/api/v1/outbox?{query}")
        assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, parameter)
