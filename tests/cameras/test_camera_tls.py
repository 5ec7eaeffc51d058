"""The camera TLS context: the vendor's kind of certificate, and client certificates old and new, good and bad."""

import asyncio
import ssl
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    KeySerializationEncryption,
    NoEncryption,
    pkcs12,
)

from gateway.cameras.connection import CameraConnection, fetch_certificate_sha256
from gateway.discovery.camera_tls import camera_tls_context, fingerprint
from gateway.errors import CameraUnreachable, SettingsError

PASSWORD = "p12 pässword"


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def vendor_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with an authority and certificates like the vendor's: RSA, SHA-1, no alternative name."""
    folder = tmp_path_factory.mktemp("vendor")
    make = ["req", "-newkey", "rsa:2048", "-nodes", "-sha1", "-days", "2"]
    openssl(*make, "-x509", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.pem", "-subj", "/O=sunmi/CN=SunmiCA")
    for name in ("ipc-https", "openapi"):
        openssl(*make, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-sha1", "-days", "2"]
        openssl("x509", "-req", "-in", f"{folder}/{name}.csr", *signed, "-out", f"{folder}/{name}.pem")
    return folder


@pytest.fixture(scope="module")
def old_p12(vendor_like: Path) -> Path:
    """Make a container as old tools make it: RC2-40 and 3DES, the authority's SHA-1 certificate inside."""
    file = vendor_like / "openapi.p12"
    pair = ["-inkey", f"{vendor_like}/openapi.key", "-in", f"{vendor_like}/openapi.pem"]
    chain = ["-certfile", f"{vendor_like}/ca.pem", "-passout", "pass:1234"]
    openssl("pkcs12", "-export", "-legacy", *pair, *chain, "-out", str(file))
    return file


def vendor_like_server(folder: Path, *, insist: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(folder / "ipc-https.pem", folder / "ipc-https.key")
    if insist:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "ca.pem")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_vendors_sha1_certificate_is_shown(serve: Any, vendor_like: Path, version: ssl.TLSVersion) -> None:
    async def script(visit: Any) -> None:
        await visit.reader.read()

    tls = vendor_like_server(vendor_like, insist=False)
    tls.minimum_version = tls.maximum_version = version
    async with serve(script, tls=tls) as camera:
        shown = await fetch_certificate_sha256(camera.host, camera.port, camera_tls_context(None, ""), 5)
    pem = (vendor_like / "ipc-https.pem").read_text()
    assert shown == fingerprint(ssl.PEM_cert_to_DER_cert(pem))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_old_client_certificate_is_accepted(
    serve: Any, answer: Callable[..., bytes], vendor_like: Path, old_p12: Path, version: ssl.TLSVersion
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        peer = visit.writer.get_extra_info("ssl_object").getpeercert()
        await visit.say(answer(str(peer["subject"]).encode()))

    context = camera_tls_context(old_p12, "1234")
    tls = vendor_like_server(vendor_like, insist=True)
    tls.minimum_version = tls.maximum_version = version
    async with serve(script, tls=tls) as camera:
        pin = await fetch_certificate_sha256(camera.host, camera.port, context, 5)
        connection = CameraConnection(camera.host, camera.port, context, pin=pin)
        got = await connection.post("/", b"", timeout_s=60)
        connection.close()
    assert b"openapi" in got.body


def p12(identity: Any, encryption: KeySerializationEncryption) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"n", identity.key, identity.certificate, None, encryption)


def test_containers_of_today(identity: Any, tmp_path: Path) -> None:
    encrypted, bare = tmp_path / "encrypted.p12", tmp_path / "bare.p12"
    encrypted.write_bytes(p12(identity, BestAvailableEncryption(PASSWORD.encode())))
    bare.write_bytes(p12(identity, NoEncryption()))
    camera_tls_context(encrypted, PASSWORD)
    camera_tls_context(bare, "")


def test_nothing_of_the_key_stays_behind(identity: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    file = tmp_path / "openapi.p12"
    file.write_bytes(p12(identity, BestAvailableEncryption(PASSWORD.encode())))
    camera_tls_context(file, PASSWORD)
    assert not list(scratch.iterdir())


BAD: dict[str, Callable[[Any], bytes]] = {
    "a wrong password": lambda identity: p12(identity, BestAvailableEncryption(b"another")),
    "garbage": lambda identity: b"not a container",
    "an empty file": lambda identity: b"",
    "PEM": lambda identity: bytes(identity.file.read_bytes()),
    "half a file": lambda identity: p12(identity, NoEncryption())[:100],
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_container_stops_the_start(identity: Any, tmp_path: Path, content: Callable[[Any], bytes]) -> None:
    file = tmp_path / "openapi.p12"
    file.write_bytes(content(identity))
    with pytest.raises(SettingsError, match=r"cameras\.client_certificate: .*openapi\.p12") as caught:
        camera_tls_context(file, PASSWORD)
    assert PASSWORD not in str(caught.value)


def test_a_container_without_key(identity: Any, tmp_path: Path) -> None:
    file = tmp_path / "openapi.p12"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"n", None, None, [identity.certificate], NoEncryption()))
    with pytest.raises(SettingsError, match="no certificate with its private key"):
        camera_tls_context(file, "")


@pytest.mark.parametrize("name", ["missing.p12", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"cameras\.client_certificate: .* cannot be read: "):
        camera_tls_context(tmp_path / name, "")


# TLS of small and old devices

_RSA_AES_128_GCM = b"\x00\x9c"
_SUPPORTED_GROUPS = b"\x00\x0a"
_P256 = b"\x00\x17"


def client_hello(context: ssl.SSLContext) -> bytes:
    """Return the first message of a handshake, with its record's head."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def test_the_first_message_is_short_and_offers_one_curve() -> None:
    hello = client_hello(camera_tls_context(None, ""))
    assert len(hello) <= 5 + 512  # with the padding that OpenSSL adds for devices that hang on 256 to 511 bytes
    assert _SUPPORTED_GROUPS + b"\x00\x04\x00\x02" + _P256 in hello


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_camera_that_knows_another_curve_only_is_offered_all(
    serve: Any, identity: Any, version: ssl.TLSVersion
) -> None:
    async def script(visit: Any) -> None:
        await visit.reader.read()

    tls = identity.server_context()
    tls.minimum_version = tls.maximum_version = version
    tls.set_ecdh_curve("secp384r1")
    async with serve(script, tls=tls) as camera:
        shown = await fetch_certificate_sha256(camera.host, camera.port, camera_tls_context(None, ""), 60)
    assert shown == identity.sha256


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(body).to_bytes(2) + body


def handshake_message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


async def test_a_camera_that_does_not_know_rfc_5746_is_accepted(vendor_like: Path) -> None:
    """It sends a ServerHello without the extension; the client has to go on with its key and not with an alert."""
    certificate = ssl.PEM_cert_to_DER_cert((vendor_like / "ipc-https.pem").read_text())
    chain = len(certificate).to_bytes(3) + certificate
    answer = (
        handshake_message(2, b"\x03\x03" + bytes(32) + b"\x00" + _RSA_AES_128_GCM + b"\x00")
        + handshake_message(11, len(chain).to_bytes(3) + chain)
        + handshake_message(14, b"")
    )
    received: list[bytes] = []

    async def serve_old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (record(22, answer), b""):
            head = await reader.readexactly(5)
            received.append(head[:1] + await reader.readexactly(int.from_bytes(head[3:])))
            writer.write(reply)
        writer.transport.abort()

    server = await asyncio.start_server(serve_old, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CameraUnreachable):  # this server has no key
            await fetch_certificate_sha256("127.0.0.1", port, camera_tls_context(None, ""), 60)
    client_key_exchange = b"\x16\x10"
    assert [message[:2] for message in received[1::2]] == [client_key_exchange] * 2
