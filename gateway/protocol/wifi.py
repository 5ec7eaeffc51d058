"""Names and passwords of Wi-Fi networks: what no network can have (IEEE 802.11, 9.4.2.2 and annex J)."""

import re
from typing import Final

from firmware_tools.language import message
from gateway.protocol.values import InvalidValue, check_line

MAX_SSID_BYTES: Final = 32
"""How long the name of a network is at most, in UTF-8."""
MIN_PASSWORD_LENGTH: Final = 8
"""How many characters a password has at least."""
KEY_LENGTH: Final = 64
"""How many hexadecimal digits a key has, which takes the place of a password; a password is shorter."""

_KEY: Final = re.compile(r"[0-9A-Fa-f]{64}")


def check_ssid(text: str) -> str:
    """Return the name of a network; an empty one is none. Raises `InvalidValue`."""
    check_line(text)
    size = len(text.encode())
    if size > MAX_SSID_BYTES:
        raise InvalidValue(
            message(
                "must have at most {max} bytes in UTF-8, where a Chinese character has 3, not {size}",
                max=MAX_SSID_BYTES,
                size=size,
            )
        )
    return text


def check_wifi_password(text: str) -> str:
    """Return a password; an empty one is for an open network. Raises `InvalidValue`, whose text does not hold it."""
    check_line(text)
    size = len(text.encode())
    if 0 < len(text) < MIN_PASSWORD_LENGTH or (size >= KEY_LENGTH and not _KEY.fullmatch(text)):
        raise InvalidValue(
            message(
                "must have {min} to {max} characters, or be a key of {key} hexadecimal digits",
                min=MIN_PASSWORD_LENGTH,
                max=KEY_LENGTH - 1,
                key=KEY_LENGTH,
            )
        )
    return text
