"""The pure rules of responses: which outcome each item has, and the response to the caller made of them."""

import itertools
import json
from decimal import Decimal
from typing import Any, get_args

import pytest

from gateway.outbox.batching import (
    aggregate_states,
    get_relay_policy,
    make_refusal,
    read_outcomes,
    rebuild_response,
)
from gateway.outbox.model import Batch, BatchEntry, ItemOutcome, Outcome, State
from gateway.outbox.named_items import NamedItems, find_named_items
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.envelope import parse_response


def cloud_endpoint(path: str) -> Endpoint:
    return CATALOGUE.get("cloud", path)


def read(path: str, data: Any, *texts: str) -> list[Outcome | None]:
    """Return the outcomes of items 1, 2, … with these texts after a response with this data."""
    entries = [BatchEntry((f"key {n}",), str(n), [n], text) for n, text in enumerate(texts, 1)]
    response = parse_response(json.dumps({"code": 0, "data": data}).encode())
    return read_outcomes(Batch(cloud_endpoint(path), "{}", entries), response)


@pytest.mark.parametrize(
    ("path", "lists", "text", "state", "redirect_to"),
    [
        ("order/update", {"invalid_list": ["1"]}, "{}", "refused", ""),
        ("order/update", {"invalid_list": []}, "{}", "delivered", ""),
        ("product/create", {"exist_list": ["1"]}, "{}", "waiting", "product/update"),
        ("product/update", {"not_exist_list": [1]}, "{}", "refused", ""),
        ("product/update", {"not_exist_list": ["1"]}, '{"name":"Cola"}', "delivered", ""),
        ("product/update", {"not_exist_list": ["1"]}, '{"name":""}', "refused", ""),
        ("product/update", {"invalid_list": ["1"]}, '{"name":"Cola"}', "refused", ""),
        ("product/delete", {"not_exist_list": ["1"]}, '"1"', "delivered", ""),
    ],
)
def test_what_being_named_means(path: str, lists: dict[str, Any], text: str, state: str, redirect_to: str) -> None:
    [outcome] = read(path, lists, text)
    assert outcome is not None
    assert (outcome.state, outcome.redirect_to) == (state, redirect_to)


def test_an_outcome_says_which_list_names_the_item() -> None:
    assert read("order/update", {"invalid_list": ["2"]}, "{}", "{}", "{}") == [
        Outcome("delivered", 0, "success"),
        Outcome("refused", 0, "the cloud takes this order for invalid (invalid_list)", "invalid_list"),
        Outcome("delivered", 0, "success"),
    ]
    assert read("product/create", {"exist_list": ["1"]}, "{}") == [
        Outcome("waiting", result_list="exist_list", redirect_to="product/update")
    ]
    assert read("product/delete", {"not_exist_list": ["1"]}, '"1"') == [
        Outcome("delivered", 0, "success", "not_exist_list")
    ]


def test_a_whole_call_keeps_its_response() -> None:
    response = parse_response(b'{"code": 0, "msg": "\xff"}'.replace(b"\xff", "咖".encode()))
    batch = Batch(cloud_endpoint("product/unbindEsl"), "{}", [BatchEntry(("key",), "5", [1], "{}")])
    assert read_outcomes(batch, response) == [Outcome("delivered", 0, "success", response='{"code": 0, "msg": "咖"}')]


def named(path: str, data: Any, *references: str) -> NamedItems:
    return find_named_items(get_relay_policy(cloud_endpoint(path)), references, {"data": data})


@pytest.mark.parametrize("document", [
    None, [], "x", {}, {"data": None}, {"data": []}, {"data": {"invalid_list": None}}, {"data": {"invalid_list": 0}},
    {"data": {"invalid_list": [None, ""]}}, {"data": {"other_list": ["1"]}},
])  # fmt: skip
def test_a_response_without_entries_names_nothing(document: Any) -> None:
    assert find_named_items(get_relay_policy(cloud_endpoint("order/update")), ["1"], document) == ({}, None)


@pytest.mark.parametrize(("entry", "reference"), [
    ("A", "A"), ("000013", "000013"), (7, "7"), (13, "000013"), ("13", "000013"), (" A ", "A"), ("a", "A"),
    (Decimal("14.0"), "14"),
    ({"order_no": "A", "reason": "B"}, "A"), ({"reason": "bad", "order_no": 13}, "000013"),
    ({"reason": "bad", "id": "OBJ1"}, "OBJ1"), ({"id": "OBJ1"}, "OBJ1"),
])  # fmt: skip
def test_an_entry_names_the_item_that_it_can_mean(entry: Any, reference: str) -> None:
    found = named("order/update", {"invalid_list": [entry]}, "A", "B", "7", "000013", "14", "OBJ1")
    assert found == ({reference: "invalid_list"}, None)


def test_an_entry_that_may_mean_two_items_names_none() -> None:
    assert named("order/update", {"invalid_list": [13]}, "13", "013") == ({}, "invalid_list")
    assert named("order/update", {"invalid_list": ["13"]}, "13", "013") == ({"13": "invalid_list"}, None)


@pytest.mark.parametrize("entry", [
    "C", 8, True, {}, [], ["A"], {"order_no": "C", "id": "A"}, {"id": "A", "reason": "B"}, {"reason": "none"},
    {"order_no": {}},
])  # fmt: skip
def test_an_entry_that_names_no_item_or_several_is_not_swallowed(entry: Any) -> None:
    data = {"invalid_list": ["A", entry]}
    assert named("order/update", data, "A", "B") == ({"A": "invalid_list"}, "invalid_list")


def test_a_single_entry_need_not_stand_in_a_list() -> None:
    assert named("order/update", {"invalid_list": "13"}, "13", "14") == ({"13": "invalid_list"}, None)
    assert named("order/update", {"invalid_list": {"order_no": 13}}, "13", "14") == ({"13": "invalid_list"}, None)


def test_the_first_list_that_names_an_item_holds() -> None:
    first, second = get_relay_policy(cloud_endpoint("product/update")).result_lists
    found = named("product/update", {second: ["1", "2"], first: ["1"]}, "1", "2", "3")
    assert found.lists == {"1": first, "2": second}


def test_a_list_that_is_missing_hides_no_other() -> None:
    first, second = get_relay_policy(cloud_endpoint("product/update")).result_lists
    assert named("product/update", {first: 0, second: ["1"]}, "1").lists == {"1": second}


def test_what_an_unknown_entry_may_mean_has_no_outcome_until_it_was_sent_alone() -> None:
    delivered = Outcome("delivered", 0, "success")
    refused = Outcome("refused", 0, "the cloud takes this order for invalid (invalid_list)", "invalid_list")
    assert read("order/update", {"invalid_list": ["x", "2"]}, "{}", "{}", "{}") == [None, refused, None]
    assert read("order/update", {"invalid_list": ["x"]}, "{}") == [refused]
    assert read("order/update", {"invalid_list": [3]}, "{}", "{}", "{}") == [delivered, delivered, refused]


def test_an_item_that_a_code_refused_keeps_the_code_and_the_response() -> None:
    assert make_refusal(5020, "invalid parameters", {"code": 5020}) == Outcome(
        "refused", 5020, "invalid parameters", response='{"code":5020}'
    )


# The response to the caller


def rebuilt(path: str, *items: ItemOutcome) -> Any:
    return json.loads(rebuild_response(get_relay_policy(cloud_endpoint(path)), items))


def test_an_answer_is_rebuilt_from_its_own_items() -> None:
    assert rebuilt(
        "order/update",
        ItemOutcome("1", Outcome("delivered", 0)),
        ItemOutcome("2", Outcome("refused", 5047)),
        ItemOutcome("3", Outcome("delivered", 0)),
    ) == {"code": 0, "msg": "succeed", "data": {"invalid_list": ["2"]}}


def test_an_item_is_named_in_the_list_of_the_vendor_and_once() -> None:
    refused = ItemOutcome("1", Outcome("refused", 0, result_list="not_exist_list"))
    delivered = ItemOutcome("2", Outcome("delivered", 0, result_list="not_exist_list"))
    assert rebuilt("product/update", refused, delivered, refused)["data"] == {
        "not_exist_list": ["1", "2"],
        "invalid_list": [],
    }


def test_a_list_of_an_earlier_version_is_kept() -> None:
    item = ItemOutcome("1", Outcome("delivered", 0, result_list="exist_list"))
    assert rebuilt("order/update", item)["data"] == {"invalid_list": [], "exist_list": ["1"]}


def test_the_response_to_a_single_item_is_that_of_the_vendor() -> None:
    item = ItemOutcome("5", Outcome("delivered", 0, response='{"code":0,"data":{"task_id":7}}'))
    assert rebuilt("product/unbindEsl", item) == {"code": 0, "data": {"task_id": 7}}


def test_the_response_to_one_of_several_items_is_not_taken_for_that_to_all() -> None:
    item = ItemOutcome("1", Outcome("refused", 5020, response='{"code":5020}'))
    assert rebuilt("order/update", item, item._replace(reference="2"))["data"] == {"invalid_list": ["1", "2"]}


# The state of a submission

DECIDING: tuple[State, ...] = ("sending", "waiting", "delivered", "refused", "expired", "superseded")
"""A submission has the first of these states that one of its items has."""


def test_every_state_decides() -> None:
    assert sorted(DECIDING) == sorted(get_args(State))
    for state in DECIDING:
        assert aggregate_states([state, state]) == state


@pytest.mark.parametrize(("earlier", "later"), list(itertools.combinations(DECIDING, 2)))
def test_the_state_of_a_submission_is_that_of_the_items_that_still_matter(earlier: State, later: State) -> None:
    assert aggregate_states([earlier, later]) == aggregate_states([later, earlier]) == earlier
