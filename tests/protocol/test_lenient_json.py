"""What small devices print, and anything else, is read as far as it can be, in bounded time and depth."""

import json
import time
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.protocol import json_text, lenient_json
from gateway.protocol.lenient_json import MAX_BYTES, MAX_DEPTH, MAX_LEFT_OUT

NAMES = {
    "UTF-8": ("老王家".encode(), "老王家"),
    "GBK": ("老王家".encode("gbk"), "老王家"),
    "GBK with a backslash": ("誠品書店".encode("gbk"), "誠品書店"),
    "GBK that ends with a backslash": ("咖誠".encode("gbk"), "咖誠"),
    "GB18030 of four bytes": ("㐂屋".encode("gb18030"), "㐂屋"),
    "cut UTF-8": ("咖啡馆".encode()[:-1], "咖啡\ufffd"),
    "cut GBK": ("咖啡馆".encode("gbk")[:-1], "咖啡\ufffd"),
    "neither": (b"caf\xe9", "caf\ufffd"),
    "a tab": (b"a\tb", "a\tb"),
    "line ends": (b"a\r\nb", "a\r\nb"),
    "NULs": (b"\0\0\0\0", ""),
    "a control character": (b"a\x01b\x7f", "a\x01b\x7f"),
    "a quote": (b'Joe"s', 'Joe"s'),
    "quotes and a comma": (b'the "Bar", 2nd floor', 'the "Bar", 2nd floor'),
    "a brace": (b"a}b]c", "a}b]c"),
    "a backslash": (b"C:\\dir", "C:\\dir"),
    "a backslash at the end": (b"shop\\", "shop\\"),
    "escaped bytes": (rb"\xe8\x80\x81\xe7\x8e\x8b", "老王"),
    "escaped bytes in GBK": (rb"\xc0\xcf\xcd\xf5", "老王"),
    "escaped NULs": (rb"\x00\x00", ""),
    "escapes of C": (rb"a\'b\e", "a'b\x1b"),
    "escapes of JSON": (rb"\"\\\/\b\f\n\r\t\u8001", '"\\/\b\f\n\r\t老'),
    "a pair of surrogates": (rb"\ud83d\ude00", "\U0001f600"),
    "half a pair": (rb"\ud83dx\ude00", "\ufffdx\ufffd"),
    "a broken escape": (rb"\u12 \xZ", "\\u12 \\xZ"),
}


@pytest.mark.parametrize(("printed", "name"), NAMES.values(), ids=NAMES)
def test_a_name_is_read_wherever_it_stands(printed: bytes, name: str) -> None:
    assert lenient_json.loads(b'{"code":0,"data":{"name":"' + printed + b'"}}') == (
        {"code": 0, "data": {"name": name}},
        0,
    )
    listed = b'{"ap_list":[{"ssid":"' + printed + b'","key_mgmt":"NONE"},{"key_mgmt":"NONE","ssid":"' + printed
    first, second = {"ssid": name, "key_mgmt": "NONE"}, {"key_mgmt": "NONE", "ssid": name}
    assert lenient_json.loads(listed + b'"} , {"ssid":"next"}]}') == ({"ap_list": [first, second, {"ssid": "next"}]}, 0)


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        (b'\xef\xbb\xbf{"code":0}', {"code": 0}),
        (b'\0 {"code":0}\0\0', {"code": 0}),
        (b'{"code":0}{"code":12}', {"code": 0}),
        (b'{"code":0,,"data":[1,2,],}', {"code": 0, "data": [1, 2]}),
        (b'{"code":0 "data":{}}', {"code": 0, "data": {}}),
        (
            b'{"code"\0:\t007,"a":+1.50,"b":[true,false,null]}',
            {"code": 7, "a": Decimal("1.50"), "b": [True, False, None]},
        ),
        (b'{"a":["x"y","z"],"b":1}', {"a": ['x"y', "z"], "b": 1}),
        (b'{"a":1e400}', {"a": Decimal("1e400")}),
    ],
)
def test_a_document_is_read(printed: bytes, value: object) -> None:
    assert lenient_json.loads(printed) == (value, 0)


NEXT = {"ssid": "next"}


@pytest.mark.parametrize(
    ("printed", "value", "left_out"),
    [
        (b'{"l":[{"ssid":(null)},{"ssid":"next"}],"code":0}', {"l": [NEXT], "code": 0}, 1),
        (b'{"l":[{"ssid":"a","b":nan},{"ssid":"next"}],"code":0}', {"l": [NEXT], "code": 0}, 1),
        (b'{"l":[{ssid:"a"},{"ssid":"next"}],"code":0}', {"l": [NEXT], "code": 0}, 1),
        (b'{"l":[{"ssid"},{"ssid":"next"}],"code":0}', {"l": [NEXT], "code": 0}, 1),
        (b'{"l":[1,zz,3],"code":0}', {"l": [1, 3], "code": 0}, 1),
        (b'{"l":[{"ssid":"next"},{"ssid":"cu', {"l": [NEXT]}, 1),
        (b'{"l":[{"ssid":"next"},{"ssid":"cut"', {"l": [NEXT]}, 1),
        (b'{"l":[{"ssid":"next"}', {"l": [NEXT]}, 1),
        (b'{"code":0,"data":{"a":1,"b":-nan,"c":2}}', {"code": 0, "data": {"a": 1, "c": 2}}, 1),
        (b'{"code":0,"data":(null)}', {"code": 0}, 1),
        (b'{"code":0,"data":{"name":"cut', {"code": 0, "data": {}}, 1),
        (b'{"code":1', {}, 1),
    ],
)
def test_what_cannot_be_read_is_left_out_alone(printed: bytes, value: object, left_out: int) -> None:
    read = lenient_json.loads(printed)
    assert read.value == value
    assert read.left_out >= left_out


@pytest.mark.parametrize(
    "printed", [b"", b"\0", b"[]", b"<html>", b"code=0", b'"a"', b"{" * (MAX_BYTES + 1)], ids=lambda raw: repr(raw[:9])
)
def test_what_is_no_object_is_refused(printed: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        lenient_json.loads(printed)


def test_too_much_that_cannot_be_read_is_no_json() -> None:
    entries = b'{"ssid":(null)},'
    assert lenient_json.loads(b'{"l":[' + entries * MAX_LEFT_OUT + b"]}") == ({"l": []}, MAX_LEFT_OUT)
    with pytest.raises(ValueError, match="too much"):
        lenient_json.loads(b'{"l":[' + entries * (MAX_LEFT_OUT + 1) + b"]}")


def test_the_depth_is_bounded() -> None:
    read = lenient_json.loads(b'{"a":1,"b":' + b"[" * (MAX_BYTES - 100))
    assert read.value["a"] == 1
    assert str(read.value).count("[") <= MAX_DEPTH
    assert lenient_json.loads(b'{"a":' * 10_000).left_out


HOSTILE = {
    "quotes": b'"',
    "names": b'"a":',
    "open texts": b'{"a":"x},',
    "blanks": b" ",
    "quotes and blanks": b'"   ',
    "commas": b",",
    "quotes and commas": b'",,,,',
    "braces": b"}",
    "braces and blanks": b"}    ",
    "backslashes": b"\\",
    "escapes": b"\\x",
    "brackets": b"[]",
    "numbers": b"1,",
    "words": b"z",
    "lead bytes": b"\xe4",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("begin", [b"{", b'{"a":"', b'{"l":[', b'{"l":[{"a":"', b'{"l":["'], ids=str)
def test_the_time_is_bounded(begin: bytes, piece: bytes) -> None:
    raw = (begin + piece * MAX_BYTES)[:MAX_BYTES]
    started = time.process_time()
    with suppress(ValueError):
        lenient_json.loads(raw)
    assert time.process_time() - started < 20  # a reader that goes back for each entry needs hours


def to_bytes(pieces: list[bytes]) -> bytes:
    return b"".join(pieces)


PRINTED = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b'{"code":0,"data":{"ap_list":[',
                b'{"ssid":"',
                b'","key_mgmt":"',
                b'"},',
                b"]}}",
                b"\\",
                b'"',
                b"\0",
                b"}",
                b"{",
                b"[",
                b"]",
                b",",
                b":",
                b"\\ud800",
                b"\\x",
                b"\xd6\xd0",
                b"\xe4\xb8",
                b"12",
                b"-",
                b"1e9",
                b"true",
            ]
        ),
        st.binary(max_size=8),
    ),
    max_size=60,
).map(to_bytes)


@given(PRINTED)
@example(b'{"\xed\xa0\x80":"\xed\xa0\x80"}')
@example(b'{"a":"\\ud800"}')
def test_any_bytes_are_read_or_refused_and_the_result_is_json(raw: bytes) -> None:
    with suppress(ValueError):
        value, left_out = lenient_json.loads(raw)
        assert left_out <= MAX_LEFT_OUT
        text = json_text.dumps(value).encode()
        assert json_text.loads(text) == value
        json.loads(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), JSON, max_size=4))
def test_json_is_read_as_it_is_meant(document: dict[str, object]) -> None:
    """Also if another part of it has to be read leniently. Only escaped quotes may be misread, so there are none."""
    for ascii_only in (True, False):
        text = json.dumps(document, ensure_ascii=ascii_only)
        if '\\"' not in text:
            assert lenient_json.loads(text.encode()) == (document, 0)
