"""The envelope around a response, and everything that is none."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import json_text
from gateway.protocol.envelope import MalformedResponse, parse_response


def test_an_answer() -> None:
    raw = b'{"code":0,"msg":"succeed","data":{"price":10.00}}'
    response = parse_response(raw)
    assert response.code == 0
    assert response.data == {"price": Decimal("10.00")}
    assert str(response.data["price"]) == "10.00"
    assert response.raw == raw
    assert json_text.dumps(response.document).encode() == raw


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"code":0}', 0),
        (b'{"code":"0"}', 0),
        (b'{"code":"5041","msg":"success"}', 5041),
        (b'{"code":-1}', -1),
        (b'{"code":"-1"}', -1),
        (b' {"data":null,"code":5000} \r\n', 5000),
    ],
)
def test_a_code_is_read(raw: bytes, code: int) -> None:
    response = parse_response(raw)
    assert response.code == code
    assert response.data == {}


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "nothing"),
        (b" \r\n", "nothing"),
        (b"<html><body>502</body></html>", "an HTML page"),
        (b"\n<!DOCTYPE html>", "an HTML page"),
        (b"code=0", "something other than JSON"),
        (b'{"code":0', "something other than JSON"),
        (b'{"code":0}{"code":0}', "something other than JSON"),
        (b'{"code":NaN}', "something other than JSON"),
        (b"\xff\xfe\x00", "something other than JSON"),
        (b"[" * 100_000, "something other than JSON"),
        (b'{"code":0,"data":1e99999999999999999999}', "something other than JSON"),
        (b'{"code":' + b"1" * 5000 + b"}", "something other than JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"0"', "not an object"),
        (b"{}", "without a code"),
        (b'{"code":null}', "without a code"),
        (b'{"code":true}', "without a code"),
        (b'{"code":""}', "without a code"),
        (b'{"code":"-"}', "without a code"),
        (b'{"code":"--5"}', "without a code"),
        (b'{"code":"5-"}', "without a code"),
        (b'{"code":"1e3"}', "without a code"),
        ('{"code":"٣"}'.encode(), "without a code"),
        (b'{"code":0.0}', "without a code"),
        (b'{"code":[0]}', "without a code"),
    ],
)
def test_garbage_is_named(raw: bytes, what: str) -> None:
    with pytest.raises(MalformedResponse, match=what):
        parse_response(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_response_or_garbage(raw: bytes) -> None:
    with suppress(MalformedResponse):
        parse_response(raw)
