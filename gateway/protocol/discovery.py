"""Frames of the vendor's device discovery protocol (SDDP), as pure functions (NOTES: Discovery frames)."""

import base64
import binascii
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.protocol import json_text

PORT: Final = 10001
MAX_FRAME: Final = 1024
"""The receive buffer of the vendor's app, in bytes: an answer stays within it."""
SEND_AT_S: Final = (0.0, 0.5, 1.0)
"""When a request is sent, in seconds from the start of a round."""

HEADER: Final = b"\xff\xff\x33\xff"
_PREFIX: Final = struct.Struct(">4sBBH")
_VERSION: Final = 1
_REQUEST: Final = 1
_RESPONSE: Final = 2


class BadFrame(ValueError):
    """A datagram that is no valid frame; the text says why."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a device says of itself. `ip` is only a claim: the datagram's source address is the fact."""

    sn: str
    ip: str = ""
    mac: str = ""
    model: str = ""
    type: str = ""
    name: str = ""
    factory: str = ""
    firmware: str = ""
    networkrol: str = ""
    network: str = ""
    """`AP` while the device offers its own hotspot."""


def request_frame() -> bytes:
    """Return the frame that asks every device to announce itself."""
    return encode_frame(_REQUEST, {"reserve": "111"})


def response_frame(announcement: Announcement) -> bytes:
    """Return the frame with which a device announces itself."""
    members = {name: getattr(announcement, name) for name in Announcement.__slots__ if name != "sn"}
    return encode_frame(_RESPONSE, {"deviceid": announcement.sn, **members})


def is_request(frame: bytes) -> bool:
    """Tell whether a datagram is a valid request. Raises `BadFrame`."""
    return decode_frame(frame)[0] == _REQUEST


def parse_response(frame: bytes) -> Announcement | None:
    """Parse a datagram: the announcement, or None for a request (a sender hears its own). Raises `BadFrame`."""
    kind, payload = decode_frame(frame)
    if kind == _REQUEST:
        return None
    if kind != _RESPONSE:
        raise BadFrame(f"frame type {kind} is not known")
    sn = payload.get("deviceid")
    if not isinstance(sn, str) or not sn.strip():
        raise BadFrame("the announcement has no deviceid")
    texts = {name: payload.get(name) for name in Announcement.__slots__ if name != "sn"}
    return Announcement(sn=sn.strip(), **{name: text.strip() for name, text in texts.items() if isinstance(text, str)})


def encode_frame(kind: int, payload: Mapping[str, Any]) -> bytes:
    """Return the frame of a type (1 request, 2 response) with a payload, its members in their order."""
    text = base64.b64encode(json_text.dumps(payload).encode())
    body = _PREFIX.pack(HEADER, _VERSION, kind, len(text)) + text
    return body + struct.pack(">I", zlib.crc32(body))


def decode_frame(frame: bytes) -> tuple[int, dict[str, Any]]:
    """Return the type of a frame and all members of its payload. Raises `BadFrame`."""
    if len(frame) < _PREFIX.size + 4:
        raise BadFrame(f"{len(frame)} bytes are too short")
    header, version, kind, length = _PREFIX.unpack_from(frame)
    if header != HEADER or version != _VERSION:
        raise BadFrame("another header or version")
    end = _PREFIX.size + length
    if len(frame) != end + 4:
        raise BadFrame(f"the length says {end + 4} bytes, there are {len(frame)}")
    if zlib.crc32(frame[:end]) != int.from_bytes(frame[end:]):
        raise BadFrame("wrong checksum")
    try:
        payload = json_text.loads(base64.b64decode(frame[_PREFIX.size : end], validate=True))
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise BadFrame("the payload is not base64 of JSON") from exc
    if not isinstance(payload, dict):
        raise BadFrame("the payload is not an object")
    return kind, payload
