"""A camera's MAC address, and the volume label that its card needs."""

import re
import string
from dataclasses import dataclass

from firmware_tools.errors import InvalidInput
from firmware_tools.language import count_message, message

_PREFIX = re.compile(r"MAC\s*(?:ADDRESS|ADDR|地址)?\s*[:：=]?\s*")
_SEPARATORS = ":-._ "
_NOTATIONS = re.compile(
    r"[0-9A-F]{12}"  # 0C25760A1B2C
    r"|[0-9A-F]{2}(?:([:\- ._])[0-9A-F]{2})(?:\1[0-9A-F]{2}){4}"  # 0C:25:76:0A:1B:2C
    r"|[0-9A-F]{4}(?:([:\- .])[0-9A-F]{4})(?:\2[0-9A-F]{4})"  # 0C25.760A.1B2C
    r"|[0-9A-F]{6}(?:[:\- .])[0-9A-F]{6}"  # 0C2576-0A1B2C
)


@dataclass(frozen=True, slots=True)
class Mac:
    """A MAC address, as printed on the camera and its box."""

    octets: bytes
    """Six bytes."""

    @classmethod
    def parse(cls, text: str) -> "Mac":
        """Parse any common notation, also after `MAC:`; raise `InvalidInput` saying what is wrong with the text."""
        normalized = _PREFIX.sub("", text.strip().upper())
        invalid = sorted({char for char in normalized if char not in string.hexdigits and char not in _SEPARATORS})
        digits = "".join(char for char in normalized if char in string.hexdigits)
        if not normalized:
            raise InvalidInput(
                message("MAC address: nothing given; it has 12 hex digits and stands on the camera's label")
            )
        if invalid:
            listed = " ".join(repr(char) for char in invalid)
            raise InvalidInput(
                message("MAC address {text!r}: {listed} is no hex digit (0-9, A-F)", text=text, listed=listed)
            )
        if len(digits) != 12:
            raise InvalidInput(
                count_message(
                    "MAC address {text!r}: {count} hex digit, but a MAC address has 12",
                    "MAC address {text!r}: {count} hex digits, but a MAC address has 12",
                    len(digits),
                    text=text,
                )
            )
        if not _NOTATIONS.fullmatch(normalized):
            raise InvalidInput(
                message("MAC address {text!r}: separators in odd places; write it like 0C:25:76:0A:1B:2C", text=text)
            )
        return cls(bytes.fromhex(digits))

    @property
    def hex_digits(self) -> str:
        """Twelve upper-case hex digits, for file names."""
        return self.octets.hex().upper()

    @property
    def volume_label(self) -> str:
        """The label that the camera expects on its card: `SUNMI-` and the last four hex digits."""
        return f"SUNMI-{self.hex_digits[-4:]}"

    def __str__(self) -> str:
        return self.octets.hex(":").upper()
