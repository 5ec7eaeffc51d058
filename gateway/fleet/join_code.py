"""The join code: what a person carries from the head office to a shop, once."""

import base64
import binascii
import re
import unicodedata
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.fleet_settings import SHOP_NAME
from gateway.protocol.host_name import MAX_PORT, is_host_name

FINGERPRINT_BYTES: Final = 16
"""How much of the authority's SHA-256 it holds: enough that nobody makes another authority with the same."""
SECRET_BYTES: Final = 16
MAX_LENGTH: Final = 512
_CHECK_BYTES: Final = 2
_FULL_STOP: Final = "\N{IDEOGRAPHIC FULL STOP}"
_INVISIBLE: Final = "Cf"
"""The category of characters without a width, which come along when a text is copied."""
_CODE: Final = re.compile(rf"([^:/]+):([1-9][0-9]{{0,4}})/({SHOP_NAME})/([A-Z2-7-]+)", re.IGNORECASE)


class JoinCode(NamedTuple):
    """A join code, taken apart."""

    host: str
    """Where the head office lets shops join."""
    port: int
    shop: str
    """The name of the shop."""
    fingerprint: bytes
    """By which the shop knows the chain's authority."""
    secret: bytes
    """By which the head office knows the shop."""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    def __str__(self) -> str:
        content = self.fingerprint + self.secret
        return f"{self.address}/{self.shop}/{_encode(content + self._find_check())}"

    def _find_check(self) -> bytes:
        """Return what shows that a letter is wrong anywhere in it. A host name is the same in capitals."""
        content = f"{self.address.lower()}/{self.shop}/".encode() + self.fingerprint + self.secret
        return binascii.crc_hqx(content, 0).to_bytes(_CHECK_BYTES, "big")

    @classmethod
    def parse(cls, text: str) -> "JoinCode":
        """Read a code, also one that was broken into lines, or typed in the full-width letters of Chinese.

        Raises `ValueError`, which says what is wrong.
        """
        shown = unicodedata.normalize("NFKC", text[: 2 * MAX_LENGTH]).replace(_FULL_STOP, ".")
        joined = "".join(one for one in shown if not one.isspace() and unicodedata.category(one) != _INVISIBLE)
        match = _CODE.fullmatch(joined) if len(joined) <= MAX_LENGTH else None
        if match is None or not is_host_name(match[1]) or int(match[2]) > MAX_PORT:
            raise ValueError(
                message("it must look as `sunmi-gateway office enrol` has printed it: HOST:PORT/SHOP/LETTERS")
            )
        letters = match[4].replace("-", "").upper()
        try:
            raw = base64.b32decode(letters + "=" * (-len(letters) % 8))
        except binascii.Error:
            raw = b""
        if _encode(raw) != letters:  # the last letter has bits that hold nothing
            raw = b""
        content, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
        code = cls(match[1], int(match[2]), match[3], content[:FINGERPRINT_BYTES], content[FINGERPRINT_BYTES:])
        if len(content) != FINGERPRINT_BYTES + SECRET_BYTES or check != code._find_check():
            raise ValueError(message("a letter is wrong or missing in it: copy it once more from the head office"))
        return code


def _encode(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=")
