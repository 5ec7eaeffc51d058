"""Frames of the vendor's discovery protocol: its test vector, and every way in which a frame can be bad."""

import base64
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol import json_text
from gateway.protocol.discovery_frames import (
    MAX_FRAME_BYTES,
    Announcement,
    MalformedFrame,
    encode_announcement,
    encode_request,
    is_request,
    parse_announcement,
)

REQUEST = bytes.fromhex("ffff33ff 01 01 0018 65794a795a584e6c636e5a6c496a6f694d544578496e303d 37947cfe")
CAMERA = Announcement(
    sn="FS101D8BS00106",
    ip="192.168.0.1",
    mac="041224E34512",
    model="FS1",
    type="IPC",
    name="设备1",
    factory="SUNMI",
    firmware="1.2.0",
    networkrol="station",
    network="AP",
)
NAMES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20).map(str.strip)


def frame(payload: bytes, *, version: int = 1, kind: int = 2, header: bytes = b"\xff\xff\x33\xff") -> bytes:
    text = base64.b64encode(payload)
    body = header + struct.pack(">BBH", version, kind, len(text)) + text
    return body + struct.pack(">I", zlib.crc32(body))


def test_the_request_is_the_test_vector() -> None:
    assert encode_request() == REQUEST
    assert is_request(REQUEST)
    assert parse_announcement(REQUEST) is None


def test_a_response_is_laid_out_as_the_vendor_says() -> None:
    made = encode_announcement(CAMERA)
    assert made[:6] == bytes.fromhex("ffff33ff0102")
    assert int.from_bytes(made[6:8]) == len(made) - 12
    assert json_text.loads(base64.b64decode(made[8:-4])) == {
        "deviceid": "FS101D8BS00106",
        "ip": "192.168.0.1",
        "mac": "041224E34512",
        "model": "FS1",
        "type": "IPC",
        "name": "设备1",
        "factory": "SUNMI",
        "firmware": "1.2.0",
        "networkrol": "station",
        "network": "AP",
    }
    assert int.from_bytes(made[-4:]) == zlib.crc32(made[:-4])
    assert len(made) <= MAX_FRAME_BYTES
    assert not is_request(made)


def test_a_response_is_understood() -> None:
    assert parse_announcement(encode_announcement(CAMERA)) == CAMERA


@given(st.builds(Announcement, NAMES.filter(bool), *[NAMES] * 9))
def test_any_announcement_makes_the_round_trip(announcement: Announcement) -> None:
    assert parse_announcement(encode_announcement(announcement)) == announcement


@pytest.mark.parametrize("whole", [REQUEST, encode_announcement(CAMERA)], ids=["request", "response"])
def test_every_changed_byte_is_noticed(whole: bytes) -> None:
    for index in range(len(whole)):
        for change in (0x01, 0x80, 0xFF):
            spoiled = bytearray(whole)
            spoiled[index] ^= change
            with pytest.raises(MalformedFrame):
                parse_announcement(bytes(spoiled))


def test_every_cut_is_noticed() -> None:
    whole = encode_announcement(CAMERA)
    for length in range(len(whole)):
        with pytest.raises(MalformedFrame):
            parse_announcement(whole[:length])
    with pytest.raises(MalformedFrame, match="the length says"):
        parse_announcement(whole + b"\0")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "too short"),
        (b"M-SEARCH * HTTP/1.1", "another header"),
        (frame(b'{"deviceid":"SS1"}', version=2), "another header or version"),
        (frame(b'{"deviceid":"SS1"}', header=b"\xff\xff\x33\xfe"), "another header or version"),
        (frame(b'{"deviceid":"SS1"}', kind=3), "type 3"),
        (frame(b'{"deviceid":"SS1"}', kind=0), "type 0"),
        (frame(b""), "not base64 of JSON"),
        (frame(b"deviceid=1"), "not base64 of JSON"),
        (frame(b"[" * 40_000), "not base64 of JSON"),
        (frame(b"\xff\xfe"), "not base64 of JSON"),
        (frame(b"[]"), "not an object"),
        (frame(b"{}"), "no deviceid"),
        (frame(b'{"deviceid":""}'), "no deviceid"),
        (frame(b'{"deviceid":" "}'), "no deviceid"),
        (frame(b'{"deviceid":5}'), "no deviceid"),
        (frame(b'{"deviceid":null}'), "no deviceid"),
    ],
)
def test_a_bad_frame_says_why(bad: bytes, reason: str) -> None:
    with pytest.raises(MalformedFrame, match=reason):
        parse_announcement(bad)


def test_text_that_is_not_base64_is_refused() -> None:
    body = bytes.fromhex("ffff33ff01020004") + b"e3\n="
    with pytest.raises(MalformedFrame, match="not base64"):
        parse_announcement(body + struct.pack(">I", zlib.crc32(body)))


def test_unknown_and_odd_members_are_left_aside() -> None:
    payload = b'{"deviceid":" SS101D8BS00083 ","mac":null,"name":7,"model":" SS1 ","colour":"white","network":["AP"]}'
    assert parse_announcement(frame(payload)) == Announcement(sn="SS101D8BS00083", model="SS1")


@given(st.binary(max_size=64))
def test_any_datagram_is_understood_or_bad(datagram: bytes) -> None:
    with pytest.raises(MalformedFrame):
        parse_announcement(datagram)


@given(st.binary(max_size=64), st.sampled_from([1, 2]))
def test_any_payload_is_understood_or_bad(payload: bytes, kind: int) -> None:
    with suppress(MalformedFrame):
        parse_announcement(frame(payload, kind=kind))


@pytest.mark.parametrize(
    ("printed", "name"),
    [("老王家".encode("gbk"), "老王家"), ("咖啡馆".encode()[:-1], "咖啡\ufffd"), (b"\0\0", ""), (b'Joe"s\t', 'Joe"s')],
)
def test_a_camera_is_found_whatever_its_name_is_printed_like(printed: bytes, name: str) -> None:
    found = parse_announcement(frame(b'{"deviceid":"FS101D8BS00106","name":"' + printed + b'","network":"AP"}'))
    assert found == Announcement(sn="FS101D8BS00106", name=name, network="AP")
