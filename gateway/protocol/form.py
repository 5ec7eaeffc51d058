"""Form encoding (application/x-www-form-urlencoded): the output of `urllib`, several times as fast for large texts."""

from collections.abc import Mapping
from typing import Final

_KEPT: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~ "
_ESCAPES: Final = [(bytes([byte]), b"%%%02X" % byte) for byte in range(256)]


def quote(text: str) -> bytes:
    """Return a text as the value of a form field. Letters, digits and `_.-~` stay, a blank becomes `+`."""
    raw = text.encode()
    found = set(raw.translate(None, _KEPT))
    # The percent sign comes first, because every replacement writes one.
    for byte in sorted(found, key=lambda byte: byte != ord("%")):
        raw = raw.replace(*_ESCAPES[byte])
    return raw.replace(b" ", b"+")


def length(raw: bytes) -> int:
    """Return how long `quote` makes a text, which is given in UTF-8."""
    return len(raw) + 2 * len(raw.translate(None, _KEPT))


def encode(fields: Mapping[str, str]) -> bytes:
    """Return the body of a form."""
    return b"&".join(b"%b=%b" % (quote(name), quote(value)) for name, value in fields.items())
