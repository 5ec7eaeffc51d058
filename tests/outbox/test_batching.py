"""The pure rules of the outbox: what calls change, and how responses are read and rebuilt."""

import json
from typing import Any

import pytest

from gateway.outbox.batching import (
    aggregate_states,
    combine,
    content_digest,
    contradict,
    merge_texts,
    policy,
    read_outcomes,
    rebuild_response,
    split,
)
from gateway.outbox.model import Batch, BatchEntry, ItemOutcome, Outcome
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.envelope import parse_response

SHOP = {"shop_id": "10096"}


def made(path: str, **arguments: Any) -> Any:
    return CATALOGUE.get("cloud", path).encode(arguments, defaults=SHOP)


def test_a_call_is_split_and_put_together_again() -> None:
    orders = [{"order_no": "A"}, {"order_no": 7, "received_amount": "1.00"}]
    call = made("order/update", order_list=orders)
    shared, items = split(call)
    assert json.loads(shared) == SHOP
    assert [item.keys for item in items] == [("order:10096:A",), ("order:10096:7",)]
    entries = [BatchEntry(item.keys, item.reference, [number], item.text) for number, item in enumerate(items)]
    batch = Batch(call.endpoint, shared, entries)
    assert combine(batch).fields == call.fields


def test_binding_a_label_changes_the_label_and_the_product() -> None:
    [item] = split(made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="2"))[1]
    assert item.keys == ("label:10096:SKDI39DN", "product:10096:1")


def test_updates_merge_field_by_field_and_an_empty_value_is_none() -> None:
    assert json.loads(merge_texts('{"id":"1","name":"Cola","price":"1"}', '{"id":"1","name":"","price":"2"}')) == {
        "id": "1",
        "name": "Cola",
        "price": "2",
    }


@pytest.mark.parametrize(
    ("path", "lists", "text", "state", "redirect_to"),
    [
        ("order/update", {"invalid_list": ["1"]}, "{}", "refused", ""),
        ("order/update", {"invalid_list": []}, "{}", "delivered", ""),
        ("product/create", {"exist_list": ["1"]}, "{}", "waiting", "product/update"),
        ("product/update", {"not_exist_list": [1]}, "{}", "refused", ""),
        ("product/update", {"not_exist_list": ["1"]}, '{"name":"Cola"}', "delivered", ""),
        ("product/update", {"invalid_list": ["1"]}, '{"name":"Cola"}', "refused", ""),
        ("product/delete", {"not_exist_list": ["1"]}, '"1"', "delivered", ""),
    ],
)
def test_what_being_named_means(path: str, lists: dict[str, Any], text: str, state: str, redirect_to: str) -> None:
    response = parse_response(json.dumps({"code": 0, "data": lists}).encode())
    batch = Batch(CATALOGUE.get("cloud", path), "{}", [BatchEntry(("key",), "1", [1], text)])
    [outcome] = read_outcomes(batch, response)
    assert (outcome.state, outcome.redirect_to) == (state, redirect_to)


def test_an_answer_is_rebuilt_from_its_own_items() -> None:
    items = [
        ItemOutcome("1", Outcome("delivered", 0)),
        ItemOutcome("2", Outcome("refused", 5047)),
        ItemOutcome("3", Outcome("delivered", 0)),
    ]
    text = rebuild_response(policy(CATALOGUE.get("cloud", "order/update")), items)
    assert json.loads(text) == {"code": 0, "msg": "succeed", "data": {"invalid_list": ["2"]}}
    assert aggregate_states(["delivered", "refused"]) == "delivered"
    assert aggregate_states(["delivered", "waiting"]) == "waiting"
    assert aggregate_states(["refused", "refused"]) == "refused"


def test_digests_that_were_made_in_another_way_contradict_nothing() -> None:
    one = content_digest(made("order/update", order_list=[{"order_no": "A", "order_type": 1}]))
    same = content_digest(made("order/update", order_list='[{"order_type":1,"order_no":"A"}]'))
    other = content_digest(made("order/update", order_list=[{"order_no": "A", "order_type": 2}]))
    assert not contradict(one, same)
    assert contradict(one, other)
    assert not contradict(b"\x00" + one[1:], other)
    first_kind = one[:1] + bytes(15)
    assert not contradict(first_kind, other), "the first kind had no mark, and any byte may begin it"
    assert contradict(first_kind, bytes(16))
