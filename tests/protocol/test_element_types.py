"""Plain elements of lists are checked while they are parsed: never with another result than the checks one by one."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.element_types import make_plain_decoder
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.values import InvalidValue

_CHOICES = (Choice(1, "one"), Choice(2, "two"))
_DAY = Parameter(name="day_that_no_type_can_say", type="string", format="date")
_MEMBERS = (
    Parameter(name="number", type="string", required=True),
    Parameter(name="text", type="string"),
    Parameter(name="short", type="string", min_length=2, max_length=3),
    Parameter(name="needed", type="string", min_length=0, max_length=3),
    Parameter(name="count", type="int", min=0, max=9),
    Parameter(name="kind", type="int", choices=_CHOICES),
    Parameter(name="open_kind", type="int", choices=_CHOICES, open=True),
    Parameter(name="amount", type="number"),
    Parameter(name="price", type="number", min=0, max=5),
    Parameter(name="names", type="array", items="string"),
    Parameter(name="numbers", type="array", items="int"),
    Parameter(
        name="lines",
        type="array",
        items="object",
        properties=(Parameter(name="sku", type="string", required=True), Parameter(name="pieces", type="int")),
    ),
)
_LIST = Parameter(name="order_list", type="array", items="object", required=True, properties=_MEMBERS)
_ONE_BY_ONE = replace(_LIST, properties=(*_MEMBERS, _DAY))
_NUMBERS = [
    Decimal(text)
    for text in ("12.80", "0.0", "-1E-400", "5.00000000000000000001", "4.99", "-0.0", "1E+3", "9e17", "1e18")
]  # fmt: skip
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, 3, 9, 10, -1, 10**17, 10**17 + 1, 10**18, 10**19, -(10**19), 2**64]),
    st.sampled_from(_NUMBERS),
    st.sampled_from(["", "1", "ab", "abc", "abcd", "1.5", "ä€😀", "\ud800", "[]", "{}", "x\u0000"]),
)


def _objects(members: tuple[Parameter, ...]) -> st.SearchStrategy[dict[str, Any]]:
    values = {known.name: st.one_of(_VALUES, *_nested(known)) for known in members}
    optional = {**values, "unknown": _VALUES}
    return st.fixed_dictionaries({}, optional=optional)


def _nested(known: Parameter) -> list[st.SearchStrategy[Any]]:
    if known.type != "array":
        return []
    element = _objects(known.properties) if known.properties else _VALUES
    return [st.lists(element, max_size=2)]


def _encode(parameter: Parameter, value: Any) -> tuple[str, str]:
    try:
        return "", parameter.encode(value)
    except InvalidValue as exc:
        return exc.path, exc.reason


@settings(max_examples=400, deadline=None)
@given(st.lists(_objects(_MEMBERS), max_size=2))
def test_any_list_has_the_same_result_as_without_types(elements: list[Any]) -> None:
    assert make_plain_decoder(_LIST) is not None
    assert make_plain_decoder(_ONE_BY_ONE) is None
    assert _encode(_LIST, elements) == _encode(_ONE_BY_ONE, elements)


@pytest.mark.parametrize("known", _MEMBERS, ids=lambda known: str(known.name))
def test_each_value_of_each_member_has_the_same_result(known: Parameter) -> None:
    values: list[Any] = [
        None,
        True,
        0,
        1,
        3,
        -1,
        10**17,
        10**18,
        10**19,
        2**64,
        *_NUMBERS,
        "",
        "1",
        "abcd",
        "\ud800",
        [],
    ]
    for value in [*values, {}, [1], [""], ["a"], [{}], [{"sku": "7", "pieces": 1}], [{"sku": "7", "pieces": "x"}]]:
        elements = [{"number": "7", known.name: value}]
        assert _encode(_LIST, elements) == _encode(_ONE_BY_ONE, elements), value


def test_an_order_as_tills_send_it_is_plain() -> None:
    orders = next(one for one in CATALOGUE.get("cloud", "order/update").parameters if one.type == "array")
    decoder = make_plain_decoder(orders)
    assert decoder is not None
    decoder.decode(
        '[{"order_no":"7","order_type":1,"received_amount":12.80,"till":"3","product_list":[{"name":"Cola"}]}]'
    )


def test_what_a_type_cannot_say_is_checked_one_by_one() -> None:
    closed = Parameter(name="grade", type="string", choices=(Choice("a", "best"),))
    fractions = Parameter(name="grade", type="object")
    for member in (closed, fractions, _DAY):
        assert make_plain_decoder(replace(_LIST, properties=(member,))) is None
    assert make_plain_decoder(closed) is None
