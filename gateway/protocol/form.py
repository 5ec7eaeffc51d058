"""Form encoding (application/x-www-form-urlencoded) of large texts: as `urllib` does it, several times as fast."""

import re
from collections.abc import Mapping
from typing import Final

_COMMON: Final = tuple((char, f"%{ord(char):02X}") for char in '%":,{}[]/\\+&=')
"""The percent sign first, since every replacement writes one."""
_KEPT: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~- "
_RARE: Final = re.compile(r"[^A-Za-z0-9_.~% -]+")


def quote(text: str) -> str:
    """Return a text as the value of a form field: letters, digits and `_.-~` are kept, a blank is `+`."""
    for char, escape in _COMMON:
        if char in text:
            text = text.replace(char, escape)
    if _RARE.search(text):
        text = _RARE.sub(_escaped, text)
    return text.replace(" ", "+")


def length(text: str) -> int:
    """Return how long a text is as the value of a form field."""
    raw = text.encode()
    return len(raw) + 2 * len(raw.translate(None, _KEPT))


def encode(fields: Mapping[str, str]) -> bytes:
    """Return the body of a form."""
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items()).encode("ascii")


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode())
