"""JSON whose numbers keep their digits."""

from decimal import Decimal

import pytest

from firmware_tools.language import count_message
from firmware_tools.list_rows import NumberText, TrimmedText
from gateway.protocol import json_text


@pytest.mark.parametrize(
    "text",
    [
        "10.00",
        "0.10",
        "-3.500",
        "12345678901234567890.123456789",
        "123456789012345678901234567890",
        '{"name":"可口可乐","price":3.20}',
        '"a/b \\" \\\\ \\u0001"',
        "[true,false,null,[],{}]",
        "18446744073709551616",
        "-1E+400",
    ],
)
def test_what_goes_in_comes_out(text: str) -> None:
    assert json_text.dumps(json_text.loads(text)) == text


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "-Infinity", "[1,]", "{'a':1}", "1e99999999999999999999", "[" * 100_000, "1" * 5000]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_text.loads(text)


def test_a_text_of_another_kind_is_a_text() -> None:
    trimmed = TrimmedText("x", " x", is_quoted=False)
    assert json_text.dumps({"name": NumberText("7"), "more": [trimmed]}) == '{"name":"7","more":["x"]}'
    assert json_text.dumps_canonical([NumberText("1.50")]) == b'["1.50"]'
    with pytest.raises(TypeError, match="object is not JSON"):
        json_text.dumps(object())


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(ValueError, match="line 2 column 5"):
        json_text.loads('{"a":1,\n"b":}')


def test_half_a_surrogate_pair_is_read_but_never_written() -> None:
    half = json_text.loads(r'{"name":"\ud800","price":1.50}')
    assert half == {"name": "\ud800", "price": Decimal("1.50")}
    with pytest.raises(UnicodeEncodeError):
        json_text.dumps(half)


def test_a_text_with_a_number_keeps_its_plural_without_half_a_pair() -> None:
    text = count_message("{count} label of {name} is bound", "{count} labels of {name} are bound", 2, name="\ud800")
    assert json_text.make_encodable(text) == "2 labels of ? are bound"


def test_elements_and_members_come_as_they_stand_there() -> None:
    first, second = json_text.split_array('[{"class":7,"price":1.50},{"a":{"class":1},"class":"\u00e9"}]')
    assert (first, second) == (b'{"class":7,"price":1.50}', '{"a":{"class":1},"class":"é"}'.encode())
    assert [json_text.load_member(raw, "class") for raw in (first, second)] == [7, "é"]


def test_what_is_to_be_written_again_leaves_room_around_it() -> None:
    assert json_text.load_shallow(b'{"a": [1.50]}') == json_text.loads('{"a": [1.50]}')
    deep = b"[" * 900 + b"]" * 900
    assert json_text.loads(deep)
    for text in (deep, b"1],[2", b"][", b""):
        with pytest.raises(ValueError, match=r"nested too deeply|Expecting value|Extra data"):
            json_text.load_shallow(text)
