"""The cameras' certificate is like the vendor's (NOTES: Camera certificate); a verifying client accepts the cloud's."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.certificates import CLIENT_CERTIFICATE, CLIENT_CERTIFICATE_PASSWORD
from gateway.simulator.cloud import SimulatedCloud

Make = Callable[..., Awaitable[SimulatedCamera]]


async def read_certificate(camera: SimulatedCamera, context: ssl.SSLContext) -> bytes:
    host, port = camera.address.rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


async def test_cameras_share_a_certificate_like_the_vendor_s(
    make_camera: Make, lenient_context: ssl.SSLContext
) -> None:
    raw = await read_certificate(await make_camera(), lenient_context)
    assert raw == await read_certificate(await make_camera(sn="SS101D8BS00083", model="FM010"), lenient_context)
    certificate = x509.load_der_x509_certificate(raw)
    assert "CN=ipc-https" in certificate.subject.rfc4514_string()
    assert set(certificate.issuer.rfc4514_string().split(",")) == {"CN=SunmiCA", "OU=wbu-ipc", "O=sunmi"}
    assert certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA1
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert (certificate.not_valid_before_utc.year, certificate.not_valid_after_utc.year) == (2019, 2119)
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


async def test_a_verifying_client_refuses_a_camera(camera: SimulatedCamera) -> None:
    with pytest.raises(ssl.SSLError):
        await read_certificate(camera, ssl.create_default_context())


async def test_a_changed_certificate(
    camera: SimulatedCamera, lenient_context: ssl.SSLContext, http: aiohttp.ClientSession
) -> None:
    before = await read_certificate(camera, lenient_context)
    url = f"https://{camera.address}/openapi/config/getName"
    async with http.post(url) as response:
        assert response.status == 200
    camera.faults.changed_certificate = True
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionResetError)):  # the connection of before is cut
        await http.post(url, allow_redirects=False)
    assert await read_certificate(camera, lenient_context) != before
    camera.faults.clear()
    assert await read_certificate(camera, lenient_context) == before


async def test_a_camera_demands_the_client_certificate(
    camera: SimulatedCamera, lenient_context: ssl.SSLContext, tmp_path: Path
) -> None:
    camera.faults.client_certificate = True
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await read_certificate(camera, lenient_context)
    key, certificate, _ = pkcs12.load_key_and_certificates(
        CLIENT_CERTIFICATE.read_bytes(), CLIENT_CERTIFICATE_PASSWORD.encode()
    )
    assert key is not None
    assert certificate is not None
    assert certificate.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSA_WITH_SHA1
    pem = tmp_path / "client.pem"
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(text + certificate.public_bytes(Encoding.PEM))
    lenient_context.load_cert_chain(pem)
    assert await read_certificate(camera, lenient_context)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_cloud_is_trusted_through_its_authority(host: str) -> None:
    cloud = SimulatedCloud(host=host)
    await cloud.start()
    try:
        context = ssl.create_default_context(cadata=cloud.ca_pem)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            async with session.post(f"{cloud.base_url}/order/update") as response:
                assert response.status == 401
            cloud.faults.changed_certificate = True
            cloud.faults.close_after_answer = True
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.post(f"{cloud.base_url}/order/update")
    finally:
        await cloud.stop()


async def test_the_cloud_s_certificate_is_valid_at_the_cloud_s_own_time() -> None:
    moment = datetime(2020, 6, 24, tzinfo=UTC)
    cloud = SimulatedCloud(clock=moment.timestamp)
    authority = x509.load_pem_x509_certificate(cloud.ca_pem.encode())
    assert authority.not_valid_before_utc < moment < authority.not_valid_after_utc


async def test_the_cloud_s_certificate_may_have_expired() -> None:
    cloud = SimulatedCloud(certificate_validity=(datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)))
    await cloud.start()
    try:
        context = ssl.create_default_context(cadata=cloud.ca_pem)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
                await session.post(f"{cloud.base_url}/order/update")
    finally:
        await cloud.stop()
