"""The gateway's certificate authority: its file, and the certificate that it issued last."""

import logging
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from firmware_tools.language import message
from gateway import RELEASED_AT
from gateway.authority.certificate_names import CertificateNames
from gateway.authority.certificates import Issuer, Leaf, create_issuer, is_permitted, issue_leaf, limit_issue_time
from gateway.errors import StateError

_log = logging.getLogger(__name__)

FILE: Final = "authority.pem"
"""The name of its file in the state directory."""

InstallCertificate = Callable[[ec.EllipticCurvePrivateKey, Sequence[x509.Certificate]], None]
"""Installs a private key and its certificate chain, leaf first and without the root, at the HTTPS port."""


class Authority:
    """The gateway's certificate authority. `open` loads or creates it."""

    def __init__(self, path: Path, issuer: Issuer) -> None:
        self.path = path
        self._issuer = issuer
        self.leaf: Leaf | None = None
        """The certificate that it issued last."""
        self._leaf_names: CertificateNames | None = None
        """The names for which it was issued."""

    @classmethod
    def open(cls, directory: Path, title: str, names: CertificateNames) -> Self:
        """Load the authority from the state directory, or create it there for these names.

        Raises `StateError` if the file cannot be read, used or written.
        """
        path = directory / FILE
        try:
            return cls(path, _parse(path.read_bytes()))
        except FileNotFoundError:
            issuer = create_issuer(title, names.hosts)
        except OSError as exc:
            raise StateError(
                message("{path}: the gateway's authority cannot be read: {reason}", path=path, reason=exc)
            ) from exc
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as exc:
            raise StateError(
                message(
                    "{path}: the gateway's authority is damaged; restore the file from a backup, or delete "
                    "it: then a new authority is made, and every till has to install the new certificate",
                    path=path,
                )
            ) from exc
        try:
            _write(path, issuer)
        except OSError as exc:
            raise StateError(
                message("{path}: the gateway's authority cannot be written: {reason}", path=path, reason=exc)
            ) from exc
        return cls(path, issuer)

    @property
    def name(self) -> str:
        """Its name in the list of certificates that a till trusts."""
        return str(self._issuer.root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the root certificate, in lower-case hexadecimal digits."""
        return self._issuer.root.fingerprint(hashes.SHA256()).hex()

    @property
    def expires_at(self) -> datetime:
        """When the root certificate expires."""
        return self._issuer.root.not_valid_after_utc

    @property
    def root_der(self) -> bytes:
        """The root certificate as DER, which Windows, Android and iOS install."""
        return self._issuer.root.public_bytes(Encoding.DER)

    @property
    def root_pem(self) -> bytes:
        """The root certificate as PEM."""
        return self._issuer.root.public_bytes(Encoding.PEM)

    def split_permitted(self, names: CertificateNames) -> tuple[CertificateNames, tuple[str, ...]]:
        """Return the names that the root's constraints permit, and the others.

        There are others if the machine was renamed since the authority was created, or has a public address.
        """
        root = self._issuer.root
        permitted = CertificateNames(
            tuple(host for host in names.hosts if is_permitted(root, host)),
            tuple(address for address in names.addresses if is_permitted(root, address)),
        )
        others = {*names.hosts, *names.addresses} - {*permitted.hosts, *permitted.addresses}
        return permitted, tuple(sorted(others))

    def renew(self, names: CertificateNames, unix_s: float, install: InstallCertificate) -> bool:
        """Issue and install a certificate if the last one is for other names or due for renewal; return whether it did.

        `unix_s` is the current time. A time before the release of this version comes from a clock that was never set;
        the release time is used instead. If `install` raises, the last certificate stays in use.
        """
        now = limit_issue_time(self._issuer, datetime.fromtimestamp(max(unix_s, RELEASED_AT), UTC))
        renamed = names != self._leaf_names
        if self.leaf is not None and not renamed and not self.leaf.needs_renewal(now):
            return False
        permitted, others = self.split_permitted(names)
        leaf = issue_leaf(self._issuer, permitted.hosts, permitted.addresses, now)
        install(leaf.key, (leaf.certificate, self._issuer.certificate))
        self.leaf, self._leaf_names = leaf, names
        if renamed:
            _log.info("HTTPS is certified for %s", ", ".join((*permitted.hosts, *permitted.addresses)))
        if renamed and others:
            _log.warning(
                "tills cannot trust the gateway as %s: its authority was made for other names. To make a new one, stop "
                "the gateway, delete %s, start it, and install the new certificate on every till",
                ", ".join(others),
                self.path,
            )
        return True


def _parse(text: bytes) -> Issuer:
    """Parse the file. Raises `ValueError`, `TypeError`, `InvalidSignature` or `ExtensionNotFound` if it is damaged."""
    key = load_pem_private_key(text, None)
    certificate, root = x509.load_pem_x509_certificates(text)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError(message("the key does not belong to the intermediate certificate"))
    certificate.verify_directly_issued_by(root)
    root.extensions.get_extension_for_class(x509.NameConstraints)
    return Issuer(root, certificate, key)


def _write(path: Path, issuer: Issuer) -> None:
    """Write the file atomically: after a power cut it is complete or absent."""
    text = issuer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    text += issuer.certificate.public_bytes(Encoding.PEM) + issuer.root.public_bytes(Encoding.PEM)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
