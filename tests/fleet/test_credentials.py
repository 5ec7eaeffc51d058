"""With what a shop signs: its key in PEM, read and used without the large library that makes it."""

import asyncio
import base64
import os
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.errors import SettingsError
from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from tests.fleet.cluster import HeadOffice
from tests.outbox.process import GatewayProcess

CLOUD: Final = f'[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\napp_id = "{APP_ID}"\nsecret_key = "{SECRET_KEY}"\n'
PEM: Final = (Encoding.PEM, PrivateFormat.PKCS8)


def test_a_signature_is_that_of_the_key_in_the_file(office: HeadOffice) -> None:
    files = CredentialFiles.of(office.settings("shop-1"))
    key = load_pem_private_key(Path(files.private_key).read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    key.public_key().verify(base64.b64decode(load_credentials(files).sign("a nonce")), b"a nonce")


KEYS: Final = {
    "of another kind": generate_ec_key(SECP256R1()).private_bytes(*PEM, NoEncryption()),
    "with a password": Ed25519PrivateKey.generate().private_bytes(*PEM, BestAvailableEncryption(b"x")),
    "too short": b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n",
    "no base64": b"-----BEGIN PRIVATE KEY-----\nMC4=CAQAwB\n-----END PRIVATE KEY-----\n",
    "no PEM": b"\xff" * 200_000,
    "empty": b"",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_a_file_without_such_a_key_is_named(
    office: HeadOffice, tmp_path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssl.SSLContext.load_cert_chain", lambda *_, **__: None)  # which says so first for all of them
    file = tmp_path / "shop.key"
    file.write_bytes(key)
    files = CredentialFiles.of(office.settings("shop-1", private_key=str(file)))
    with pytest.raises(SettingsError, match=r"fleet\.private_key: .*shop\.key cannot be used"):
        load_credentials(files)


def read_loaded_files(pid: int) -> str:
    """Return what a process has in its memory."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


async def test_a_shop_without_https_does_without_the_large_library(office: HeadOffice, tmp_path: Path) -> None:
    """It takes 8 MB, and the link takes 12 at most with everything."""
    process = GatewayProcess(tmp_path / "gateway", CLOUD, CloudCertificateAuthority.create().ca_pem)
    with process.config.open("a") as config:
        config.write(office.section("shop-2"))
    try:
        await process.start("env")
        while (answer := await office.command("shop-2", "doctor", id="doctor-of-shop-2"))["outcome"] == "running":
            pass
        assert answer["outcome"] == "done", answer
        while not await office.read_state("shop-2"):
            await asyncio.sleep(0.05)
        loaded = read_loaded_files(process.pid)
        assert f"{os.sep}nacl{os.sep}" in loaded
        assert "cryptography" not in loaded
    finally:
        await process.discard()
