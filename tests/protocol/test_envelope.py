"""The envelope around a response, and everything that is none."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import json_text
from gateway.protocol.envelope import MalformedResponse, parse_camera_response, parse_response


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
        (b'{"code":1' + b"0" * 30 + b"}", "without a code"),
        (b'{"code":1e400}', "without a code"),
    ],
)
def test_garbage_is_named(raw: bytes, what: str) -> None:
    with pytest.raises(MalformedResponse, match=what):
        parse_response(raw)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_response_or_garbage(raw: bytes) -> None:
    with suppress(MalformedResponse):
        parse_response(raw)


def test_a_byte_order_mark_is_skipped() -> None:
    response = parse_response(b'\xef\xbb\xbf{"code":0,"msg":"succeed"}')
    assert (response.code, response.raw) == (0, b'{"code":0,"msg":"succeed"}')


def test_half_a_surrogate_pair_is_replaced_where_it_stands() -> None:
    response = parse_response(rb'{"code":5022,"msg":"x\ud800y","data":{"\udc00":["\ud800"]}}')
    assert response.document == {"code": 5022, "msg": "x?y", "data": {"?": ["?"]}}
    assert response.raw == json_text.dumps(response.document).encode()


def test_a_cameras_response_that_is_json_stays_as_it_is() -> None:
    raw = b'{"code": 0, "data": {"price": 10.00}}'
    assert parse_camera_response(raw) == parse_response(raw)


def test_a_malformed_response_becomes_json_and_says_what_is_left_out() -> None:
    neighbour = "老王家".encode("gbk")
    raw = b'{"code":"0","data":{"ap_list":[{"ssid":"' + neighbour + b'"},{"ssid":(null)},{"ssid":"next"}]}}\0'
    response = parse_camera_response(raw)
    assert (response.code, response.left_out) == (0, 1)
    assert response.data == {"ap_list": [{"ssid": "老王家"}, {"ssid": "next"}]}
    assert json.loads(response.raw.decode()) == {"code": "0", "data": response.data, "left_out": 1}


@pytest.mark.parametrize("end", [b"", b"\0"], ids=["JSON", "not JSON"])
def test_no_neighbours_name_brings_a_code_of_its_own(end: bytes) -> None:
    name = b'"}]},"code":12,"a":[{"b":"'
    raw = b'{"code": 0, "data":{"ap_list":[{"ssid":"' + name + b'"}]}}' + end
    response = parse_camera_response(raw)
    assert (response.code, response.document["code"]) == (0, 0)
    assert json.loads(response.raw)["code"] == 0


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\0\0", "nothing"),
        (b'<html>{"code":0}</html>', "an HTML page"),
        (b'{"code":0', "something other than JSON"),
        (b'{"code":1', "something other than JSON"),
        (b'{"msg":"\xff","data":{"code":0}}', "without a code"),
        (b'{"code":12345678901,}', "without a code"),
        (b'{"code":1e400,}', "without a code"),
    ],
)
def test_evidence_needs_the_code(raw: bytes, what: str) -> None:
    with pytest.raises(MalformedResponse, match=what):
        parse_camera_response(raw)


@given(st.binary(max_size=200).map(lambda raw: b'{"code":0,"data":' + raw))
def test_any_response_of_a_camera_is_json_or_malformed(raw: bytes) -> None:
    with suppress(MalformedResponse):
        response = parse_camera_response(raw)
        assert json.loads(response.raw.decode())["code"] == response.code == 0
