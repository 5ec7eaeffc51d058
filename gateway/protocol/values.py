"""Values of parameters: what does not fit, numbers and dates as text, and words for what was given instead."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from firmware_tools.language import message

_NO_TEXT: Final = ("Cc", "Zl", "Zp")
"""Categories of characters that are no part of a line: controls and line breaks."""
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
JSON_TYPES: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: message("a boolean"),
    str: message("a string"),
    int: message("a number"),
    Decimal: message("a number"),
    list: message("an array"),
    dict: message("an object"),
}
"""What people call the JSON types, by the types that stand for them."""


class InvalidValue(ValueError):
    """A value does not fit its parameter."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        """What is wrong, as a predicate: `must be an integer`."""
        self.path = path
        """Where it is inside the value: `[2].price`."""


def parse_date(text: str) -> date:
    """Parse YYYY-MM-DD. Raises `InvalidValue`."""
    try:
        if not _DATE.fullmatch(text):  # fromisoformat accepts week dates as well
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as exc:
        raise InvalidValue(message("must be a date, YYYY-MM-DD")) from exc


def parse_number(value: Any, *, integer: bool) -> tuple[int | Decimal, str]:
    """Return a number or its text as both. Raises `InvalidValue`."""
    if type(value) is int and abs(value) < 10**19:
        return value, str(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        expected = message("an integer") if integer else message("a number")
        raise InvalidValue(
            message("must be {expected}, not {json_type}", expected=expected, json_type=describe_json_type(value))
        )
    text = "" if isinstance(value, int) else str(value)  # converting a huge integer to text is slow
    if not (_INTEGER if integer else _NUMBER).fullmatch(text):
        expected = message("an integer") if integer else message("a number")
        raise InvalidValue(message("must be {expected}", expected=expected))
    return (int(text) if integer else Decimal(text)), text


def describe_range(low: int | None, high: int | None) -> str:
    """Return the range between two bounds in words."""
    if high is None:
        return message("at least {low}", low=low)
    return (
        message("at most {high}", high=high)
        if low is None or low == 0
        else message("{low} to {high}", low=low, high=high)
    )


def describe_json_type(value: Any) -> str:
    """Return the JSON type of a value in words."""
    return JSON_TYPES.get(type(value), message("something else"))


def is_unicode(text: str) -> bool:
    """Tell whether a text can be sent: it has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, from a \ud800 in JSON
        return False
    return True


def check_line(text: str) -> None:
    """Check that a text is one line. Raises `InvalidValue`."""
    if not is_unicode(text):
        raise InvalidValue(message("must be valid Unicode"))
    if not text.isprintable() and any(unicodedata.category(character) in _NO_TEXT for character in text):
        raise InvalidValue(message("must have neither line breaks nor other control characters"))
