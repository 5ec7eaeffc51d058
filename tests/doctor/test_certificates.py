"""The certificate of the HTTPS port: expired, expiring soon, with another key, or unreadable."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NAME = x509.Name.from_rfc4514_string("CN=till.example")


def write_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def sign(key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime) -> x509.Certificate:
    return x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, begin, end).sign(key, hashes.SHA256())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "shop.pem", tmp_path / "shop.key"


@pytest.fixture
def with_files(with_settings: Callable[..., Any], files: tuple[Path, Path]) -> Any:
    return with_settings(server__tls_certificate=files[0], server__tls_private_key=files[1])


@pytest.mark.parametrize(
    ("begin_days", "end_days", "status", "word"),
    [
        (-500, 400, "ok", "can be used"),
        (-500, 10, "warning", "expires soon"),
        (-500, -1, "failed", "is not valid now"),
        (5, 400, "failed", "is not valid now"),
    ],
)
async def test_a_certificate_has_a_beginning_and_an_end(
    with_files: Any, files: tuple[Path, Path], begin_days: int, end_days: int, status: str, word: str
) -> None:
    now = datetime.now(UTC)
    made = sign(write_key(files[1]), now + timedelta(days=begin_days), now + timedelta(days=end_days))
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    found = await with_files.one("https_certificate")
    assert (found.status, word in found.what) == (status, True)
    assert "CN=till.example, valid until" in found.evidence


async def test_a_key_that_does_not_fit(with_files: Any, files: tuple[Path, Path]) -> None:
    now = datetime.now(UTC)
    made = sign(write_key(files[1]), now, now + timedelta(days=400))
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    write_key(files[1])
    found = await with_files.one("https_certificate")
    assert (found.status, "is not the key of the certificate" in found.what) == ("failed", True)


async def test_files_that_are_missing_or_something_else(with_files: Any, files: tuple[Path, Path]) -> None:
    assert (await with_files.one("https_certificate")).status == "failed"
    for file in files:
        file.write_text("no certificate")
    assert (await with_files.one("https_certificate")).status == "failed"


async def test_without_https_nothing_is_checked(doctor: Any) -> None:
    assert (await doctor.one("https_certificate")).status == "skipped"


async def test_the_gateways_own_authority(resident: Any) -> None:
    assert (await resident.one("https_certificate")).status in ("ok", "skipped")
