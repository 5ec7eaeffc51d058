"""The cameras' TLS: a context of its own, the client certificate, and the fingerprint that is remembered as a pin."""

import hashlib
import os
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import SettingsError

if TYPE_CHECKING:  # imported where it is used: a gateway without a certificate of its own needs 9 MB less
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_SETTING = "cameras.client_certificate"
_LEGACY_SERVER_CONNECT: Final = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, which the ssl module names since Python 3.12


class ClientCertificate(NamedTuple):
    """The certificate that cameras may ask a gateway to show."""

    key: "PrivateKeyTypes"
    """The private key."""
    certificate: "x509.Certificate"
    issuers: "list[x509.Certificate]"
    """The certificates that lead to its root."""


def fingerprint(certificate_der: bytes) -> str:
    """Return the SHA-256 of a certificate as lower-case hexadecimal digits: a pin."""
    return hashlib.sha256(certificate_der).hexdigest()


class CameraTlsContext(ssl.SSLContext):
    """A client context for cameras that offers one elliptic curve, P-256, which every device knows.

    With OpenSSL 3.5 the first message of a handshake is three times as long otherwise, and small devices hang on it.
    """

    all_curves: ssl.SSLContext
    """The same with every curve, for a camera that refuses the handshake."""


def camera_tls_context(client_certificate: Path | None, password: str) -> CameraTlsContext:
    """Return the TLS context for cameras. It is never shared with the cloud's.

    It verifies neither chain nor host name, because all cameras show one certificate that names none of them. Whoever
    connects has to compare the pin. Security level 0 is for that certificate, which is signed with SHA-1, and for
    client certificates like it. All TLS versions are allowed, and servers that do not know RFC 5746, because it is not
    known what cameras speak (NOTES: Camera certificate). `client_certificate` is the vendor's PKCS#12 file. Raises
    `SettingsError` naming it if it cannot be used.
    """
    context = CameraTlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.all_curves = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for one in (context, context.all_curves):
        one.check_hostname = False
        one.verify_mode = ssl.CERT_NONE
        one.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        one.set_ciphers("DEFAULT:@SECLEVEL=0")
        one.options |= _LEGACY_SERVER_CONNECT
        if client_certificate is not None:
            _load_client_certificate(one, client_certificate, password)
    context.set_ecdh_curve("prime256v1")
    return context


def read_client_certificate(file: Path, password: str) -> ClientCertificate:
    """Read the vendor's PKCS#12 file. Raises `SettingsError` naming it."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        container = file.read_bytes()
    except OSError as exc:
        raise SettingsError(
            message("{setting}: {file} cannot be read: {reason}", setting=_SETTING, file=file, reason=exc)
        ) from exc
    try:
        key, certificate, issuers = pkcs12.load_key_and_certificates(container, password.encode() or None)
    except (ValueError, TypeError) as exc:
        raise SettingsError(
            message(
                "{setting}: {file} cannot be opened: it is no PKCS#12 file, or {setting}_password is wrong",
                setting=_SETTING,
                file=file,
            )
        ) from exc
    if key is None or certificate is None:
        raise SettingsError(
            message("{setting}: {file} holds no certificate with its private key", setting=_SETTING, file=file)
        )
    return ClientCertificate(key, certificate, issuers)


def _load_client_certificate(context: ssl.SSLContext, file: Path, password: str) -> None:
    key, certificate, issuers = read_client_certificate(file, password)
    try:
        load_chain(context, key, (certificate, *issuers))
    except (OSError, ssl.SSLError) as exc:
        raise SettingsError(
            message("{setting}: {file} cannot be used for TLS: {reason}", setting=_SETTING, file=file, reason=exc)
        ) from exc


def load_chain(context: ssl.SSLContext, key: "PrivateKeyTypes", chain: "Sequence[x509.Certificate]") -> None:
    """Let a context show the first certificate of the chain, with its key and the others, which lead to its root.

    A context that is in use shows it from the next connection on. Raises `OSError` and `ssl.SSLError`.
    """
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    passphrase = secrets.token_bytes(32).hex()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    pem += b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    # The ssl module reads only files. This one is readable by its owner alone, and its key is encrypted all the same.
    descriptor, name = tempfile.mkstemp(prefix="sunmi-gateway-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
        context.load_cert_chain(name, password=passphrase)
    finally:
        Path(name).unlink()
