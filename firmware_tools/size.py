"""Sizes in bytes: parsing, formatting, and the limits of a card."""

import re

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message

MIB = 1 << 20
GIB = 1 << 30
SECTOR_SIZE = 512
MIN_CARD_SIZE = 32 * MIB
MAX_CARD_SIZE = 2**32 * SECTOR_SIZE
"""A master boot record counts sectors in 32 bits."""

_SIZE = re.compile(r"(\d{1,20})\s*(?:([KMGT])(I?)B|B)?", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Parse `64MiB`, `8GB` or a number of bytes; raise `InvalidInput` for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(message("size {text!r}: write it like 64MiB, 8GB, or as a number of bytes", text=text))
    number, unit, binary = match.groups()
    exponent = " KMGT".index(unit.upper()) if unit else 0
    factor: int = (1024 if binary else 1000) ** exponent
    return int(number) * factor


def round_card_size(size: int) -> int:
    """Round a card's size down to whole sectors; raise `InvalidInput` below 32 MiB or above 2 TiB."""
    if size < MIN_CARD_SIZE:
        raise InvalidInput(message("size {size}: a card needs at least 32 MiB", size=format_size(size)))
    if size > MAX_CARD_SIZE:
        raise InvalidInput(
            message("size {size}: a card's partition table reaches no further than 2 TiB", size=format_size(size))
        )
    return size // SECTOR_SIZE * SECTOR_SIZE


def format_size(size: int) -> str:
    """Format a size as it is printed on cards: decimal units, three digits."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} B" if unit == "B" else f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
