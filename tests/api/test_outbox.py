"""Queued calls through the REST API: responses, repeats, refusals, and what a person can do."""

import asyncio
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.doctor.check import CheckContext
from gateway.doctor.machine import check_outbox
from gateway.simulator.cloud_state import LabelTemplate
from gateway.simulator.store import SimulatedStore
from tests.waiting import until

PATH = "/api/v1/cloud/order/update"
NOW = {"Prefer": "wait=0"}


def orders(*numbers: str, **more: Any) -> dict[str, Any]:
    return {"order_list": [{"order_no": number, **more} for number in numbers]}


async def drained(gateway: Gateway) -> None:
    while gateway.outbox.depth:  # polled as a till would
        await asyncio.sleep(0.02)


async def test_the_response_is_the_vendors_if_it_comes_in_time(store: SimulatedStore, pos: Any) -> None:
    answer = await pos("POST", PATH, orders("1"), headers={"Prefer": "wait=5"})
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=5")
    assert answer.body == {"code": 0, "msg": "succeed", "data": {"invalid_list": []}}


async def test_a_waiting_item_is_delivered(store: SimulatedStore, gateway: Gateway, pos: Any, admin: Any) -> None:
    store.cloud.faults.latency_s = 0.3
    answer = await pos("POST", PATH, orders("1", "2"), headers=NOW)
    assert (answer.status, answer.body["state"]) == (202, "waiting")
    assert answer.headers["Location"] == f"/api/v1/outbox/{answer.body['outbox_id']}"
    await drained(gateway)
    shown = await pos("GET", answer.headers["Location"])
    assert shown.body["state"] == "delivered"
    assert [item["state"] for item in shown.body["items"]] == ["delivered", "delivered"]
    one = shown.body["items"][0]
    assert one["parameters"] == {"shop_id": store.shop_id, "order_list": [{"order_no": "1"}]}
    assert (await admin("GET", f"/api/v1/outbox/{one['outbox_id']}")).body == one


async def test_a_key_makes_a_repeat_return_the_first_outcome(store: SimulatedStore, pos: Any) -> None:
    key = {"Idempotency-Key": "k", "Prefer": "wait=5"}
    first = await pos("POST", PATH, orders("1"), headers=key)
    again = await pos("POST", PATH, orders("1"), headers=key)
    other = await pos("POST", PATH, orders("2"), headers=key)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert (other.status, other.body["code"]) == (409, "conflict")
    assert len(store.cloud.accepted) == 1


async def test_without_a_key_an_order_with_the_same_content_is_a_repeat(store: SimulatedStore, pos: Any) -> None:
    wait = {"Prefer": "wait=5"}
    for more, calls in (({"a": 1, "b": 2}, 1), ({"b": 2, "a": 1}, 1), ({"a": 1, "b": 3}, 2)):
        answer = await pos("POST", PATH, orders("1", **more), headers=wait)
        assert (answer.status, len(store.cloud.accepted)) == (200, calls), more


@pytest.mark.parametrize("named", [True, False])
async def test_refused_items_wait_for_a_person(store: SimulatedStore, gateway: Gateway, pos: Any, named: bool) -> None:
    """All refused is a failure, some refused is not."""
    body = {"product_list": [{"id": "1", "price": "2"}, *([{"id": "2", "name": "Cola"}] if named else [])]}
    answer = await pos("POST", "/api/v1/cloud/product/update", body, headers={"Prefer": "wait=5"})
    assert answer.status == (200 if named else 422), answer.body
    listed = (answer.body if named else answer.body["vendor_answer"])["data"]["not_exist_list"]
    assert listed == (["1", "2"] if named else ["1"])
    [refused] = (await pos("GET", "/api/v1/outbox?state=refused&path=product/update")).body["items"]
    where = f"/api/v1/outbox/{refused['outbox_id']}"
    wrong = await pos("PUT", where, {"parameters": {"product_list": [{"id": "1", "price": -1}]}})
    assert (wrong.status, wrong.body["code"]) == (400, "invalid_request")
    corrected = {"product_list": [{"id": "1", "name": "Lemonade", "price": 1.50}]}
    assert (await pos("PUT", where, {"parameters": corrected})).status == 200
    await drained(gateway)
    assert (await pos("GET", where)).body["state"] == "delivered"
    assert store.cloud.state.shops[store.shop_id].products["1"]["name"] == "Lemonade"
    assert (await pos("POST", f"{where}/retry")).status == 409
    assert (await pos("DELETE", where)).status == 409


async def test_a_till_sees_only_its_own_items(gateway: Gateway, pos: Any, installer: Any) -> None:
    await installer("POST", PATH, orders("1"), headers={"Prefer": "wait=5"})
    assert (await pos("GET", "/api/v1/outbox")).body == {"items": [], "next": None}
    [item] = (await installer("GET", "/api/v1/outbox")).body["items"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
        assert (await pos(method, f"/api/v1/outbox/{item['outbox_id']}{path}")).status == 404


async def test_while_the_cloud_is_away_no_caller_waits(store: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    await store.cloud.stop()
    for number in range(3):
        answer = await pos("POST", PATH, orders(str(number)), headers={"Prefer": "wait=1"})
        assert answer.status == 202
    page = await pos("GET", "/api/v1/outbox?limit=2")
    rest = await pos("GET", f"/api/v1/outbox?limit=2&after={page.body['next']}")
    assert [len(page.body["items"]), len(rest.body["items"]), rest.body["next"]] == [2, 1, None]
    dropped = page.body["items"][1]["outbox_id"]
    assert (await pos("DELETE", f"/api/v1/outbox/{dropped}")).status == 204
    assert (await pos("GET", f"/api/v1/outbox/{dropped}")).status == 404
    status = await pos("GET", "/api/v1/status")
    assert (status.body["outbox"]["depth"], bool(status.body["relay"]["away"])) == (2, True)
    await store.cloud.start()
    await drained(gateway)
    assert len(store.cloud.state.shops[store.shop_id].orders) == 2


async def test_the_wait_ends_when_the_cloud_refuses_the_connection(store: SimulatedStore, pos: Any) -> None:
    await store.cloud.stop()
    async with asyncio.timeout(25):  # noqa: TID251  shorter than the wait
        answer = await pos("POST", PATH, orders("1"), headers={"Prefer": "wait=30"})
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=30")


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "limit=x", "after=-1", "colour=red"])
async def test_a_wrong_query_parameter_is_named(pos: Any, query: str) -> None:
    answer = await pos("GET", f"/api/v1/outbox?{query}")
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert answer.body["errors"][0]["parameter"] == query.partition("=")[0]


async def test_an_unbinding_with_a_lost_response_is_delivered(store: SimulatedStore, installer: Any, pos: Any) -> None:
    wait = {"Prefer": "wait=20"}
    store.cloud.state.shops[store.shop_id].templates["201"] = LabelTemplate("201", "A template", 1, 1, "{}")
    label = (await installer("POST", "/api/v1/cloud/device/esl/bind", {"esl_code": "SKDI39DN"})).body["data"]["esl_id"]
    product = {"product_list": [{"id": "77", "name": "Milk", "price": "1.20"}]}
    assert (await pos("POST", "/api/v1/cloud/product/create", product, headers=wait)).status == 200
    bound = {"esl_id": label, "product_id": "77", "template_id": "201"}
    assert (await pos("POST", "/api/v1/cloud/product/bindEsl", bound, headers=wait)).status == 200
    store.cloud.faults.add("reset_after", path="product/unbindEsl")
    answer = await pos("POST", "/api/v1/cloud/product/unbindEsl", {"esl_id": label}, headers=wait)
    assert (answer.status, answer.body["code"]) == (200, 0)
    assert store.cloud.request_paths.count("product/unbindEsl") == 2


async def test_a_cloud_that_cannot_be_understood_is_not_away(store: SimulatedStore, gateway: Gateway, pos: Any) -> None:
    store.cloud.faults.add("html", times=None)
    assert (await pos("POST", PATH, orders("1"), headers={"Prefer": "wait=0"})).status == 202
    await until(lambda: gateway.outbox.unclear is not None)
    relay = (await pos("GET", "/api/v1/status")).body["relay"]
    assert (relay["away"], "an HTML page" in relay["unclear"]) == (None, True)
    context = CheckContext(gateway.settings, gateway)
    assert "cannot be read" in " ".join(finding.what for finding in await check_outbox(context))
    store.cloud.faults.clear()
    await until(lambda: not gateway.outbox.depth)
    assert gateway.outbox.unclear is None
