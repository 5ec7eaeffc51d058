"""Detecting counterfeit cards, which claim more capacity than they have.

Such cards lose what is written beyond their real size, or write it over what lies at the start. So patterns are
written to all of the start and to places spread over the rest, and read back.
"""

import hashlib
import random
import secrets

from firmware_tools.block_device import BlockDevice
from firmware_tools.errors import CardFault
from firmware_tools.exfat.mbr import INCOMPLETE_MBR
from firmware_tools.language import message
from firmware_tools.progress import ProgressReporter
from firmware_tools.size import MIB, format_size

_PATTERN_SIZE = 4096
_RANDOM_PATTERN_COUNT = 512
_MAX_START_SIZE = 64 * MIB


def check_capacity(device: BlockDevice, progress: ProgressReporter) -> None:
    """Raise `CardFault` if the card has less capacity than it claims. Erases the card.

    A card that loses what does not fit is always detected. One that wraps around is detected when a pattern hits the
    start or another pattern: always if its real size is a power of two, else with more than 99 % for common sizes.
    """
    secret = secrets.token_bytes(16)  # a card cannot know the patterns, nor hold those of an earlier check
    start_offsets = range(_PATTERN_SIZE, min(_MAX_START_SIZE, device.size // 8), _PATTERN_SIZE)
    spread_offsets = _spread_offsets(device.size, start_offsets.stop)
    offsets = [*start_offsets, *spread_offsets]
    with progress.phase(message("Checking capacity"), 2 * len(offsets) * _PATTERN_SIZE) as advance:
        device.write(0, INCOMPLETE_MBR)
        device.sync()
        for block_offset in range(start_offsets.start, start_offsets.stop, MIB):
            block = range(block_offset, min(block_offset + MIB, start_offsets.stop), _PATTERN_SIZE)
            device.write(block_offset, b"".join(_build_pattern(secret, offset) for offset in block))
            advance(len(block) * _PATTERN_SIZE)
        for offset in spread_offsets:
            device.write(offset, _build_pattern(secret, offset))
            advance(_PATTERN_SIZE)
        device.sync()
        device.drop_cache()
        for offset in reversed(offsets):
            if device.read(offset, _PATTERN_SIZE) != _build_pattern(secret, offset):
                raise CardFault(
                    message(
                        "{device}: the card claims {size} but loses what is written at {offset}: it is a fake or "
                        "broken; do not use it",
                        device=device.name,
                        size=format_size(device.size),
                        offset=format_size(offset),
                    )
                )
            advance(_PATTERN_SIZE)


def _spread_offsets(size: int, start_size: int) -> list[int]:
    """Return offsets across the card: random ones at even intervals, multiples of a power of two, and the end."""
    last = (size - _PATTERN_SIZE) // _PATTERN_SIZE * _PATTERN_SIZE
    step = 1 << max(size // _RANDOM_PATTERN_COUNT, MIB).bit_length()
    interval = (last - start_size) / _RANDOM_PATTERN_COUNT
    generator = random.Random(size)
    spread = {
        int(start_size + interval * (index + generator.random())) // _PATTERN_SIZE * _PATTERN_SIZE
        for index in range(_RANDOM_PATTERN_COUNT)
    }
    return sorted(offset for offset in {*spread, *range(step, last, step), last} if offset >= start_size)


def _build_pattern(secret: bytes, offset: int) -> bytes:
    return hashlib.shake_128(secret + offset.to_bytes(8, "little")).digest(_PATTERN_SIZE)
