"""Frames of the vendor's device discovery protocol (SDDP), as pure functions (NOTES: Discovery frames)."""

import base64
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.protocol import json_text, lenient_json

BROADCAST_PORT: Final = 10001
MAX_FRAME_BYTES: Final = 1024
"""Largest response, in bytes: the vendor's app receives into a buffer of this size."""
REQUEST_DELAYS_S: Final = (0.0, 0.5, 1.0)
"""When to send a request, in seconds from the start of a scan (NOTES: Discovery schedule)."""

FRAME_HEADER: Final = b"\xff\xff\x33\xff"
_PREFIX: Final = struct.Struct(">4sBBH")
_VERSION: Final = 1
_REQUEST: Final = 1
_RESPONSE: Final = 2


class MalformedFrame(ValueError):
    """A datagram is not a valid frame. The text says why."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a device says about itself. Members that it leaves out are empty."""

    sn: str
    """Serial number; `deviceid` in the frame."""
    ip: str = ""
    """Address that the device claims. Trust the source address of the datagram instead."""
    mac: str = ""
    """MAC address, in whatever notation the device uses."""
    model: str = ""
    """One of the vendor's names for a model; see `parse_model`."""
    type: str = ""
    """Class of the device; values are not public."""
    name: str = ""
    """Name that a person gave it."""
    factory: str = ""
    """Manufacturer."""
    firmware: str = ""
    """Version of the firmware, such as 1.2.6."""
    networkrol: str = ""
    """Role in the network, in the vendor's spelling; values are not public."""
    network: str = ""
    """`AP` while the device offers its own hotspot; other values are not public."""


def encode_request() -> bytes:
    """Return the frame that asks every device to announce itself."""
    return encode_frame(_REQUEST, {"reserve": "111"})


def encode_announcement(announcement: Announcement) -> bytes:
    """Return the frame that a device sends to announce itself."""
    members = {name: getattr(announcement, name) for name in Announcement.__slots__ if name != "sn"}
    return encode_frame(_RESPONSE, {"deviceid": announcement.sn, **members})


def is_request(frame: bytes) -> bool:
    """Tell whether a datagram is a valid request. Raises `MalformedFrame`."""
    return decode_frame(frame)[0] == _REQUEST


def parse_announcement(frame: bytes) -> Announcement | None:
    """Return the announcement in a datagram, or None for a request: a sender receives its own.

    Raises `MalformedFrame`.
    """
    kind, payload = decode_frame(frame)
    if kind == _REQUEST:
        return None
    if kind != _RESPONSE:
        raise MalformedFrame(f"frame type {kind} is not known")
    sn = payload.get("deviceid")
    if not isinstance(sn, str) or not sn.strip():
        raise MalformedFrame("the announcement has no deviceid")
    texts = {name: payload.get(name) for name in Announcement.__slots__ if name != "sn"}
    return Announcement(sn=sn.strip(), **{name: text.strip() for name, text in texts.items() if isinstance(text, str)})


def encode_frame(kind: int, payload: Mapping[str, Any]) -> bytes:
    """Return a frame of a type (1 request, 2 response). The payload keeps the order of its members."""
    text = base64.b64encode(json_text.dumps(payload).encode())
    body = _PREFIX.pack(FRAME_HEADER, _VERSION, kind, len(text)) + text
    return body + struct.pack(">I", zlib.crc32(body))


def decode_frame(frame: bytes) -> tuple[int, dict[str, Any]]:
    """Return the type of a frame and its whole payload. Raises `MalformedFrame`."""
    if len(frame) < _PREFIX.size + 4:
        raise MalformedFrame(f"{len(frame)} bytes are too short")
    header, version, kind, length = _PREFIX.unpack_from(frame)
    if header != FRAME_HEADER or version != _VERSION:
        raise MalformedFrame("another header or version")
    end = _PREFIX.size + length
    if len(frame) != end + 4:
        raise MalformedFrame(f"the length says {end + 4} bytes, there are {len(frame)}")
    if zlib.crc32(frame[:end]) != int.from_bytes(frame[end:]):
        raise MalformedFrame("wrong checksum")
    try:
        payload = _parse_payload(base64.b64decode(frame[_PREFIX.size : end], validate=True))
    except (ValueError, RecursionError) as exc:  # binascii.Error is a ValueError
        raise MalformedFrame("the payload is not base64 of JSON") from exc
    if not isinstance(payload, dict):
        raise MalformedFrame("the payload is not an object")
    return kind, payload


def _parse_payload(text: bytes) -> Any:
    try:
        return json_text.make_encodable(json_text.loads(text))
    except ValueError:
        return lenient_json.loads(text).value
