"""Bars of bar codes and modules of QR codes, without their pixels."""

from typing import Final, NamedTuple

import segno
from barcode import EAN8, EAN13, Code128
from segno import DataOverflowError

from gateway.check_digit import compute_check_digit

QR_QUIET_ZONE: Final = 4
"""Modules that stay white around a QR code."""
MAX_CODE_128_LENGTH: Final = 80
"""No label has room for more signs."""


class Bars(NamedTuple):
    """A bar code."""

    modules: bytes
    """A byte for each module, 1 for black."""
    left_quiet_zone: int
    """Modules that stay white before it."""
    right_quiet_zone: int
    """Modules that stay white after it."""

    @property
    def width(self) -> int:
        """In modules, with the quiet zone."""
        return self.left_quiet_zone + len(self.modules) + self.right_quiet_zone


def encode_bars(text: str, symbology: str) -> Bars | None:
    """Return the bars of a text; None if it cannot be such a code, as with a wrong check digit."""
    is_number = text.isascii() and text.isdecimal()
    if symbology != "code128" and is_number and len(text) in (8, 12, 13):
        return _encode_ean(text) if compute_check_digit(text[:-1]) == text[-1] else None
    if symbology == "ean13" or not (0 < len(text) <= MAX_CODE_128_LENGTH and text.isascii() and text.isprintable()):
        return None
    return _make_bars(Code128(text).build()[0], 10, 10)


def _encode_ean(number: str) -> Bars:
    if len(number) == 8:
        return _make_bars(EAN8(number).build()[0], 7, 7)
    return _make_bars(EAN13(number.zfill(13)).build()[0], 11, 7)  # 12 digits are a UPC-A, an EAN-13 that begins with 0


def _make_bars(modules: str, left_quiet_zone: int, right_quiet_zone: int) -> Bars:
    return Bars(bytes(map(int, modules)), left_quiet_zone, right_quiet_zone)


def encode_qr(text: str, error_correction: str) -> list[bytes] | None:
    """Return the rows of a QR code, a byte for each module, 1 for black; None if no QR code holds so much."""
    try:
        # Readers take for UTF-8 what may be: Latin-1 and Shift JIS, which segno would choose, they confuse.
        encoding = None if text.isascii() else "utf-8"
        code = segno.make_qr(text, error=error_correction, encoding=encoding, boost_error=False)
    except (DataOverflowError, ValueError):
        return None
    return [bytes(row) for row in code.matrix]
