"""A size in bytes, read from and written for people."""

import re

from firmware_tools.errors import InputRefused

MIB = 1 << 20
GIB = 1 << 30
SMALLEST_CARD = 32 * MIB
LARGEST_CARD = 2**32 * 512
"""An MBR counts 512-byte sectors in 32 bits."""

_SIZE = re.compile(r"(\d{1,20})\s*(?:([KMGT])(I?)B|B)?", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Read `64MiB`, `8GB` or a number of bytes; raise `InputRefused` for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InputRefused(f"size {text!r}: write it like 64MiB, 8GB, or as a number of bytes")
    number, unit, binary = match.groups()
    factor = 1
    for _ in range(" KMGT".index(unit.upper()) if unit else 0):
        factor *= 1024 if binary else 1000
    return int(number) * factor


def check_card_size(size: int) -> int:
    """Return a card's size rounded down to whole sectors; raise `InputRefused` below 32 MiB or above 2 TiB."""
    if size < SMALLEST_CARD:
        raise InputRefused(f"size {show_size(size)}: a card needs at least 32 MiB")
    if size > LARGEST_CARD:
        raise InputRefused(f"size {show_size(size)}: a card's partition table reaches no further than 2 TiB")
    return size // 512 * 512


def show_size(size: int) -> str:
    """Write a size the way it is printed on cards: decimal units, three digits."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{size} B" if unit == "B" else f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
