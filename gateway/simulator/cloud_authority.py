"""The certificate authority of the simulated cloud. Only a client that is given its certificate trusts it."""

import ipaddress
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Validity = tuple[datetime, datetime]
"""The first and the last moment at which a certificate is valid."""

LASTING_VALIDITY: Final[Validity] = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC))
"""Of an authority that is kept in a file; it depends on no clock."""

_AUTHORITY_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated SUNMI Cloud Authority")])
_SERVER_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Simulated SUNMI Cloud")])
_AUTHORITY_KEY_USAGE: Final = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def validity_at(unix_s: float) -> Validity:
    """Return the validity of a server certificate that is issued at this time, in Unix seconds."""
    now = datetime.fromtimestamp(unix_s, UTC)
    return now - timedelta(days=1), now + timedelta(days=90)


class CloudCertificateAuthority:
    """A certificate and the key that belongs to it; made by `create` or `load`."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, validity: Validity = LASTING_VALIDITY) -> Self:
        """Make a new authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _certificate_builder(_AUTHORITY_NAME, key.public_key(), validity)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_AUTHORITY_KEY_USAGE, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> Self:
        """Read an authority. Raises ValueError if the texts are no certificate and the key that belongs to it."""
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        key = load_pem_private_key(key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise ValueError("the key is not that of the certificate")
        return cls(certificate, key)

    @property
    def ca_pem(self) -> str:
        """The certificate, which a client has to be given."""
        return self._certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        """The private key."""
        return _encode_key(self._key).decode()

    def issue(self, host: str, validity: Validity) -> ssl.SSLContext:
        """Issue a certificate for a host name or address, and for loopback. Return the context that shows it."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            _certificate_builder(_SERVER_NAME, key.public_key(), validity)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_alternative_names(host)), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:  # the standard library loads a key from a file only
            path = Path(folder) / "cloud.pem"
            path.write_bytes(certificate.public_bytes(Encoding.PEM) + _encode_key(key))
            context.load_cert_chain(path)
        return context


def _encode_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _alternative_names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    addresses = {"127.0.0.1", "::1"}
    try:
        addresses.add(str(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return [*names, *(x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses))]


def _certificate_builder(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, validity: Validity
) -> x509.CertificateBuilder:
    begin, end = validity
    return (
        x509.CertificateBuilder(issuer_name=_AUTHORITY_NAME, subject_name=subject, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
