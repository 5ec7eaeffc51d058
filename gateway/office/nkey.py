"""The keys of NATS users, accounts and operators, in the text form that its servers and tools use.

A key is a prefix byte and 32 bytes of Ed25519, a CRC-16 of both, and all of that in base32. A seed, which is the
private key, has a second prefix byte that says whose it is.
"""

import base64
import binascii
import secrets
from enum import Enum
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_tools.language import message

_SEED: Final = 18 << 3
_KEY_BYTES: Final = 32
_CRC_BYTES: Final = 2


class KeyKind(Enum):
    """Whose a key is, with the prefix byte: it makes the text begin with the letter of the same name."""

    A = 0
    """An account: of the streams, of the shops, of the chain's other systems, or of the servers themselves."""
    O = 14 << 3  # noqa: E741  the letter that such a key begins with
    """The operator, whom all servers trust."""
    U = 20 << 3
    """A user: a shop, another system of the chain, or the head office."""


class SigningKey:
    """A private key of NATS."""

    def __init__(self, kind: KeyKind, seed: bytes) -> None:
        """Take the 32 bytes of the private key."""
        self._seed = seed
        self._kind = kind
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = encode_public_key(kind, self._key.public_key().public_bytes_raw())
        """The public key as text."""

    @classmethod
    def create(cls, kind: KeyKind) -> Self:
        """Make a new one."""
        return cls(kind, secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str, kind: KeyKind) -> Self:
        """Read a seed. Raises `ValueError` for what is none of that kind."""
        raw = _decode(text)
        if len(raw) != _KEY_BYTES + 2 or raw[:2] != _seed_prefix(kind):
            raise ValueError(message("it is no seed of that kind"))
        return cls(kind, raw[2:])

    @property
    def seed(self) -> str:
        """The private key as text."""
        return _encode(_seed_prefix(self._kind) + self._seed)

    def sign(self, content: bytes) -> bytes:
        """Return the signature of the content."""
        return self._key.sign(content)


def encode_public_key(kind: KeyKind, key: bytes) -> str:
    """Return the 32 bytes of a public key as text."""
    return _encode(bytes([kind.value]) + key)


def decode_public_key(text: str, kind: KeyKind) -> bytes:
    """Return the 32 bytes of a public key. Raises `ValueError` for what is none of that kind."""
    raw = _decode(text)
    if len(raw) != _KEY_BYTES + 1 or raw[0] != kind.value:
        raise ValueError(message("it is no public key of that kind"))
    return raw[1:]


def _seed_prefix(kind: KeyKind) -> bytes:
    return bytes([_SEED | kind.value >> 5, (kind.value & 31) << 3])


def _encode(raw: bytes) -> str:
    return base64.b32encode(raw + _crc(raw)).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as exc:
        raise ValueError(message("it is not base32")) from exc
    content, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if crc != _crc(content):
        raise ValueError(message("its check digits are wrong"))
    return content


def _crc(raw: bytes) -> bytes:
    return binascii.crc_hqx(raw, 0).to_bytes(_CRC_BYTES, "little")
