"""The pure rules of the outbox: which calls wait, what they change, and how answers are read and rebuilt."""

import json
from typing import Any

import pytest

from gateway.outbox.batching import (
    Fate,
    Member,
    aggregate,
    combine,
    content_digest,
    contradict,
    fates,
    merged,
    rebuilt,
    split,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.envelope import parse_response
from gateway.protocol.relay_policy import OrderKey, RelayPolicy

SHOP = {"shop_id": "10096"}
QUEUED = {
    "order/update", "product/create", "product/update", "product/delete", "product/bindEsl", "product/unbindEsl",
    "product/updateTemplate", "device/esl/pushImage", "device/esl/flashLed",
}  # fmt: skip


def made(path: str, **arguments: Any) -> Any:
    return CATALOGUE.get("cloud", path).encode(arguments, defaults=SHOP)


def test_only_writes_that_may_wait_are_queued() -> None:
    assert {endpoint.path for endpoint in CATALOGUE.endpoints if endpoint.relay is not None} == QUEUED


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_keys": ()},
        {"order_keys": (OrderKey("order", ("a",)), OrderKey("product", ("b",)))},
        {"order_keys": (OrderKey("order"),)},
        {"order_keys": (OrderKey("order", ("a",)),), "max_batch_size": 2},
        {"order_keys": (OrderKey("order", ("a",)),), "on_newer": "replace", "barrier": True},
        {
            "order_keys": (OrderKey("order", ("a",)),),
            "list_parameter": "list",
            "result_lists": {"exist_list": "redirected"},
        },
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="relay policy"):
        RelayPolicy(**wrong)


def test_a_call_is_split_and_put_together_again() -> None:
    orders = [{"order_no": "A"}, {"order_no": 7, "received_amount": "1.00"}]
    call = made("order/update", order_list=orders)
    shared, items = split(call)
    assert json.loads(shared) == SHOP
    assert [item.keys for item in items] == [("order:10096:A",), ("order:10096:7",)]
    assert combine(call.endpoint, shared, [item.text for item in items]).fields == call.fields


def test_binding_a_label_changes_the_label_and_the_product() -> None:
    [item] = split(made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="2"))[1]
    assert item.keys == ("label:10096:SKDI39DN", "product:10096:1")


def test_updates_merge_field_by_field_and_an_empty_value_is_none() -> None:
    assert json.loads(merged('{"id":"1","name":"Cola","price":"1"}', '{"id":"1","name":"","price":"2"}')) == {
        "id": "1",
        "name": "Cola",
        "price": "2",
    }


@pytest.mark.parametrize(
    ("path", "lists", "text", "state", "instead"),
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
def test_what_being_named_means(path: str, lists: dict[str, Any], text: str, state: str, instead: str) -> None:
    answer = parse_response(json.dumps({"code": 0, "data": lists}).encode())
    [fate] = fates(CATALOGUE.get("cloud", path), answer, [("1", text)])
    assert (fate.state, fate.instead) == (state, instead)


def test_an_answer_is_rebuilt_from_its_own_items() -> None:
    members = [Member("1", Fate("delivered", 0)), Member("2", Fate("refused", 5047)), Member("3", Fate("delivered", 0))]
    text = rebuilt(CATALOGUE.get("cloud", "order/update"), members)
    assert json.loads(text) == {"code": 0, "msg": "succeed", "data": {"invalid_list": ["2"]}}
    assert aggregate(["delivered", "refused"]) == "delivered"
    assert aggregate(["delivered", "waiting"]) == "waiting"
    assert aggregate(["refused", "refused"]) == "refused"


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
