"""Fake cards: finding out that a card is smaller than it claims, by writing marks across it and reading them back.

Such cards lose what is written beyond their real size, or write it over what lies at the beginning. So the beginning
is written as a whole, and marks are spread over the rest.
"""

import hashlib
import random
import secrets

from firmware_tools.errors import CardFaulty
from firmware_tools.exfat.partition import INCOMPLETE
from firmware_tools.medium import Medium
from firmware_tools.progress import Progress
from firmware_tools.size import MIB, show_size

_MARK = 4096
_MARKS = 512
_BEGINNING = 64 * MIB


def check_capacity(medium: Medium, progress: Progress) -> None:
    """Raise `CardFaulty` if the card cannot hold what it claims. Erases it: the card has to be written afterwards.

    A card that drops what does not fit is always found. One that wraps around is found when a mark hits the
    beginning or another mark: always at powers of two, else with more than 99 % for common sizes.
    """
    secret = secrets.token_bytes(16)
    beginning = range(_MARK, min(_BEGINNING, medium.size // 8), _MARK)
    marks = _spread(medium.size, beginning.stop)
    places = [*beginning, *marks]
    with progress.phase("Checking capacity", 2 * len(places) * _MARK) as advance:
        medium.write(0, INCOMPLETE)
        medium.sync()
        for start in range(beginning.start, beginning.stop, MIB):
            block = range(start, min(start + MIB, beginning.stop), _MARK)
            medium.write(start, b"".join(_mark(secret, place) for place in block))
            advance(len(block) * _MARK)
        for place in marks:
            medium.write(place, _mark(secret, place))
            advance(_MARK)
        medium.sync()
        medium.forget()
        for place in reversed(places):
            if medium.read(place, _MARK) != _mark(secret, place):
                raise CardFaulty(
                    f"{medium.name}: the card claims {show_size(medium.size)} but loses what is written at"
                    f" {show_size(place)}: it is a fake or broken; do not use it"
                )
            advance(_MARK)


def _spread(size: int, beginning: int) -> list[int]:
    """Return places across the card: random ones in equal stretches, multiples of a power of two, and the end."""
    last = (size - _MARK) // _MARK * _MARK
    step = 1 << max(size // _MARKS, MIB).bit_length()
    stretch = (last - beginning) / _MARKS
    chance = random.Random(size)
    spread = {int(beginning + stretch * (index + chance.random())) // _MARK * _MARK for index in range(_MARKS)}
    return sorted(place for place in {*spread, *range(step, last, step), last} if place >= beginning)


def _mark(secret: bytes, place: int) -> bytes:
    return hashlib.shake_128(secret + place.to_bytes(8, "little")).digest(_MARK)
