"""What a parameter accepts, what it becomes on the wire, and why it refuses the rest."""

from contextlib import suppress
from dataclasses import FrozenInstanceError
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import json_text
from gateway.protocol.parameters import Choice, FilePart, Parameter, PictureFormat
from gateway.protocol.values import InvalidValue

ZOOM = Parameter(name="zoom", type="int", required=True, min=0, max=500)
MODE = Parameter(name="mode", type="int", choices=(Choice(0, "off"), Choice(1, "on")))
ANGLE = Parameter(name="angle", type="int", choices=(Choice(0, "upright"), Choice(180, "upside down")), open=True)
GENDER = Parameter(name="gender", type="string", choices=(Choice("female", "a woman"), Choice("male", "a man")))
PRICE = Parameter(name="price", type="number", min=0)
COUNT = Parameter(name="count", type="int")
PERCENT = Parameter(name="percent", type="int", max=100)
OFFSET = Parameter(name="offset", type="int", min=-5, max=5)
CODE = Parameter(name="code", type="string", min_length=8, max_length=8)
REMARK = Parameter(name="remark", type="string", max_length=3)
SSID = Parameter(name="ssid", type="string", required=True, min_length=1, max_length=32, format="ssid")
PASSWORD = Parameter(
    name="password",
    type="string",
    required=True,
    allow_empty=True,
    min_length=8,
    max_length=64,
    format="wifi_password",
    secret=True,
)
DAY = Parameter(name="day", type="string", format="date", required=True)
NAMES = Parameter(name="names", type="array", items="string", required=True)
EVENTS = Parameter(name="events", type="array", items="int", choices=(Choice(2001, "face"),), open=True)
CLOSED = Parameter(name="closed", type="array", items="int", choices=(Choice(1, "one"),))
TEMPLATE = Parameter(name="template", type="object")
ORDERS = Parameter(
    name="orders",
    type="array",
    items="object",
    required=True,
    properties=(
        Parameter(name="order_no", type="string", required=True),
        Parameter(name="price", type="number", min=0),
        Parameter(name="order_type", type="int", choices=(Choice(1, "normal"),), open=True),
        Parameter(
            name="products",
            type="array",
            items="object",
            properties=(Parameter(name="quantity", type="number"),),
        ),
        Parameter(name="buyer", type="object"),
    ),
)
FILE = Parameter(name="pic", type="file", required=True, max_bytes=100)
LABEL = Parameter(name="pic", type="file", picture_formats=(PictureFormat("SL121", 212, 104, ("black", "white")),))


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        (ZOOM, 0, "0"),
        (ZOOM, 500, "500"),
        (ZOOM, "007", "007"),
        (MODE, 1, "1"),
        (MODE, "0", "0"),
        (ANGLE, 90, "90"),
        (PRICE, 0, "0"),
        (PRICE, Decimal("10.00"), "10.00"),
        (PRICE, "10.00", "10.00"),
        (PRICE, Decimal("1E+2"), "1E+2"),
        (PERCENT, 100, "100"),
        (PERCENT, -7, "-7"),
        (OFFSET, -5, "-5"),
        (OFFSET, 5, "5"),
        (COUNT, 10**19 - 1, "9" * 19),
        (COUNT, 1 - 10**19, "-" + "9" * 19),
        (CODE, "SKDI39DN", "SKDI39DN"),
        (CODE, "", ""),
        (REMARK, "", ""),
        (GENDER, "male", "male"),
        (REMARK, "abc", "abc"),
        (SSID, "x", "x"),
        (SSID, "咖" * 10, "咖" * 10),
        (SSID, " a&b=c ", " a&b=c "),
        (PASSWORD, "", ""),
        (PASSWORD, "12345678", "12345678"),
        (PASSWORD, "0Af9" * 16, "0Af9" * 16),
        (DAY, "2024-02-29", "2024-02-29"),
        (NAMES, ["578968751459"], '["578968751459"]'),
        (NAMES, [578968751459], "[578968751459]"),
        (NAMES, '[ "a" , "b" ]', '["a","b"]'),
        (NAMES, ["示例"], '["示例"]'),
        (EVENTS, [2001, 6001], "[2001,6001]"),
        (EVENTS, "[2001]", "[2001]"),
        (EVENTS, [], "[]"),
        (TEMPLATE, {"a": [1, Decimal("2.50")]}, '{"a":[1,2.50]}'),
        (TEMPLATE, "{}", "{}"),
        (ORDERS, [{"order_no": "1"}], '[{"order_no":"1"}]'),
        (ORDERS, [{"order_no": 1, "price": "3.20"}], '[{"order_no":1,"price":"3.20"}]'),
        (
            ORDERS,
            [{"order_no": "1", "price": "", "order_type": None}],
            '[{"order_no":"1","price":"","order_type":null}]',
        ),
        (ORDERS, [{"order_no": "1", "buyer": {"a": 1}}], '[{"order_no":"1","buyer":{"a":1}}]'),
        (ORDERS, [{"order_no": "1", "tip": {"a": True}}], '[{"order_no":"1","tip":{"a":true}}]'),
        (ORDERS, '[{"order_no":"\\u53ef","price":10.00}]', '[{"order_no":"可","price":10.00}]'),
    ],
)
def test_a_value_becomes_text(parameter: Parameter, value: Any, text: str) -> None:
    assert parameter.encode(value) == text


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        (ZOOM, -1, "must be at most 500, not -1"),
        (ZOOM, 501, "must be at most 500, not 501"),
        (ZOOM, "", "must be an integer"),
        (ZOOM, "+5", "must be an integer"),
        (ZOOM, " 5", "must be an integer"),
        (ZOOM, "5\n", "must be an integer"),
        (ZOOM, "5.0", "must be an integer"),
        (ZOOM, "\u0665", "must be an integer"),
        (ZOOM, "1_0", "must be an integer"),
        (ZOOM, Decimal("5.0"), "must be an integer"),
        (ZOOM, True, "must be an integer, not a boolean"),
        (ZOOM, None, "must be an integer, not null"),
        (ZOOM, [], "must be an integer, not an array"),
        (ZOOM, {}, "must be an integer, not an object"),
        (ZOOM, "9" * 5000, "must be an integer"),
        (PERCENT, 101, "must be at most 100, not 101"),
        (OFFSET, -6, "must be -5 to 5, not -6"),
        (OFFSET, 6, "must be -5 to 5, not 6"),
        (COUNT, 10**19, "must be an integer"),
        (COUNT, -(10**19), "must be an integer"),
        (CODE, "SKDI39D", "must have 8 to 8 characters, not 7"),
        (REMARK, "abcd", "must have at most 3 characters, not 4"),
        (MODE, 2, r"must be one of 0 \(off\), 1 \(on\)"),
        (PRICE, "-0.01", "must be at least 0, not -0.01"),
        (PRICE, "", "must be a number"),
        (PRICE, "NaN", "must be a number"),
        (PRICE, "Infinity", "must be a number"),
        (PRICE, "1_000", "must be a number"),
        (PRICE, " 1", "must be a number"),
        (PRICE, "1,5", "must be a number"),
        (PRICE, "\u0663", "must be a number"),
        (PRICE, "1e999999", "must be a number"),
        (PRICE, False, "must be a number, not a boolean"),
        (PRICE, 1.5, "must be a number, not something else"),
        (SSID, "", "must have 1 to 32 characters, not 0"),
        (SSID, "x" * 33, "must have 1 to 32 characters, not 33"),
        (SSID, 5, "must be a string, not a number"),
        (SSID, Decimal("5.0"), "must be a string, not a number"),
        (GENDER, "other", r"must be one of female \(a woman\), male \(a man\)"),
        (SSID, "\ud800", "must be valid Unicode"),
        (PASSWORD, "1234567", "must have 8 to 64 characters or be empty, not 7"),
        (PASSWORD, "x" * 65, "must have 8 to 64 characters or be empty, not 65"),
        (PASSWORD, "x" * 64, "must have 8 to 63 characters, or be a key of 64 hexadecimal digits"),
        (PASSWORD, "密" * 22, "must have 8 to 63 characters"),
        (PASSWORD, "plenty\u2028of-coffee", "must have neither line breaks"),
        (SSID, "网" * 11, "must have at most 32 bytes in UTF-8, where a Chinese character has 3, not 33"),
        (SSID, "a\x00", "must have neither line breaks nor other control characters"),
        (DAY, "2023-02-29", "must be a date, YYYY-MM-DD"),
        (DAY, "2020-1-1", "must be a date"),
        (DAY, "20200101", "must be a date"),
        (DAY, "2020-W01-1", "must be a date"),
        (DAY, "2020-01-01T00:00", "must be a date"),
        (DAY, "", "must not be empty"),
        (NAMES, [], "must not be empty"),
        (NAMES, "[", "must be valid JSON text"),
        (NAMES, "[" * 100_000, "must be valid JSON text"),
        (NAMES, "[1e99999999999999999999]", "must be valid JSON text"),
        (NAMES, "a,b", "must be valid JSON text"),
        (NAMES, "{}", "must be an array, not an object"),
        (NAMES, 5, "must be an array, not a number"),
        (NAMES, [""], "must be a string that is not empty"),
        (NAMES, [None], "must be a string that is not empty"),
        (NAMES, [True], "must be a string that is not empty"),
        (NAMES, [["a"]], "must be a string that is not empty"),
        (NAMES, ["\udfff"], "must be valid Unicode"),
        (EVENTS, ["x"], "must be an integer"),
        (EVENTS, [True], "must be an integer, not a boolean"),
        (CLOSED, [2], r"must be one of 1 \(one\)"),
        (TEMPLATE, [], "must be an object, not an array"),
        (TEMPLATE, "5", "must be an object, not a number"),
        (ORDERS, [], "must not be empty"),
        (ORDERS, ["1"], "must be an object, not a string"),
        (ORDERS, [{}], "is required"),
        (ORDERS, [{"order_no": ""}], "is required"),
        (ORDERS, [{"order_no": None}], "is required"),
        (ORDERS, [{"order_no": True}], "must be a string, not a boolean"),
        (ORDERS, [{"order_no": "1", "price": -1}], "must be at least 0"),
        (ORDERS, [{"order_no": "1", "tip": 5, "price": -1}], "must be at least 0"),
        (ORDERS, [{"order_no": "1", "order_type": "", "price": -1}], "must be at least 0"),
        (ORDERS, [{"order_no": "1", "buyer": []}], "must be an object, not an array"),
        (ORDERS, [{"order_no": "1", "tip": "\ud800"}], "must be valid Unicode"),
        (FILE, "x", "must be a file: send the call as multipart/form-data"),
    ],
)
def test_a_value_is_refused_with_a_reason(parameter: Parameter, value: Any, reason: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{reason}") as caught:
        parameter.encode(value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("price", ["999999999999999999.99", "1e17", "0.12345678901234567890123", "1e-400", "-0.0"])
def test_a_decimal_in_a_list_keeps_its_digits(price: str) -> None:
    text = ORDERS.encode(f'[{{"order_no":"1","price":{price}}}]')
    assert json_text.loads(text)[0]["price"] == Decimal(price)


@pytest.mark.parametrize("price", ["1e18", "-1e18", "-1e999999", "1000000000000000000.0"])
def test_a_decimal_in_a_list_has_18_digits_before_the_point(price: str) -> None:
    with pytest.raises(InvalidValue, match=r"^must have at most 18 digits before the point$"):
        ORDERS.encode(f'[{{"order_no":"1","price":{price}}}]')


@pytest.mark.parametrize("price", ["-0.01", "-999999999999999999.99"])
def test_a_decimal_in_a_list_is_in_range(price: str) -> None:
    with pytest.raises(InvalidValue, match=f"must be at least 0, not {price}"):
        ORDERS.encode(f'[{{"order_no":"1","price":{price}}}]')


@pytest.mark.parametrize("parameter", [ZOOM, PRICE])
def test_a_number_of_thousands_of_digits_is_refused(parameter: Parameter) -> None:
    with pytest.raises(InvalidValue, match="must be a"):
        parameter.encode(10**5000)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (["1"], "[0]"),
        ([{"order_no": "1"}, {}], "[1].order_no"),
        ([{"order_no": "1", "products": [{"quantity": "1.000"}, {"quantity": "two"}]}], "[0].products[1].quantity"),
        ([{"order_no": "1", "products": {}}], "[0].products"),
        ([{"order_no": "1", "order_type": "one"}], "[0].order_type"),
    ],
)
def test_a_refusal_names_the_place(value: Any, path: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        ORDERS.encode(value)
    assert caught.value.path == path


def test_an_object_nested_too_deeply_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"a": value}
    with pytest.raises(InvalidValue, match=r"^is nested too deeply$"):
        TEMPLATE.encode(value)


def test_a_refusal_never_repeats_a_secret() -> None:
    with pytest.raises(InvalidValue) as caught:
        PASSWORD.encode("hunter2")
    assert "hunter2" not in str(caught.value)


@given(st.integers(min_value=0, max_value=10**12), st.integers(min_value=0, max_value=4))
def test_a_number_keeps_its_digits(units: int, places: int) -> None:
    text = f"{units}.{'0' * places}5"
    assert PRICE.encode(json_text.loads(text)) == text
    assert PRICE.encode(text) == text
    assert (
        ORDERS.encode(json_text.loads(f'[{{"order_no":"1","price":{text}}}]')) == f'[{{"order_no":"1","price":{text}}}]'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_any_value_is_text_or_refused(value: Any) -> None:
    for parameter in (ZOOM, PRICE, SSID, DAY, NAMES, EVENTS, TEMPLATE, ORDERS, FILE):
        with suppress(InvalidValue):
            parameter.encode(value).encode()


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"name": "Zoom", "type": "int"}, "is not a parameter name"),
        ({"name": "a", "type": "array"}, "items belong to arrays, and every array has them"),
        ({"name": "a", "type": "string", "items": "string"}, "items belong to arrays, and every array has them"),
        ({"name": "a", "type": "array", "items": "int", "properties": (MODE,)}, "properties belong to objects"),
        ({"name": "a", "type": "int", "min": 2, "max": 1}, "min is above max"),
        ({"name": "a", "type": "string", "min_length": 2, "max_length": 1}, "min is above max"),
        ({"name": "a", "type": "string", "min": 1}, "min and max are for numbers"),
        ({"name": "a", "type": "string", "max": 1}, "min and max are for numbers"),
        ({"name": "a", "type": "int", "min_length": 1}, "lengths are for strings"),
        ({"name": "a", "type": "int", "max_length": 1}, "lengths are for strings"),
        ({"name": "a", "type": "int", "allow_empty": True}, "lengths are for strings"),
        ({"name": "a", "type": "string", "properties": (MODE,)}, "properties belong to objects"),
        ({"name": "a", "type": "string", "max_bytes": 1}, "max_bytes is for files"),
        ({"name": "a", "type": "string", "picture_formats": LABEL.picture_formats}, "picture formats are for files"),
        (
            {"name": "a", "type": "string", "one_of": "g", "required": True},
            "a member of a group cannot be required by itself",
        ),
        ({"name": "a", "type": "int", "open": True}, "open needs choices"),
        ({"name": "a", "type": "int", "choices": (Choice("1", "one"),)}, "choices of another type"),
        ({"name": "a", "type": "string", "choices": (Choice(1, "one"),)}, "choices of another type"),
        ({"name": "a", "type": "array", "items": "int", "choices": (Choice("1", "one"),)}, "choices of another type"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^parameter '{declared['name']}': {reason}$"):
        Parameter(**declared)


def test_a_default_has_to_fit_its_own_declaration() -> None:
    with pytest.raises(InvalidValue, match=r"^must be at most 1, not 2$"):
        Parameter(name="a", type="int", max=1, default=2)


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "int", "min": 1, "max": 1},
        {"type": "number", "min": 1},
        {"type": "number", "max": 1},
        {"type": "string", "min_length": 1, "max_length": 1},
        {"type": "string", "one_of": "group"},
        {"type": "object", "properties": (MODE,)},
        {"type": "array", "items": "object", "properties": (MODE,)},
        {"type": "array", "items": "string", "choices": (Choice("a", "one"),)},
        {"type": "int", "choices": (Choice(1, "one"),), "open": True, "default": 2},
        {"type": "file", "max_bytes": 1, "picture_formats": LABEL.picture_formats},
    ],
)
def test_a_declaration_that_fits_is_accepted(declared: dict[str, Any]) -> None:
    assert Parameter(name="a", **declared).required is False


@pytest.mark.parametrize(
    ("declaration", "name"),
    [
        (ORDERS, "name"),
        (Choice(1, "one"), "value"),
        (PictureFormat("SL121", 212, 104, ("black",)), "model"),
        (FilePart("a.png", "image/png", b"x"), "data"),
    ],
)
def test_a_declaration_never_changes(declaration: Any, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(declaration, name, "other")
    assert not hasattr(declaration, "__dict__")
    assert isinstance(hash(declaration), int)


def test_equal_declarations_are_equal() -> None:
    assert Parameter(name="zoom", type="int", required=True, min=0, max=500) == ZOOM
    assert repr(ORDERS).count("order_no") == 1
    with pytest.raises(TypeError):
        Parameter("zoom", "int")  # type: ignore[call-arg]


def test_a_description_leaves_out_what_is_not_set() -> None:
    assert MODE.describe() == {
        "name": "mode",
        "type": "int",
        "required": False,
        "choices": [0, 1],
        "choice_meanings": {"0": "off", "1": "on"},
    }
    assert ZOOM.describe() == {"name": "zoom", "type": "int", "required": True, "min": 0, "max": 500}
    assert PASSWORD.describe()["secret"] is True
    assert PASSWORD.describe()["blank"] is True
    assert LABEL.describe()["pictures"] == [
        {"model": "SL121", "width": 212, "height": 104, "colours": ["black", "white"]}
    ]
    everything = Parameter(
        name="a",
        type="string",
        description="What.",
        one_of="group",
        max_length=3,
        default="",
        format="date",
        example="b",
    )
    assert everything.describe() == {
        "name": "a",
        "type": "string",
        "required": False,
        "description": "What.",
        "one_of": "group",
        "max_length": 3,
        "format": "date",
        "example": "b",
    }
    assert Parameter(name="a", type="int", default=0).describe()["default"] == 0
    assert [known["name"] for known in ORDERS.describe()["properties"]] == [
        "order_no",
        "price",
        "order_type",
        "products",
        "buyer",
    ]
