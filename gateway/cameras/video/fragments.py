"""Fragmented MP4 as ffmpeg writes it: the initialisation segment, then one fragment for each picture.

Only what a viewer needs is read: codec, size, time and key frames. What is larger than it may be, or is not MP4, is
refused: the bytes come from a program that read what a camera sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from firmware_tools.language import message

MAX_INIT_BYTES: Final = 64 * 1024
"""The largest initialisation segment."""
MAX_FRAGMENT_BYTES: Final = 4 * 1024 * 1024
"""The largest fragment: a key frame in full high definition needs less than 1 MB."""

_HEADER_BYTES: Final = 8
_SAMPLE_ENTRY_BYTES: Final = 78
"""What stands in the entry of a video before the boxes inside it."""
_MAX_DEPTH: Final = 8
_IGNORED: Final = frozenset({b"styp", b"sidx", b"emsg", b"prft", b"free", b"skip", b"mfra"})
_IS_DIFFERENCE: Final = 0x0001_0000
"""In the flags of a sample: it can only be decoded with others."""
_CODEC_NAMES: Final = {
    "hvc1": "H.265",
    "hev1": "H.265",
    "av01": "AV1",
    "vp09": "VP9",
    "mp4v": "MPEG-4 Part 2",
}


class MalformedFragments(ValueError):
    """The bytes are not fragmented MP4, or something in them is too large."""


@dataclass(frozen=True, slots=True)
class InitSegment:
    """What a decoder has to know before the first fragment."""

    data: bytes
    """The whole segment."""
    codec: str
    """The codec in the form of RFC 6381, such as `avc1.42E016`; the bare entry name of any codec but H.264."""
    width: int
    """Width of the picture in pixels."""
    height: int
    """Height of the picture in pixels."""
    timescale: int
    """Units of time in a second."""

    @property
    def codec_name(self) -> str:
        """The codec in words for people."""
        entry = self.codec.partition(".")[0]
        return "H.264" if self.is_h264 else _CODEC_NAMES.get(entry, entry)

    @property
    def is_h264(self) -> bool:
        """Whether every browser can show it."""
        return self.codec.startswith("avc1.")


class Fragment(NamedTuple):
    """One picture, or some that belong together."""

    data: bytes
    """The boxes `moof` and `mdat`."""
    is_key: bool
    """Whether it can be decoded without those before it."""
    decode_time: int
    """When it is decoded, in the time scale of its initialisation segment."""


class _Box(NamedTuple):
    kind: bytes
    content: memoryview


class FragmentParser:
    """Cuts the output of ffmpeg into its segments."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._init = bytearray()
        self._moof = b""
        self._timescale = 0

    def feed(self, data: bytes) -> Iterator[InitSegment | Fragment]:
        """Take the next bytes and yield what is complete. Raises `MalformedFragments`."""
        self._received += data
        while (box := self._take_box()) is not None:
            kind = box[4:8]
            if kind == b"ftyp":
                self._init[:] = box
            elif kind == b"moov":
                segment = parse_init_segment(bytes(self._init) + box)
                self._timescale = segment.timescale
                yield segment
            elif kind == b"moof":
                self._moof = box
            elif kind == b"mdat":
                if not self._moof or not self._timescale:
                    raise MalformedFragments(message("a mdat box without moof and moov before it"))
                is_key, decode_time = _parse_moof(self._moof)
                yield Fragment(self._moof + box, is_key, decode_time)
                self._moof = b""

    def _take_box(self) -> bytes | None:
        """Return the next box at the top, if it is complete."""
        received = self._received
        if len(received) < _HEADER_BYTES:
            return None
        size, kind = int.from_bytes(received[:4]), bytes(received[4:8])
        limit = MAX_FRAGMENT_BYTES if kind in (b"mdat", b"mfra") else MAX_INIT_BYTES
        if kind not in (b"ftyp", b"moov", b"moof", b"mdat", *_IGNORED):
            raise MalformedFragments(message("an unknown box {kind!r}", kind=kind))
        if not _HEADER_BYTES <= size <= limit:
            raise MalformedFragments(f"a box {kind!r} of {size} bytes")
        if len(received) < size:
            return None
        box = bytes(received[:size])
        del received[:size]
        return box


def parse_init_segment(data: bytes) -> InitSegment:
    """Parse `ftyp` and `moov`. Raises `MalformedFragments`."""
    media = _find(memoryview(data), b"moov", b"trak", b"mdia")
    header = _find(media, b"mdhd")
    timescale = _number(header, 20 if _version(header) == 1 else 12, 4)
    if not timescale:
        raise MalformedFragments(message("a time scale of 0"))
    descriptions = _find(media, b"minf", b"stbl", b"stsd")
    entry = next(_boxes(descriptions[8:]), None)
    if entry is None or len(entry.content) < _SAMPLE_ENTRY_BYTES:
        raise MalformedFragments(message("no description of a picture"))
    codec = _decode_kind(entry.kind)
    if codec in ("avc1", "avc3"):
        configuration = _find(entry.content[_SAMPLE_ENTRY_BYTES:], b"avcC")
        codec = f"avc1.{_number(configuration, 1, 3):06X}"
    width, height = _number(entry.content, 24, 2), _number(entry.content, 26, 2)
    return InitSegment(data, codec, width, height, timescale)


def _parse_moof(moof: bytes) -> tuple[bool, int]:
    """Return whether a fragment begins with a key frame, and its time."""
    track = _find(memoryview(moof), b"moof", b"traf")
    time = _find(track, b"tfdt")
    decode_time = _number(time, 4, 8 if _version(time) == 1 else 4)
    return not _first_sample_flags(track) & _IS_DIFFERENCE, decode_time


def _first_sample_flags(track: memoryview) -> int:
    run, header = _find(track, b"trun"), _find(track, b"tfhd")
    run_flags, header_flags = _number(run, 1, 3), _number(header, 1, 3)
    offset = 8 + (4 if run_flags & 0x1 else 0)
    if run_flags & 0x4:
        return _number(run, offset, 4)
    if run_flags & 0x400:
        return _number(run, offset + 4 * bool(run_flags & 0x100) + 4 * bool(run_flags & 0x200), 4)
    if not header_flags & 0x20:
        raise MalformedFragments(message("a fragment that does not say whether it is a key frame"))
    return _number(header, 8 + 8 * bool(header_flags & 0x1) + sum(4 for bit in (2, 8, 16) if header_flags & bit), 4)


def _find(inside: memoryview, *path: bytes) -> memoryview:
    """Return the content of the first box on a path. Raises `MalformedFragments` if there is none."""
    for kind in path[:_MAX_DEPTH]:
        found = next((box for box in _boxes(inside) if box.kind == kind), None)
        if found is None:
            raise MalformedFragments(message("no box {name}", name=kind.decode()))
        inside = found.content
    return inside


def _boxes(inside: memoryview) -> Iterator[_Box]:
    while len(inside) >= _HEADER_BYTES:
        size = int.from_bytes(inside[:4])
        if not _HEADER_BYTES <= size <= len(inside):
            raise MalformedFragments(
                message("a box of {size} bytes inside one of {count}", size=size, count=len(inside))
            )
        yield _Box(bytes(inside[4:8]), inside[_HEADER_BYTES:size])
        inside = inside[size:]


def _number(inside: memoryview, offset: int, size: int) -> int:
    if offset + size > len(inside):
        raise MalformedFragments(message("a box that is too short"))
    return int.from_bytes(inside[offset : offset + size])


def _version(inside: memoryview) -> int:
    return _number(inside, 0, 1)


def _decode_kind(kind: bytes) -> str:
    text = kind.decode("ascii", errors="replace").strip()
    return text if text.isalnum() and text.isascii() else "unknown"
