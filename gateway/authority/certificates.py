"""How the authority's certificates are made; pure but for the randomness of keys and serial numbers."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PRIVATE_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8",
                    "fc00::/7", "fe80::/10", "::1/128")
)  # fmt: skip
"""The addresses that nobody owns: the only ones that the authority may vouch for."""

_ROOT_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
_ROOT_END: Final = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Fixed dates, so that a root that is made while the clock is wrong is as good as any other."""

_BACKDATED: Final = timedelta(days=30)
_AHEAD: Final = timedelta(days=367)
"""A certificate is valid for 397 days in all: below the 398 and 825 that browsers accept at most, and otherwise as long
as possible, for a shop whose clocks are wrong. A shorter one would protect nobody: its key lies beside the issuer's."""

_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority: its root, and the issuing certificate with its key. The root's own key exists no more."""

    root: x509.Certificate
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Leaf:
    """The certificate that the HTTPS port shows, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def serves(self, moment: datetime) -> bool:
        """Tell whether it is valid at the moment and not yet due for renewal, which it is at half of its time."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return begin <= moment <= end - _AHEAD / 2


def new_issuer(title: str, hosts: Iterable[str]) -> Issuer:
    """Make an authority for these host names and the private addresses.

    `title` tells a person whose it is; some digits of the key are added, since browsers mix up authorities of one name.
    """
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    digits = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()).digest.hex()[:6]
    root_name = _name(title, f" ({digits})")
    permitted = [x509.DNSName(host) for host in hosts]
    confined = x509.NameConstraints(
        permitted_subtrees=[*permitted, *(x509.IPAddress(network) for network in PRIVATE_NETWORKS)],
        excluded_subtrees=None,
    )
    root = (
        _draft(root_name, root_name, root_key.public_key(), _ROOT_BEGIN, _ROOT_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(confined, critical=True)
        .sign(root_key, hashes.SHA256())
    )
    # Some browsers heed the constraints of a root, some only those below it: hence both have them.
    issuing = (
        _draft(_name(title, f" ({digits}) issuing"), root_name, key.public_key(), _ROOT_BEGIN, _ROOT_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(confined, critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Issuer(root, issuing, key)


def new_leaf(issuer: Issuer, hosts: Sequence[str], addresses: Sequence[str], moment: datetime) -> Leaf:
    """Make a certificate for names and addresses, valid from a month before the moment until a year after it."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(host) for host in hosts]
    alternatives = [*names, *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses)]
    certificate = (
        _draft(
            _name("SUNMI gateway"),
            issuer.certificate.subject,
            key.public_key(),
            moment - _BACKDATED,
            moment + _AHEAD,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    return Leaf(certificate, key)


def latest_moment(issuer: Issuer, moment: datetime) -> datetime:
    """Return the moment, or the last one at which a certificate does not outlive the root: a clock far off."""
    return min(moment, issuer.root.not_valid_after_utc - _AHEAD)


def permits(root: x509.Certificate, host_or_address: str) -> bool:
    """Tell whether the root may vouch for a host name or an address."""
    permitted = root.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    try:
        address = ipaddress.ip_address(host_or_address)
    except ValueError:
        hosts = [one.value for one in permitted if isinstance(one, x509.DNSName)]
        return any(host_or_address == host or host_or_address.endswith(f".{host}") for host in hosts)
    networks = [one.value for one in permitted if isinstance(one, x509.IPAddress)]
    return any(address in ipaddress.ip_network(network) for network in networks)


def _name(text: str, addition: str = "") -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[: _LONGEST_NAME - len(addition)] + addition)])


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
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


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
