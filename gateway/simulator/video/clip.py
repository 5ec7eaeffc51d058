"""The clip that every simulated camera shows: H.264, parsed into frames.

A moving test pattern of 640 x 360 pixels, 15 frames a second, 8 s long, a key frame each second. Seven squares below it
count the frames in binary, so that a program can tell from the picture which frame it is.
`packaging/make_clip.sh` makes it.
"""

import functools
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, NamedTuple

FRAME_RATE: Final = 15
"""Frames a second."""
WIDTH: Final = 640
HEIGHT: Final = 360
_START_CODE: Final = b"\x00\x00\x01"
_SPS, _PPS, _KEY_SLICE, _SLICE = 7, 8, 5, 1


class ClipFrame(NamedTuple):
    """One picture."""

    nal_units: tuple[bytes, ...]
    """Its NAL units, without start codes; those of a key frame begin with the parameter sets."""
    is_key: bool
    """Whether it can be decoded without those before it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that can be looped: its first frame is a key frame."""

    sps: bytes
    """The sequence parameter set."""
    pps: bytes
    """The picture parameter set."""
    frames: tuple[ClipFrame, ...]
    """The pictures in order; none refers to a later one."""

    def frame(self, number: int) -> ClipFrame:
        """Return a frame of the endless loop."""
        return self.frames[number % len(self.frames)]

    def next_key_frame(self, number: int) -> int:
        """Return the number of the first key frame from a frame on, in the endless loop."""
        while not self.frame(number).is_key:
            number += 1
        return number


@functools.cache
def load_clip() -> Clip:
    """Return the clip, which is read once."""
    return parse_clip(files("gateway.simulator.video").joinpath("clip.h264").read_bytes())


def parse_clip(data: bytes) -> Clip:
    """Parse an H.264 byte stream with one slice for each picture. Raises `ValueError`."""
    parameter_sets: dict[int, bytes] = {}
    frames = []
    for unit in _split(data):
        kind = unit[0] & 0x1F
        if kind in (_SPS, _PPS):
            parameter_sets[kind] = unit
        elif kind == _KEY_SLICE:
            frames.append(ClipFrame((parameter_sets[_SPS], parameter_sets[_PPS], unit), is_key=True))
        elif kind == _SLICE:
            frames.append(ClipFrame((unit,), is_key=False))
    if not frames or not frames[0].is_key:
        raise ValueError("the clip does not begin with a key frame")
    return Clip(parameter_sets[_SPS], parameter_sets[_PPS], tuple(frames))


def current_frame() -> int:
    """Return the number of the frame that every simulated camera shows now, counted from the machine's start."""
    return int(time.monotonic() * FRAME_RATE)


def show_time(number: int) -> float:
    """Return when a frame is shown, on the monotonic clock in seconds."""
    return number / FRAME_RATE


def _split(data: bytes) -> list[bytes]:
    """Return the NAL units of a byte stream."""
    pieces = data.split(_START_CODE)[1:]
    return [piece.rstrip(b"\x00") for piece in pieces if piece.rstrip(b"\x00")]
