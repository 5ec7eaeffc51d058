"""TLS contexts of the simulated servers: the cameras' shared SHA-1 certificate, and a small authority for the cloud."""

import ipaddress
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_FOLDER = Path(__file__).parent / "certificates"

CLIENT_CERTIFICATE: Final = _FOLDER / "openapi.p12"
"""The client certificate that a simulated camera accepts: SHA-1, in a PKCS#12 file with legacy algorithms."""
CLIENT_CERTIFICATE_PASSWORD: Final = "sunmi-openapi"  # noqa: S105 - of a throw-away key that is published here

Validity = tuple[datetime, datetime]


@cache
def camera_context(*, changed: bool, client_certificate: bool) -> ssl.SSLContext:
    """Return the context of every camera: TLS 1.2 with the shared certificate, or with the changed one.

    With `client_certificate` the handshake fails unless the client shows one issued by the vendor's authority.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # SHA-1 signatures are refused above
    context.load_cert_chain(_FOLDER / ("other_camera.pem" if changed else "camera.pem"))
    if client_certificate:
        context.load_verify_locations(_FOLDER / "client_authority.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def validity_at(unix_s: float) -> Validity:
    """Return when a certificate that is issued at this time, in Unix seconds, is valid."""
    now = datetime.fromtimestamp(unix_s, UTC)
    return now - timedelta(days=1), now + timedelta(days=90)


class CloudCertificateAuthority:
    """A certificate authority made anew at every start, and the certificate that it issued to the cloud."""

    def __init__(self, host: str, validity: Validity | None = None) -> None:
        start, end = validity or validity_at(time.time())
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority_name = _name("Simulated SUNMI Cloud Authority")
        authority = (
            _draft(authority_name, authority_name, authority_key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        leaf = (
            _draft(_name("Simulated SUNMI Cloud"), authority_name, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        self.ca_pem = authority.public_bytes(Encoding.PEM).decode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:  # the standard library loads a key from a file only
            path = Path(folder) / "cloud.pem"
            path.write_bytes(
                leaf.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            )
            self.context.load_cert_chain(path)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    addresses = {"127.0.0.1", "::1"}
    try:
        addresses.add(str(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return [*names, *(x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses))]


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
