"""A camera's MAC address and the volume label that follows from it."""

import re
import string
from dataclasses import dataclass

from firmware_tools.errors import InputRefused

_NOTATION = re.compile(
    r"[0-9A-F]{12}"  # 0C25760A1B2C
    r"|[0-9A-F]{2}(?:([:\- ._])[0-9A-F]{2})(?:\1[0-9A-F]{2}){4}"  # 0C:25:76:0A:1B:2C
    r"|[0-9A-F]{4}(?:([:\- .])[0-9A-F]{4})(?:\2[0-9A-F]{4})"  # 0C25.760A.1B2C
    r"|[0-9A-F]{6}(?:[:\- .])[0-9A-F]{6}"  # 0C2576-0A1B2C
)


@dataclass(frozen=True, slots=True)
class Mac:
    """Six bytes, as printed on the camera and its box."""

    value: bytes

    @classmethod
    def parse(cls, text: str) -> "Mac":
        """Read any common notation; raise `InputRefused` naming what is wrong otherwise."""
        given = text.strip().upper()
        separators = ":-._ "
        strange = sorted({char for char in given if char not in string.hexdigits and char not in separators})
        digits = "".join(char for char in given if char in string.hexdigits)
        if not given:
            raise InputRefused("MAC address: nothing given; it has 12 hex digits and stands on the camera's label")
        if strange:
            listed = " ".join(repr(char) for char in strange)
            raise InputRefused(f"MAC address {text!r}: {listed} is no hex digit (0-9, A-F)")
        if len(digits) != 12:
            raise InputRefused(f"MAC address {text!r}: {len(digits)} hex digits, but a MAC address has 12")
        if not _NOTATION.fullmatch(given):
            raise InputRefused(f"MAC address {text!r}: separators in odd places; write it like 0C:25:76:0A:1B:2C")
        return cls(bytes.fromhex(digits))

    @property
    def digits(self) -> str:
        """Twelve upper-case hex digits, for file names."""
        return self.value.hex().upper()

    @property
    def label(self) -> str:
        """The volume label that the camera looks for: `SUNMI-` and the last four digits."""
        return f"SUNMI-{self.digits[-4:]}"

    def __str__(self) -> str:
        return self.value.hex(":").upper()
