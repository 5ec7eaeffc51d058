"""With what a shop, or the head office, proves to the servers who it is: one Ed25519 key, a certificate and a token.

The servers' side of TLS takes the certificate. Then the server sends a nonce, which the same key signs, and the token
says which user that is.
"""

import base64
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from nacl.signing import SigningKey

from firmware_tools.language import message
from gateway.errors import SettingsError
from gateway.fleet_settings import FleetSettings

MAX_TOKEN_BYTES: Final = 65536
_MAX_KEY_BYTES: Final = 65536
_PEM_KEY: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END PRIVATE KEY-----")
_ED25519_KEY: Final = bytes.fromhex("302e020100300506032b657004220420")
"""How a private key in PKCS#8 begins if it is of Ed25519 (RFC 8410)."""
_SEED_BYTES: Final = 32
"""How many bytes follow."""
_NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name


class CredentialFiles(NamedTuple):
    """The files of one user of the servers. Their fields are called as the settings are."""

    ca_file: str
    """The chain's authority, in PEM."""
    certificate: str
    """The user's certificate by that authority, in PEM."""
    private_key: str
    """The user's Ed25519 key, in PEM."""
    user_jwt: str
    """The user's token."""

    @classmethod
    def of(cls, settings: FleetSettings) -> "CredentialFiles":
        """Return the files that the settings of a shop name."""
        return cls(settings.ca_file, settings.certificate, settings.private_key, settings.user_jwt)


class UserCredentials(NamedTuple):
    """What the client library needs to connect."""

    tls: ssl.SSLContext
    """It trusts the chain's authority alone, and shows the user's certificate."""
    sign: Callable[[str], bytes]
    """Returns the signature of a server's nonce, in base64."""
    token: bytes
    """The user's token."""


def load_credentials(files: CredentialFiles) -> UserCredentials:
    """Read the files, each time anew, so that renewed ones need no restart.

    Raises `SettingsError`, which names the setting and the file.
    """
    return UserCredentials(_make_tls_context(files), _load_signer(files.private_key), _load_token(files.user_jwt))


def make_trust(ca_file: str | None = None, ca_pem: str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the chain's authority alone, and shows no certificate.

    Dates are not checked: a Raspberry Pi without a clock would never connect, and the authority is the chain's own.
    Raises `OSError` and `ssl.SSLError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= _NO_CHECK_TIME
    context.load_verify_locations(cafile=ca_file, cadata=ca_pem)
    return context


def _make_tls_context(files: CredentialFiles) -> ssl.SSLContext:
    try:
        context = make_trust(files.ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise _wrong_file("ca_file", files.ca_file, exc) from exc
    try:
        context.load_cert_chain(files.certificate, files.private_key, password="")  # else it would ask a terminal
    except (OSError, ssl.SSLError) as exc:
        raise _wrong_file("certificate", f"{files.certificate}, {files.private_key}", exc) from exc
    return context


def _load_signer(file: str) -> Callable[[str], bytes]:
    try:
        with Path(file).open("rb") as stream:
            found = _PEM_KEY.search(stream.read(_MAX_KEY_BYTES))
        encoded = b"" if found is None else base64.b64decode(found[1])
    except (OSError, ValueError) as exc:
        raise _wrong_file("private_key", file, exc) from exc
    if not encoded.startswith(_ED25519_KEY) or len(encoded) != len(_ED25519_KEY) + _SEED_BYTES:
        raise _wrong_file("private_key", file, message("it is no Ed25519 key in PKCS#8, without a password"))
    key = SigningKey(encoded[-_SEED_BYTES:])
    return lambda nonce: base64.b64encode(key.sign(nonce.encode()).signature)


def _load_token(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            token = stream.read(MAX_TOKEN_BYTES + 1).strip()
    except OSError as exc:
        raise _wrong_file("user_jwt", file, exc) from exc
    if token.count(b".") != 2 or len(token) > MAX_TOKEN_BYTES or not token.isascii():
        raise _wrong_file("user_jwt", file, message("it is no token of the head office"))
    return token


def _wrong_file(key: str, file: str, reason: object) -> SettingsError:
    return SettingsError(
        message(
            "fleet.{key}: {file} cannot be used, so there is no link to the head office: {reason}",
            key=key,
            file=file,
            reason=reason,
        )
    )
