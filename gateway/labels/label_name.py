"""What people call a shelf label: by the code that is printed on it, or by the cloud's id."""

from typing import Final

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest

_CODE_LENGTH: Final = 8
_MAX_DIGITS: Final = 20


def is_label_code(name: str) -> bool:
    """Tell whether a name can be a printed code: eight letters and digits."""
    return len(name) == _CODE_LENGTH and name.isascii() and name.isalnum()


def fold_label_name(name: str) -> str:
    """Return a name as it is stored: without spaces around it, and a code in capitals, as it is printed."""
    name = name.strip()
    return name.upper() if is_label_code(name) else name


def check_label_name(name: str) -> str:
    """Return a name as it is stored. Raises `InvalidRequest` if no label can be called that."""
    name = fold_label_name(name)
    is_id = 0 < len(name) <= _MAX_DIGITS and name.isascii() and name.isdecimal()
    if not is_id and not is_label_code(name):
        reason = message(
            "must be the code on the label, eight letters and digits, or the number that the cloud gave it"
        )
        raise InvalidRequest([FieldError("esl", reason)])
    return name
