"""Bodies that hold nothing but a list: what is taken in passing is what the patient check takes, to the same items."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, TooLarge
from gateway.outbox.batching import split
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.parameters import Parameter

SHOP = {"shop_id": "10096", "sunmi_shop_no": ""}
PATHS = ("order/update", "product/create", "product/update", "product/delete")

ODD = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.integers(), st.decimals(allow_nan=False, allow_infinity=False),
    st.just("12.80"), st.lists(st.integers(), max_size=2), st.just({"x": 1}),
)  # fmt: skip


def plain(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return values that are as the catalogue declares them."""
    low = 0 if parameter.min is None else parameter.min
    match parameter.type:
        case "string":
            return st.text(min_size=1, max_size=8)
        case "int":
            return st.integers(low, 2**40)
        case "number":
            return st.integers(low, 2**40) | st.decimals(low, 10**9, places=3)
        case _:
            return st.lists(element(parameter, plain), max_size=3)


def odd(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return values that mostly are as the catalogue declares them."""
    return st.one_of(plain(parameter), plain(parameter), ODD)


def element(parameter: Parameter, member: Any) -> st.SearchStrategy[Any]:
    if parameter.items == "string":
        return st.text(min_size=1) if member is plain else ODD
    known = {one.name: member(one) for one in parameter.properties}
    needed = {one.name: known.pop(one.name) for one in parameter.properties if one.required}
    more = {} if member is plain else {"unknown": ODD}
    return st.fixed_dictionaries(needed, optional=known | more)


def listed(path: str) -> tuple[Endpoint, Parameter]:
    endpoint = CATALOGUE.get("cloud", path)
    assert endpoint.relay is not None
    [parameter] = [one for one in endpoint.parameters if one.name == endpoint.relay.list_parameter]
    return endpoint, parameter


def patiently(endpoint: Endpoint, body: bytes) -> Call:
    return endpoint.encode(json_text.loads(body), defaults=SHOP)


def items(call: Call) -> list[tuple[Any, ...]]:
    shared, found = split(call)
    return [(shared, item.reference, item.keys, json_text.loads(item.text)) for item in found]


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25)
@given(st.data())
def test_what_is_plainly_as_declared_is_read_in_passing_to_the_letter(path: str, data: st.DataObject) -> None:
    endpoint, parameter = listed(path)
    elements = data.draw(st.lists(element(parameter, plain), min_size=1, max_size=4))
    body = json_text.dumps({parameter.name: elements}).encode()
    call = endpoint.parse(body, defaults=SHOP)
    assert call is not None
    expected = patiently(endpoint, body)
    assert call.fields == expected.fields
    assert split(call) == split(expected)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=25)
@given(st.data())
def test_nothing_is_taken_in_passing_that_the_patient_check_refuses(path: str, data: st.DataObject) -> None:
    endpoint, parameter = listed(path)
    elements = data.draw(st.lists(element(parameter, odd), max_size=3))
    body = json_text.dumps({parameter.name: elements}, indent=data.draw(st.sampled_from((None, 2)))).encode()
    call = endpoint.parse(body, defaults=SHOP)
    if call is not None:
        assert items(call) == items(patiently(endpoint, body))


def parsed(body: str) -> Call | None:
    return CATALOGUE.get("cloud", "order/update").parse(body.encode(), defaults=SHOP)


def test_digits_stay_as_they_came_and_blanks_go() -> None:
    call = parsed('{ "order_list" : [ { "order_no" : "A 1" ,\n "purchase_amount" : 10.00, "payment_type": 2 } ] }')
    assert call is not None
    assert call.fields == {
        "shop_id": "10096", "order_list": '[{"order_no":"A 1","purchase_amount":10.00,"payment_type":2}]',
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        '{"order_list":[{"order_no":"1","colour":"red"}]}',
        '{"order_list":[{"order_no":"1"}],"shop_id":"7"}',
        '{"order_list":[{"order_no":"1","purchase_amount":"12.80"}]}',
        '{"order_list":[{"order_no":"1","cashier_no":"\\ud800"}]}',
        '{"order_list":[{"order_no":"1","cashier_no":"line\nbreak"}]}',
        '{"order_list":[{"order_no":"1","purchase_amount":1e400}]}',
        '{"order_list":[{"order_no":""}]}',
        '{"order_list":[{}]}',
        '{"order_list":[]}',
        '{"order_list":"[]"}',
        '{"order_list":[{"order_no":"1"}]} more',
        '{"order_list":' + "[" * 100_000,
        "",
        "[]",
    ],
)
def test_what_is_not_plainly_as_declared_is_left_to_the_patient_check(body: str) -> None:
    assert parsed(body) is None


def test_a_call_whose_shop_nobody_named_is_left_to_the_patient_check() -> None:
    body = b'{"order_list":[{"order_no":"1"}]}'
    endpoint = CATALOGUE.get("cloud", "order/update")
    assert endpoint.parse(body, defaults={"shop_id": ""}) is None
    with pytest.raises(InvalidRequest, match="shop_id: is required"):
        endpoint.encode(json_text.loads(body), defaults={"shop_id": ""})


def test_what_is_too_large_for_the_vendor_is_refused() -> None:
    with pytest.raises(TooLarge, match="order/update"):
        parsed('{"order_list":[{"order_no":"%s"}]}' % ("1" * 1_100_000))


@pytest.mark.parametrize("number", ["999999999999999999.99", "1e17", "0.12345678901234567890123", "-0.0", "1e-400"])
def test_a_number_is_taken_whichever_way_it_is_read(number: str) -> None:
    body = f'{{"order_list":[{{"order_no":"1","purchase_amount":{number}}}]}}'
    fields = patiently(CATALOGUE.get("cloud", "order/update"), body.encode()).fields
    assert json_text.loads(fields["order_list"])[0]["purchase_amount"] == Decimal(number)


@pytest.mark.parametrize("number", ["1e18", "-1e999999", "1000000000000000000.0"])
def test_a_number_that_is_too_large_is_refused(number: str) -> None:
    body = f'{{"order_list":[{{"order_no":"1","purchase_amount":{number}}}]}}'
    assert parsed(body) is None
    with pytest.raises(InvalidRequest, match="at most 18 digits"):
        patiently(CATALOGUE.get("cloud", "order/update"), body.encode())
