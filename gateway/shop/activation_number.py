"""Activation numbers as lists have them: what a spreadsheet or a keyboard did to them is undone where it is certain."""

import re
import unicodedata
from typing import Final

from firmware_tools.language import message
from firmware_tools.list_rows import find_spreadsheet_damage
from gateway.protocol.values import InvalidValue

_MAX_LENGTH: Final = 24
"""How many characters the vendor's numbers have at most (NOTES: Public parameters)."""
_BLANKS: Final = re.compile(r"\s+")
_ROUNDED: Final = re.compile(r"[1-9][0-9]{14}0{5,}")
"""A number of which a spreadsheet kept 15 digits, as it does with all. By chance one in 100,000 ends like that."""


def parse_activation_number(text: str) -> str:
    """Return a number as the camera takes it: in plain digits and letters, without blanks between its groups.

    Raises `InvalidValue` for what a spreadsheet has made of one, and for blanks that may stand between two numbers.
    """
    folded = unicodedata.normalize("NFKC", text).strip()
    joined = _BLANKS.sub("", folded)
    if damage := find_spreadsheet_damage(joined):
        raise InvalidValue(damage)
    if _ROUNDED.fullmatch(joined):
        raise InvalidValue(
            message(
                "a spreadsheet keeps 15 digits of a number, and made zeros of those after them: format the column as "
                "text there, and enter the number again"
            )
        )
    if joined != folded and len(joined) > _MAX_LENGTH:
        raise InvalidValue(message("holds blanks, and is too long for one number: enter one number"))
    return joined
