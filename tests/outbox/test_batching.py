"""The pure rules of the outbox: how calls are split into items and put together again, and what is damaged."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import TooLarge
from gateway.outbox.account import Account
from gateway.outbox.batching import (
    MAX_BATCH_BYTES,
    build_parameters,
    combine,
    compute_content_digest,
    digests_differ,
    find_damage,
    get_relay_policy,
    has_same_content,
    is_merging,
    merge_texts,
    names_shop,
    split,
)
from gateway.outbox.model import Batch, BatchEntry
from gateway.outbox.submission import check_sizes
from gateway.protocol import form
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.parameters import FilePart

SHOP = {"shop_id": "10096"}
GIF = b"GIF89a" + bytes([212, 0, 104, 0])


def cloud_endpoint(path: str) -> Endpoint:
    return CATALOGUE.get("cloud", path)


def made(path: str, **arguments: Any) -> Call:
    return cloud_endpoint(path).encode(arguments, defaults=SHOP)


def picture(content_type: str = "image/gif", data: bytes = GIF) -> Call:
    return cloud_endpoint("device/esl/pushImage").encode(
        {"esl_id": "5"}, files={"pic": FilePart("a", content_type, data)}, defaults=SHOP
    )


def test_an_endpoint_that_is_never_queued_has_no_policy() -> None:
    with pytest.raises(ValueError, match=r"^product/getList is never queued$"):
        get_relay_policy(cloud_endpoint("product/getList"))


# Splitting


def test_a_call_is_split_and_put_together_again() -> None:
    orders = [{"order_no": "A"}, {"order_no": 7, "received_amount": "1.00"}]
    call = made("order/update", order_list=orders)
    shared, items = split(call)
    assert json.loads(shared) == SHOP
    assert [item.keys for item in items] == [("order:10096:A",), ("order:10096:7",)]
    assert [item.reference for item in items] == ["A", "7"]
    entries = [BatchEntry(item.keys, item.reference, [number], item.text) for number, item in enumerate(items)]
    batch = Batch(call.endpoint, shared, entries)
    assert combine(batch, {}) == call


def test_a_call_without_a_list_is_one_item_and_put_together_again_with_its_file() -> None:
    call = picture()
    shared, [item] = split(call)
    assert json.loads(shared) == SHOP
    assert json.loads(item.text) == {"esl_id": "5"}
    assert (item.reference, item.digest) == ("5", None)
    batch = Batch(call.endpoint, shared, [BatchEntry(item.keys, item.reference, [1], item.text)], dict(call.files))
    assert combine(batch, {}) == call


def test_an_element_that_is_an_identifier_is_its_own_reference() -> None:
    items = split(made("product/delete", product_key_list=["1", 2]))[1]
    assert [(item.text, item.reference, item.keys) for item in items] == [
        ('"1"', "1", ("product:10096:1",)),
        ("2", "2", ("product:10096:2",)),
    ]


def test_the_shop_of_the_account_is_filled_in_when_a_call_is_sent() -> None:
    account = Account("https://cloud.invalid", "app", "10096", "")
    for shop, sent in (({}, "10096"), ({"shop_id": "10096"}, "10096"), ({"shop_id": "7"}, "7")):
        call = CATALOGUE.get("cloud", "order/update").encode({"order_list": [{"order_no": "A"}]} | shop, defaults=SHOP)
        shared, [item] = split(account.without_shop(call))
        batch = Batch(call.endpoint, shared, [BatchEntry(item.keys, item.reference, [1], item.text)])
        assert names_shop(batch) == (sent == "7")
        assert combine(batch, account.shop).fields["shop_id"] == sent
        assert combine(batch, {"shop_id": "8", "sunmi_shop_no": "9"}).fields == {
            "order_list": '[{"order_no":"A"}]', **({"shop_id": "7"} if sent == "7" else {"sunmi_shop_no": "9"})
        }  # fmt: skip


def test_binding_a_label_changes_the_label_and_the_product() -> None:
    [item] = split(made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="2"))[1]
    assert item.keys == ("label:10096:SKDI39DN", "product:10096:1")


def test_a_label_that_is_named_in_two_ways_is_changed_under_both_names() -> None:
    [item] = split(made("product/unbindEsl", esl_code="SKDI39DN", esl_id="5"))[1]
    assert (item.keys, item.reference) == (("label:10096:5", "label:10096:SKDI39DN"), "5")


def test_an_identifier_that_is_empty_changes_nothing() -> None:
    [item] = split(made("product/unbindEsl", esl_code="SKDI39DN", esl_id=""))[1]
    assert item.keys == ("label:10096:SKDI39DN",)


@pytest.mark.parametrize(("fields", "shop"), [
    ({"shop_id": "1"}, "1"),
    ({"sunmi_shop_no": "2"}, "2"),
    ({"shop_id": "1", "sunmi_shop_no": "2"}, "1"),
    ({}, ""),
])  # fmt: skip
def test_keys_belong_to_the_shop_of_the_call(fields: dict[str, str], shop: str) -> None:
    listed = Call(cloud_endpoint("order/update"), {**fields, "order_list": '[{"order_no":"A"}]'})
    whole = Call(cloud_endpoint("product/unbindEsl"), {**fields, "esl_code": "SKDI39DN"})
    for call, key in ((listed, f"order:{shop}:A"), (whole, f"label:{shop}:SKDI39DN")):
        shared, [item] = split(call)
        assert json.loads(shared) == fields
        assert item.keys == (key,)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5))
def test_the_sizes_of_items_are_what_they_take_in_a_form(numbers: list[str]) -> None:
    call = made("order/update", order_list=[{"order_no": number} for number in numbers])
    frame, comma = len(form.encode({"order_list": "[]"})), len("%2C")
    sizes = [item.size for item in split(call)[1]]
    assert frame + sum(sizes) - comma == len(form.encode({"order_list": call.fields["order_list"]}))


def test_the_size_of_a_whole_call_is_its_form_without_the_shop_and_its_files() -> None:
    [item] = split(picture())[1]
    assert item.size == len(form.encode({"esl_id": "5"})) + len(GIF)


def test_the_largest_batch_is_the_largest_call_that_the_vendor_takes_less_a_reserve() -> None:
    endpoint = cloud_endpoint("order/update")
    empty = split(made("order/update", order_list=[{"order_no": "A", "remark": ""}]))[1][0].size
    call = made("order/update", order_list=[{"order_no": "A", "remark": "x" * (MAX_BATCH_BYTES - empty)}])
    assert split(call)[1][0].size == MAX_BATCH_BYTES
    longest_shop = {"shop_id": "9" * 20, "sunmi_shop_no": "咖" * 50}
    endpoint.encode({**call.fields, **longest_shop})
    larger = made("order/update", order_list=[{"order_no": "A", "remark": "x" * (MAX_BATCH_BYTES - empty + 1)}])
    with pytest.raises(TooLarge):
        check_sizes(endpoint, split(larger)[1])


def test_only_items_that_their_content_identifies_have_a_digest() -> None:
    one, same, other = split(
        made("order/update", order_list=[{"order_no": "A"}, {"order_no": "A"}, {"order_no": "B"}])
    )[1]
    assert one.digest == same.digest != other.digest
    [update] = split(made("product/update", product_list=[{"id": "7"}]))[1]
    assert update.digest is None


def test_the_digest_of_an_item_is_as_stored_by_earlier_versions() -> None:
    [item] = split(made("order/update", order_list=[{"order_no": "A", "order_type": 1}]))[1]
    assert item.digest == bytes.fromhex("7025ce4ff9762a4f6a44009073400744")


# Comparing


def test_digests_that_were_made_in_another_way_contradict_nothing() -> None:
    one = compute_content_digest(made("order/update", order_list=[{"order_no": "A", "order_type": 1}]))
    same = compute_content_digest(made("order/update", order_list='[{"order_type":1,"order_no":"A"}]'))
    other = compute_content_digest(made("order/update", order_list=[{"order_no": "A", "order_type": 2}]))
    assert not digests_differ(one, same)
    assert digests_differ(one, other)
    assert not digests_differ(b"\x00" + one[1:], other)
    first_kind = one[:1] + bytes(15)
    assert not digests_differ(first_kind, other), "the first kind had no mark, and any byte may begin it"
    assert digests_differ(first_kind, bytes(16))


def test_the_digest_of_a_call_is_as_stored_by_earlier_versions() -> None:
    orders = made("order/update", order_list=[{"order_no": "A", "order_type": 1}])
    assert compute_content_digest(orders).hex() == "01d830b8d8691889282ac190f1d1b21d93"
    assert compute_content_digest(picture()).hex() == "0173aaee880802ae32b2dcf174f18edec8"


@pytest.mark.parametrize("other", [
    made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="3"),
    made("product/bindEsl", product_id="1", esl_id="SKDI39DN", template_id="2"),
    made("product/unbindEsl", esl_code="SKDI39DN"),
    made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="2", shop_id="1"),
])  # fmt: skip
def test_calls_that_differ_in_anything_have_different_digests(other: Call) -> None:
    call = made("product/bindEsl", product_id="1", esl_code="SKDI39DN", template_id="2")
    assert digests_differ(compute_content_digest(call), compute_content_digest(other))


def test_a_digest_covers_the_content_of_a_file_and_not_what_its_sender_calls_it() -> None:
    assert compute_content_digest(picture()) == compute_content_digest(picture("image/x"))
    assert digests_differ(compute_content_digest(picture()), compute_content_digest(picture(data=GIF + b"\0")))


@pytest.mark.parametrize(("one", "other", "same"), [
    ('{"a":1,"b":2}', '{"a":1,"b":2}', True),
    ('{"a":1,"b":2}', '{"b":2,"a":1}', True),
    ('{"a":1.0}', '{"a":1.00}', True),
    ('{"a":[1,2]}', '{"a":[2,1]}', False),
    ('{"a":1}', '{"a":"1"}', False),
    ("{broken", "{broken", True),
    ("{broken", "{}", False),
    ("{}", "{broken", False),
])  # fmt: skip
def test_the_content_of_items_is_compared_whatever_the_order_of_members(one: str, other: str, same: bool) -> None:
    assert has_same_content(one, other) is same


# Merging


@pytest.mark.parametrize(("older", "newer", "merged"), [
    ('{"id":"1","name":"","unit":"l"}', '{"id":"1","name":"Cola"}', {"id": "1", "name": "Cola", "unit": "l"}),
    ('{"id":"1","unit":"l"}', '{"id":"1","name":"","price":null}', {"id": "1", "unit": "l", "name": "", "price": None}),
    ('{"id":"1","unit":null}', '{"id":"1","unit":""}', {"id": "1", "unit": ""}),
    ('{"id":"1"}', '{"id":"1","name":"Cola"}', {"id": "1", "name": "Cola"}),
    ('{"id":"1","price":2}', '{"id":"1","price":0}', {"id": "1", "price": 0}),
    ('{"id":"1","price":1}', '{"id":"1","price":2.50}', {"id": "1", "price": 2.5}),
])  # fmt: skip
def test_updates_merge_field_by_field(older: str, newer: str, merged: dict[str, Any]) -> None:
    assert json.loads(merge_texts(older, newer) or "") == merged


@pytest.mark.parametrize("emptied", ['""', "null"])
def test_an_update_that_empties_a_field_is_not_merged_with_one_that_gives_it(emptied: str) -> None:
    assert merge_texts('{"id":"1","price":5}', f'{{"id":"1","price":{emptied},"unit":"l"}}') is None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ('{"name":"a"}', "{}"),
        ('{"name":"a"}', "[]"),
        ('{"name":"a"}', '{"price":1}'),
        ('["a","b"]', '["a"]'),
        ('"a"', '["a"]'),
        ('{"name":"a"}', '"a"'),
    ],
)
def test_objects_and_lists_are_not_merged_with_others(older: str, newer: str) -> None:
    """Whether the cloud replaces one or adds to it is not known."""
    assert merge_texts(f'{{"id":"1","more":{older}}}', f'{{"id":"1","more":{newer}}}') is None
    same = f'{{"id":"1","more":{older}}}'
    assert json.loads(merge_texts(same, same) or "") == json.loads(same)


def test_a_merged_number_keeps_its_digits() -> None:
    assert '"price":2.50' in (merge_texts('{"id":"1","price":1.10}', '{"id":"1","price":2.50}') or "")


@pytest.mark.parametrize(
    ("path", "merged"),
    [("product/update", True), ("product/create", False), ("product/bindEsl", False), ("product/getList", False)],
)
def test_only_updates_of_products_are_merged(path: str, merged: bool) -> None:
    assert is_merging(cloud_endpoint(path)) is merged


# Stored items


def test_the_parameters_of_an_item_of_a_list_are_a_list_with_this_item() -> None:
    found = build_parameters(cloud_endpoint("order/update"), {"shop_id": "1"}, '{"order_no":"A","price":1.50}')
    assert found == {"shop_id": "1", "order_list": [{"order_no": "A", "price": Decimal("1.50")}]}


def test_the_parameters_of_a_whole_call_are_its_own_and_the_shop() -> None:
    found = build_parameters(cloud_endpoint("product/unbindEsl"), {"shop_id": "1"}, '{"esl_id":"5"}')
    assert found == {"shop_id": "1", "esl_id": "5"}


@pytest.mark.parametrize(("path", "text"), [
    ("order/update", '{"order_no":"A","price":1}'),
    ("product/update", '{"id":"7","price":1}'),
    ("product/delete", '"7"'),
    ("product/unbindEsl", '{"esl_id":"5"}'),
])  # fmt: skip
def test_content_that_can_be_sent_is_not_damaged(path: str, text: str) -> None:
    assert find_damage(cloud_endpoint(path), '{"shop_id":"1"}', text) is None


NOT_TEXTS = "its content cannot be read: its parameters are not texts by name"


@pytest.mark.parametrize(("path", "shared", "text", "damage"), [
    ("order/update", "{}", "", "its content was lost when the database was damaged"),
    ("order/update", "[1]", "{}", NOT_TEXTS),
    ("order/update", '{"shop_id":1}', "{}", NOT_TEXTS),
    ("product/unbindEsl", "{}", '{"esl_id":5}', NOT_TEXTS),
    ("product/unbindEsl", "{}", '"5"', NOT_TEXTS),
    ("product/update", "{}", '"7"', "its content cannot be read: it is not an object"),
])  # fmt: skip
def test_content_that_cannot_be_sent_is_damaged(path: str, shared: str, text: str, damage: str) -> None:
    assert find_damage(cloud_endpoint(path), shared, text) == damage


@pytest.mark.parametrize(("shared", "text"), [("{broken", "{}"), ("{}", "{broken")])
def test_content_that_is_no_json_is_damaged(shared: str, text: str) -> None:
    damage = find_damage(cloud_endpoint("order/update"), shared, text)
    assert damage is not None
    assert damage.startswith("its content cannot be read: ")


@pytest.mark.parametrize(("shared", "named"), [
    ('{"shop_id":"7"}', True),
    ('{"sunmi_shop_no":"7"}', True),
    ('{"shop_id":"7","sunmi_shop_no":""}', True),
    ('{"shop_id":""}', False),
    ("{}", False),
])  # fmt: skip
def test_items_name_a_shop_by_either_of_its_keys(shared: str, named: bool) -> None:
    assert names_shop(Batch(cloud_endpoint("order/update"), shared, [])) is named
