"""The order in which people expect names: `shop-2` before `shop-10`."""

import re
from typing import Final

_DIGITS: Final = re.compile(r"([0-9]+)")

NaturalKey = tuple[list[str | int], str]
"""By what names are compared: texts and numbers in turn, and then the whole name."""


def natural_key(name: str) -> NaturalKey:
    """Return by what a name is sorted."""
    parts = _DIGITS.split(name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name
