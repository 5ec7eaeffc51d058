"""The authority as the gateway keeps it: one file that is made once, and the certificate that was issued last."""

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

from gateway import RELEASED_AT
from gateway.authority.certificates import Issuer, Leaf, latest_moment, new_issuer, new_leaf, permits
from gateway.authority.names import Names
from gateway.errors import StateError

_log = logging.getLogger(__name__)

FILE: Final = "authority.pem"
"""Its name in the state directory."""

Show = Callable[[ec.EllipticCurvePrivateKey, Sequence[x509.Certificate]], None]
"""Has the HTTPS port show a certificate, the first, with its key and what lies between it and the root."""


class Authority:
    """The gateway's certificate authority; made by `open`. `leaf` is the certificate that it issued last."""

    def __init__(self, path: Path, issuer: Issuer) -> None:
        self.path = path
        self._issuer = issuer
        self.leaf: Leaf | None = None
        self._asked: Names | None = None

    @classmethod
    def open(cls, directory: Path, title: str, names: Names) -> Self:
        """Load the authority from the state directory, or make it there, for these names.

        Raises `StateError` when the file can be neither used nor written.
        """
        path = directory / FILE
        try:
            return cls(path, _parse(path.read_bytes()))
        except FileNotFoundError:
            issuer = new_issuer(title, names.hosts)
        except OSError as exc:
            raise StateError(f"{path}: the gateway's authority cannot be read: {exc.strerror}") from exc
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as exc:
            raise StateError(
                f"{path}: the gateway's authority is damaged; restore the file from a backup, or delete it: then a new "
                "authority is made, and every till has to install the new certificate"
            ) from exc
        try:
            _write(path, issuer)
        except OSError as exc:
            raise StateError(f"{path}: the gateway's authority cannot be written: {exc.strerror}") from exc
        return cls(path, issuer)

    @property
    def name(self) -> str:
        """What a person sees in the list of certificates that a till trusts."""
        return str(self._issuer.root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the root, as lower-case hexadecimal digits."""
        return self._issuer.root.fingerprint(hashes.SHA256()).hex()

    @property
    def expires_at(self) -> datetime:
        """When the root ends."""
        return self._issuer.root.not_valid_after_utc

    @property
    def root_der(self) -> bytes:
        """The root as Windows, Android and iOS install it."""
        return self._issuer.root.public_bytes(Encoding.DER)

    @property
    def root_pem(self) -> bytes:
        """The root as text."""
        return self._issuer.root.public_bytes(Encoding.PEM)

    def cover(self, names: Names) -> tuple[Names, tuple[str, ...]]:
        """Return those names that the authority may vouch for, and the others.

        There are others when the machine was renamed since the authority was made, or has a public address.
        """
        root = self._issuer.root
        covered = Names(
            tuple(host for host in names.hosts if permits(root, host)),
            tuple(address for address in names.addresses if permits(root, address)),
        )
        others = {*names.hosts, *names.addresses} - {*covered.hosts, *covered.addresses}
        return covered, tuple(sorted(others))

    def renew(self, names: Names, unix_s: float, show: Show) -> bool:
        """Issue a certificate, and have it shown, if the last one is not for these names or does not serve any more.

        `unix_s` is the time; one before the release of this version is a clock that was never set, and taken for the
        release. What `show` raises is passed on, and then the last certificate stays the one before.
        """
        moment = latest_moment(self._issuer, datetime.fromtimestamp(max(unix_s, RELEASED_AT), UTC))
        renamed = names != self._asked
        if self.leaf is not None and not renamed and self.leaf.serves(moment):
            return False
        covered, others = self.cover(names)
        leaf = new_leaf(self._issuer, covered.hosts, covered.addresses, moment)
        show(leaf.key, (leaf.certificate, self._issuer.certificate))
        self.leaf, self._asked = leaf, names
        if renamed:
            _log.info("HTTPS is certified for %s", ", ".join((*covered.hosts, *covered.addresses)))
        if renamed and others:
            _log.warning(
                "tills cannot trust the gateway as %s: its authority was made for other names. To make a new one, stop "
                "the gateway, delete %s, start it, and install the new certificate on every till",
                ", ".join(others),
                self.path,
            )
        return True


def _parse(text: bytes) -> Issuer:
    key = load_pem_private_key(text, None)
    certificate, root = x509.load_pem_x509_certificates(text)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the key is not the issuing certificate's")
    certificate.verify_directly_issued_by(root)
    root.extensions.get_extension_for_class(x509.NameConstraints)
    return Issuer(root, certificate, key)


def _write(path: Path, issuer: Issuer) -> None:
    """Write the file so that a power cut leaves either all of it or nothing: tills trust it from now on."""
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
