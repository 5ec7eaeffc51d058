"""The signature: the vendor's worked examples, and what the rules say of odd values."""

import hashlib
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.signing import add_signature, sign, string_to_sign

ACTIVATION = {"app_id": "JO83UNV983U9OR", "random": "289192", "sn": "FS101D8BS00106", "timestamp": "1593029283"}

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
PARAMETERS = st.dictionaries(NAMES, TEXT, max_size=8)


def test_the_worked_activation() -> None:
    assert string_to_sign(ACTIVATION, "12345678") == (
        "app_id=JO83UNV983U9OR&random=289192&sn=FS101D8BS00106&timestamp=1593029283&key=12345678"
    )
    assert sign(ACTIVATION, "12345678") == "72CB1C1031D3BA103D2FA1A57E171C2D"


def test_the_worked_authentication() -> None:
    parameters = {
        "user_id": "29389",
        "environment": "test",
        "product_id": "389238",
        "content": "newproductmask",
        "app_id": "2039dds",
        "timestamp": "1593029283",
        "random": "289192",
    }
    assert sign(parameters, "kdsofkdsnflke9382938k") == "4AB07ACA8AC43AC0FD83718BF4D740E1"


def test_a_given_signature_takes_no_part() -> None:
    assert sign({**ACTIVATION, "sign": "ANYTHING"}, "12345678") == "72CB1C1031D3BA103D2FA1A57E171C2D"


def test_empty_values_take_no_part() -> None:
    assert sign({**ACTIVATION, "password": ""}, "12345678") == "72CB1C1031D3BA103D2FA1A57E171C2D"
    assert string_to_sign({"a": "", "b": ""}, "k") == "key=k"


def test_zero_is_not_empty() -> None:
    assert string_to_sign({"resolution": "0"}, "k") == "resolution=0&key=k"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"ipc_name": "示例设备"}, "ipc_name=示例设备&key=k"),
        ({"name": "Zürich ☕ 🙂"}, "name=Zürich ☕ 🙂&key=k"),
        ({"event_list": "[2001]"}, "event_list=[2001]&key=k"),
        ({"product_list": '[{"id":"1","name":"\\u53ef"}]'}, 'product_list=[{"id":"1","name":"\\u53ef"}]&key=k'),
        ({"password": "a&b=c&key=d"}, "password=a&b=c&key=d&key=k"),
        ({"name": " two  blanks "}, "name= two  blanks &key=k"),
        ({"name": "a%20b+c"}, "name=a%20b+c&key=k"),
        ({"focus_y": "2", "focus_x": "1", "focus": "3"}, "focus=3&focus_x=1&focus_y=2&key=k"),
    ],
)
def test_the_text_is_signed_as_it_is(parameters: dict[str, str], text: str) -> None:
    assert string_to_sign(parameters, "k") == text
    assert sign(parameters, "k") == hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def test_the_public_parameters_are_added() -> None:
    made = add_signature(
        {"sn": "FS101D8BS00106"}, app_id="JO83UNV983U9OR", key="12345678", timestamp=1593029283, random="289192"
    )
    assert made == {**ACTIVATION, "sign": "72CB1C1031D3BA103D2FA1A57E171C2D"}


@given(PARAMETERS, TEXT)
def test_a_signature_is_32_digits_whatever_the_values(parameters: dict[str, str], key: str) -> None:
    made = sign(parameters, key)
    assert len(made) == 32
    assert set(made) <= set("0123456789ABCDEF")


@given(PARAMETERS, TEXT)
def test_the_order_of_the_parameters_does_not_matter(parameters: dict[str, str], key: str) -> None:
    assert sign(dict(reversed(parameters.items())), key) == sign(parameters, key)


@given(PARAMETERS)
def test_the_other_side_reads_the_same_from_the_form(parameters: dict[str, str]) -> None:
    sent = add_signature(parameters, app_id="JO83UNV983U9OR", key="secret", timestamp=1593029283, random="289192")
    received = dict(parse_qsl(urlencode(sent), keep_blank_values=True))
    assert received == sent
    assert sign(received, "secret") == received["sign"]


@given(PARAMETERS, NAMES, st.text(alphabet="0123456789abcdef", min_size=1, max_size=8))
def test_another_value_makes_another_signature(parameters: dict[str, str], name: str, value: str) -> None:
    if name != "sign" and parameters.get(name, "") != value:
        assert sign({**parameters, name: value}, "k") != sign(parameters, "k")
