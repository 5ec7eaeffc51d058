"""The chain's certificate authority: servers and shops trust no other one.

Its dates are fixed, and so are those of its certificates: a machine with a wrong clock takes part, and nothing has to
be renewed. What ends a shop is a revocation of its user, not a date.
"""

import ipaddress
from datetime import UTC, datetime
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware_tools.language import message
from gateway.authority.certificates import PublicKey, begin_certificate, make_key_usage
from gateway.fleet.join_code import FINGERPRINT_BYTES

VALID_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
VALID_UNTIL: Final = datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)


class ChainAuthority:
    """The authority with its private key, which stays with the head office."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, chain: str) -> Self:
        """Make the authority of a new chain. Browsers, which read the head office's pages, know no Ed25519."""
        key = ec.generate_private_key(ec.SECP256R1())
        digits = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:6]
        name = _make_name(f"{chain[:50]} ({digits})")
        certificate = (
            begin_certificate(name, name, key.public_key(), VALID_FROM, VALID_UNTIL)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(make_key_usage(is_authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def parse(cls, certificate: bytes, key: bytes) -> Self:
        """Read both from PEM. Raises `ValueError`."""
        try:
            private = load_pem_private_key(key, None)
            parsed = x509.load_pem_x509_certificate(certificate)
            parsed.verify_directly_issued_by(parsed)
        except (TypeError, InvalidSignature) as exc:
            raise ValueError(str(exc)) from exc
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != parsed.public_key():
            raise ValueError(message("the private key is not that of the certificate"))
        return cls(parsed, private)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key."""
        return write_key(self._key)

    @property
    def fingerprint(self) -> bytes:
        """The first bytes of the certificate's SHA-256, as a join code holds them."""
        return self._certificate.fingerprint(hashes.SHA256())[:FINGERPRINT_BYTES]

    def issue_client(self, name: str, key: Ed25519PublicKey) -> bytes:
        """Return a certificate, in PEM, with which a shop or the head office connects to the servers."""
        return self._issue(name, key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), [])

    def issue_server(self, *hosts: str) -> tuple[bytes, bytes]:
        """Return a certificate for these names and addresses, and its private key, in PEM.

        Servers of a cluster also connect to each other with it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._issue(hosts[0], key.public_key(), usage, [_make_host(host) for host in hosts]), write_key(key)

    def _issue(self, name: str, key: PublicKey, usage: x509.ExtendedKeyUsage, hosts: list[x509.GeneralName]) -> bytes:
        builder = (
            begin_certificate(_make_name(name), self._certificate.subject, key, VALID_FROM, VALID_UNTIL)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(make_key_usage(is_authority=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def write_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _make_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _make_host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode())
