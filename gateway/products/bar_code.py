"""Bar codes: text whose leading zeros count, and what is left of it where a program took it for a number."""

import re
from decimal import Decimal
from typing import Final

from firmware_tools.language import message
from firmware_tools.list_rows import find_lost_digits
from gateway.check_digit import compute_check_digit
from gateway.protocol.values import InvalidValue

_GTIN_LENGTHS: Final = (8, 12, 13, 14)
_MAX_LOST_ZEROS: Final = 2
_FLOAT: Final = re.compile(r"\d{1,20}[.,]0+|\d(?:[.,]\d{1,20})?E\+?\d{1,2}", re.IGNORECASE | re.ASCII)
"""A number that a program has written as one of floating point."""


def has_check_digit(code: str) -> bool | None:
    """Tell whether the last digit of an EAN-8, UPC-A, EAN-13 or GTIN-14 is right; None for any other code."""
    if len(code) not in _GTIN_LENGTHS or not (code.isascii() and code.isdigit()):
        return None
    return compute_check_digit(code[:-1]) == code[-1]


def is_float(text: str) -> bool:
    """Tell whether a program has written a number as one of floating point: `6900000000000.0`, `6.9E+12`."""
    return not text.isalnum() and _FLOAT.fullmatch(text) is not None


def restore_bar_code(text: str) -> str:
    """Return the bar code that was written as one of floating point. Raises `InvalidValue` if that is not certain."""
    digits = restore_digits(text)
    restored = restore_zeros(digits)
    if restored is None:
        raise InvalidValue(
            message("a program made a number of the bar code, and the check digit of {digits} is wrong", digits=digits)
        )
    return restored


def restore_zeros(digits: str) -> str | None:
    """Return the bar code of which a program may have cut leading zeros; None if no check digit proves it."""
    for length in _GTIN_LENGTHS:
        padded = digits.zfill(length)
        if len(padded) == length <= len(digits) + _MAX_LOST_ZEROS and has_check_digit(padded):
            return padded
    return None


def restore_digits(text: str) -> str:
    """Return all digits of a number of floating point. Raises `InvalidValue` if some are lost."""
    mantissa, _, exponent = text.replace(",", ".").upper().partition("E")
    digits = mantissa.replace(".", "")
    if exponent and len(digits) < int(exponent) + 1:
        raise InvalidValue(find_lost_digits(text) or "")
    number = Decimal(f"{mantissa}E{exponent or 0}")
    if number != number.to_integral_value():
        raise InvalidValue(message("must be digits, not {text}", text=text))
    return str(int(number))
