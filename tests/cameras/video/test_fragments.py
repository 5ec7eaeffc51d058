"""Fragmented MP4 is read from hostile bytes: whole, in pieces, damaged, and endless."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cameras.video.fragments import (
    MAX_FRAGMENT_BYTES,
    MAX_INIT_BYTES,
    Fragment,
    FragmentParser,
    InitSegment,
    MalformedFragments,
    parse_init_segment,
)


def box(kind: str, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4) + kind.encode() + content


def full(kind: str, content: bytes = b"", *, flags: int = 0, version: int = 0) -> bytes:
    return box(kind, bytes([version]) + flags.to_bytes(3) + content)


def init(entry: str = "avc1", timescale: int = 90000) -> bytes:
    configuration = box("avcC", b"\x01\x42\xc0\x16" + bytes(4))
    size = (640).to_bytes(2) + (360).to_bytes(2)
    description = full("stsd", (1).to_bytes(4) + box(entry, bytes(24) + size + bytes(50) + configuration))
    media = full("mdhd", bytes(8) + timescale.to_bytes(4) + bytes(8)) + box("minf", box("stbl", description))
    return box("ftyp", b"iso5") + box("moov", full("mvhd", bytes(96)) + box("trak", box("mdia", media)))


def fragment(*, key: bool, time: int = 0, picture: bytes = b"picture") -> bytes:
    flags = 0 if key else 0x10000
    run = full("trun", (1).to_bytes(4) + (8).to_bytes(4) + flags.to_bytes(4), flags=0x5)
    track = full("tfhd", (1).to_bytes(4)) + full("tfdt", time.to_bytes(8), version=1) + run
    return box("moof", full("mfhd", bytes(4)) + box("traf", track)) + box("mdat", picture)


STREAM = init() + fragment(key=True) + fragment(key=False, time=6000)


def parse(data: bytes, step: int | None = None) -> list[InitSegment | Fragment]:
    parser, step = FragmentParser(), step or len(data) or 1
    return [part for start in range(0, len(data), step) for part in parser.feed(data[start : start + step])]


@pytest.mark.parametrize("step", [None, 1, 7, 100])
def test_a_stream_is_cut_into_its_segments(step: int | None) -> None:
    segment, first, second = parse(STREAM, step)
    assert segment == InitSegment(init(), "avc1.42C016", 640, 360, 90000)
    assert isinstance(first, Fragment)
    assert isinstance(second, Fragment)
    assert (first.is_key, first.decode_time) == (True, 0)
    assert (second.is_key, second.decode_time) == (False, 6000)
    assert first.data + second.data == STREAM[len(init()) :]


@pytest.mark.parametrize(
    ("entry", "codec", "name"),
    [
        ("hvc1", "hvc1", "H.265"),
        ("hev1", "hev1", "H.265"),
        ("mp4v", "mp4v", "MPEG-4 Part 2"),
        ("<b>1", "unknown", "unknown"),
    ],
)
def test_another_codec_has_a_name(entry: str, codec: str, name: str) -> None:
    segment = parse_init_segment(init(entry))
    assert (segment.codec, segment.codec_name, segment.is_h264) == (codec, name, False)


def test_the_end_of_a_file_is_nothing() -> None:
    assert len(parse(STREAM + box("mfra", bytes(50)) + box("free"))) == 3


def test_whether_a_fragment_is_a_key_frame_may_stand_in_three_places() -> None:
    flags = (0x10000).to_bytes(4)
    runs = {
        "in the run": (full("tfhd", bytes(4)), full("trun", (1).to_bytes(4) + bytes(8) + flags, flags=0x700)),
        "by default": (full("tfhd", bytes(4) + bytes(4) + flags, flags=0x28), full("trun", (1).to_bytes(4))),
    }
    for header, run in runs.values():
        moof = box("moof", box("traf", header + full("tfdt", bytes(4)) + run))
        last = parse(init() + moof + box("mdat"))[-1]
        assert isinstance(last, Fragment)
        assert not last.is_key


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\n", "unknown box"),
        (b"\x00\x00\x00\x04ftyp", "a box b'ftyp' of 4 bytes"),
        (b"\x00\x00\x00\x00mdat", "of 0 bytes"),
        ((MAX_INIT_BYTES + 1).to_bytes(4) + b"moov", "of 65537 bytes"),
        ((MAX_FRAGMENT_BYTES + 1).to_bytes(4) + b"mdat", "of 4194305 bytes"),
        (b"\xff\xff\xff\xffmdat", "of 4294967295 bytes"),
        (init() + box("mdat"), "without moof"),
        (fragment(key=True), "without moof and moov"),
        (init(timescale=0), "time scale"),
        (box("moov"), "no box trak"),
        (box("moov", box("trak", box("mdia", full("mdhd")))), "too short"),
        (box("moov", (100).to_bytes(4) + b"trak"), "of 100 bytes inside one of 8"),
        (init() + box("moof", box("traf", full("tfdt", bytes(4)) + full("trun") + full("tfhd"))) + box("mdat"), "key"),
        (init() + box("moof") + box("mdat"), "no box traf"),
    ],
)
def test_damaged_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedFragments, match=reason):
        parse(data)


@given(st.integers(0, len(STREAM) - 1), st.binary(min_size=1, max_size=8))
def test_no_damage_raises_anything_else(place: int, damage: bytes) -> None:
    damaged = STREAM[:place] + damage + STREAM[place + len(damage) :]
    with contextlib.suppress(MalformedFragments):
        parse(damaged)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for start in (b"", init(), box("ftyp")):
        with contextlib.suppress(MalformedFragments):
            parse(start + data)
