"""H.264 in RTP packets (RFC 6184) inside an RTSP connection (RFC 2326, 10.12)."""

from typing import Final

from gateway.simulator.video.clip import FRAME_RATE, Clip

CLOCK_RATE: Final = 90_000
"""Ticks of a timestamp in a second."""
PAYLOAD_TYPE: Final = 96
_MAX_PAYLOAD_BYTES: Final = 1400
_FRAGMENT: Final = 28


class RtpPacketizer:
    """Turns frames into packets of one stream."""

    def __init__(self, channel: int, ssrc: int) -> None:
        """Take the channel of the RTSP connection and the source's number."""
        self.sequence = 0
        """The sequence number of the next packet."""
        self._channel = channel
        self._ssrc = ssrc

    def packetize(self, clip: Clip, number: int) -> bytes:
        """Return the packets of a frame of the endless loop, framed for the RTSP connection."""
        payloads = [payload for unit in clip.frame(number).nal_units for payload in _split_unit(unit)]
        timestamp = timestamp_of(number)
        return b"".join(
            self._packet(payload, timestamp, marker=index == len(payloads) - 1)
            for index, payload in enumerate(payloads)
        )

    def _packet(self, payload: bytes, timestamp: int, *, marker: bool) -> bytes:
        head = (
            bytes([0x80, PAYLOAD_TYPE | (0x80 if marker else 0)])
            + self.sequence.to_bytes(2)
            + timestamp.to_bytes(4)
            + self._ssrc.to_bytes(4)
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        return b"$" + bytes([self._channel]) + (len(head) + len(payload)).to_bytes(2) + head + payload


def timestamp_of(number: int) -> int:
    """Return the RTP timestamp of a frame."""
    return number * CLOCK_RATE // FRAME_RATE & 0xFFFFFFFF


def _split_unit(unit: bytes) -> list[bytes]:
    """Return a NAL unit as it is, or in fragments if it is too large for a packet."""
    if len(unit) <= _MAX_PAYLOAD_BYTES:
        return [unit]
    indicator, kind, rest = (unit[0] & 0xE0) | _FRAGMENT, unit[0] & 0x1F, unit[1:]
    size = _MAX_PAYLOAD_BYTES - 2
    pieces = [rest[start : start + size] for start in range(0, len(rest), size)]
    last = len(pieces) - 1
    return [
        bytes([indicator, kind | (0x80 if index == 0 else 0) | (0x40 if index == last else 0)]) + piece
        for index, piece in enumerate(pieces)
    ]
