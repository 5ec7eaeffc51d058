"""Creates the certificates of the authority, and begins those of others. It reads no clock and no file."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
                    "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip
"""The networks whose addresses the authority may certify: nobody owns them."""

_CA_VALID_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
_CA_VALID_UNTIL: Final = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Fixed dates, so that a root created while the clock is wrong is valid nevertheless."""

_VALID_BEFORE_ISSUE: Final = timedelta(days=30)
_VALID_AFTER_ISSUE: Final = timedelta(days=367)
"""A leaf certificate is valid for 397 days in all: just below the 398 that browsers accept at most, since the clocks of
a shop may be wrong. A shorter time would protect nobody: its key lies beside the issuer's."""

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey
"""A key that a certificate may be for."""

_MAX_NAME_LENGTH: Final = 64
"""The longest common name that X.509 allows."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The certificates of an authority, and the key that issues with them. The root's own key exists no more."""

    root: x509.Certificate
    """The self-signed certificate that tills install."""
    certificate: x509.Certificate
    """The intermediate certificate, signed by the root."""
    key: ec.EllipticCurvePrivateKey
    """The private key of the intermediate certificate."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate for the HTTPS port."""

    certificate: x509.Certificate
    """The certificate itself."""
    key: ec.EllipticCurvePrivateKey
    """Its private key."""

    def needs_renewal(self, now: datetime) -> bool:
        """Return whether it is not valid yet, or less than half of its time is left."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return not begin <= now <= end - _VALID_AFTER_ISSUE / 2


def create_issuer(title: str, hosts: Iterable[str]) -> Issuer:
    """Create an authority that may certify these host names and the private addresses.

    `title` tells a person whose it is. Some digits of the key are added, since browsers confuse authorities that have
    the same name.
    """
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    digits = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()).digest.hex()[:6]
    root_name = _common_name(title, f" ({digits})")
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            *(x509.DNSName(host) for host in hosts),
            *(x509.IPAddress(network) for network in PRIVATE_NETWORKS),
        ],
        excluded_subtrees=None,
    )
    root = (
        begin_certificate(root_name, root_name, root_key.public_key(), _CA_VALID_FROM, _CA_VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(make_key_usage(is_authority=True), critical=True)
        .add_extension(constraints, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    # Some browsers apply the constraints of the root, others only those of the certificates below it.
    intermediate = (
        begin_certificate(
            _common_name(title, f" ({digits}) issuing"), root_name, key.public_key(), _CA_VALID_FROM, _CA_VALID_UNTIL
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(make_key_usage(is_authority=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(constraints, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Issuer(root, intermediate, key)


def issue_leaf(issuer: Issuer, hosts: Sequence[str], addresses: Sequence[str], now: datetime) -> Leaf:
    """Issue a certificate for host names and addresses, valid from a month ago for a year to come."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternative_names = [
        *(x509.DNSName(host) for host in hosts),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    certificate = (
        begin_certificate(
            _common_name("SUNMI gateway"),
            issuer.certificate.subject,
            key.public_key(),
            now - _VALID_BEFORE_ISSUE,
            now + _VALID_AFTER_ISSUE,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(make_key_usage(is_authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternative_names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return Leaf(certificate, key)


def limit_issue_time(issuer: Issuer, now: datetime) -> datetime:
    """Return the time, but not so late that a certificate issued then would outlive the root: the clock is wrong."""
    return min(now, issuer.root.not_valid_after_utc - _VALID_AFTER_ISSUE)


def is_permitted(root: x509.Certificate, host_or_address: str) -> bool:
    """Return whether the root's constraints permit a host name or an IP address."""
    permitted = root.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    try:
        address = ipaddress.ip_address(host_or_address)
    except ValueError:
        hosts = [name.value for name in permitted if isinstance(name, x509.DNSName)]
        return any(host_or_address == host or host_or_address.endswith(f".{host}") for host in hosts)
    networks = [name.value for name in permitted if isinstance(name, x509.IPAddress)]
    return any(address in ipaddress.ip_network(network) for network in networks)


def _common_name(text: str, suffix: str = "") -> x509.Name:
    """Return the text, cut to the longest name, with the suffix."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[: _MAX_NAME_LENGTH - len(suffix)] + suffix)])


def begin_certificate(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    """Return a certificate that says whose it is, by whom and for which time, with a random number."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def make_key_usage(*, is_authority: bool) -> x509.KeyUsage:
    """Return what a key is good for: issuing certificates, or proving who somebody is."""
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
