"""Trying addresses over HTTPS, and asking one address who it is, on loopback."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.sweep import is_camera_certificate
from gateway.simulator.cloud_authority import LASTING_VALIDITY, CloudCertificateAuthority
from tests.discovery.conftest import Make
from tests.discovery.device import Device, https


async def test_a_known_address_is_tried_and_identified(
    discovery: Make, udp_port: int, tcp_port: int, seen: list[DiscoveredDevice]
) -> None:
    async with await https("127.0.0.21", tcp_port), Device("127.0.0.21", port=udp_port):
        result = await discovery(methods=["sweep"], known=(f"127.0.0.21:{tcp_port}",)).scan(timeout_s=2)
    assert [(s.sn, s.found_by, s.interface) for s in seen] == [("C201D0000001", "sweep", "lo")]
    assert result.devices == seen
    assert result.methods["sweep"].found == 1
    assert result.methods["sweep"].error is None


async def test_the_first_announcement_at_an_address_is_confirmed_by_a_handshake(
    discovery: Make, udp_port: int, tcp_port: int, seen: list[DiscoveredDevice]
) -> None:
    scanning = discovery(methods=["sweep"], known=(f"127.0.0.21:{tcp_port}",))
    async with await https("127.0.0.21", tcp_port), Device("127.0.0.21", port=udp_port):
        for _ in range(2):
            await scanning.scan(timeout_s=2)
    assert [len(device.certificate_sha256) for device in seen] == [64, 0]


async def test_the_vendors_certificate_alone_makes_it_unidentified(
    discovery: Make, tcp_port: int, seen: list[DiscoveredDevice]
) -> None:
    async with await https("127.0.0.21", tcp_port):
        result = await discovery(methods=["sweep"], known=("127.0.0.21",)).scan(timeout_s=1)
    assert result.devices == []
    assert result.unidentified == seen
    assert [(s.address, s.sn, len(s.certificate_sha256)) for s in seen] == [(f"127.0.0.21:{tcp_port}", "", 64)]


async def test_another_https_server_is_no_camera_unless_a_person_says_so(
    discovery: Make, tcp_port: int, seen: list[DiscoveredDevice]
) -> None:
    other = CloudCertificateAuthority.create().issue("127.0.0.21", LASTING_VALIDITY)
    async with await https("127.0.0.21", tcp_port, other):
        await discovery(methods=["sweep"], known=("127.0.0.21",)).scan(timeout_s=0.8)
        assert seen == []
        result = await discovery(methods=[], addresses=["127.0.0.21"]).scan(timeout_s=0.8)
    assert [s.found_by for s in seen] == ["address"]
    assert result.unidentified == seen
    assert list(result.methods) == ["address"]


async def test_fixed_addresses_may_be_names_and_have_ports(discovery: Make, udp_port: int, tcp_port: int) -> None:
    addresses = [f"localhost:{tcp_port}", f"127.0.0.22:{tcp_port}"]
    async with (
        await https("127.0.0.1", tcp_port),
        await https("127.0.0.22", tcp_port),
        Device("127.0.0.22", port=udp_port),
    ):
        result = await discovery(methods=["broadcast"], addresses=addresses).scan(timeout_s=1)
    assert {s.address for s in result.devices} == {f"127.0.0.22:{tcp_port}"}
    assert [s.address for s in result.unidentified] == [f"127.0.0.1:{tcp_port}"]
    assert result.methods["address"].found == 2


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("10.1.2.3", "10.1.2.3: lies outside of the interfaces to which discovery.interfaces confines"),
        ("camera.example", "camera.example: cannot be looked up: "),
    ],
)
async def test_confined_to_loopback_no_address_beyond_is_tried(address: str, reason: str, discovery: Make) -> None:
    result = await discovery(methods=["sweep"], addresses=[address]).scan(timeout_s=0.2)
    assert reason in (result.methods["address"].error or "")
    assert result.methods["sweep"].error is None


async def test_loopback_itself_is_not_swept(discovery: Make, tcp_port: int) -> None:
    async with await https("127.0.0.2", tcp_port):
        result = await discovery(methods=["sweep"]).scan(timeout_s=600)
    assert result.methods["sweep"].found == 0


async def test_a_server_that_says_nothing_keeps_nobody_waiting(discovery: Make, tcp_port: int) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.21", tcp_port):
        result = await discovery(methods=["sweep"], known=("127.0.0.21",)).scan(timeout_s=0.8)
    assert result.methods["sweep"].found == 0


async def test_one_address_is_asked_who_it_is(discovery: Make, udp_port: int, tcp_port: int) -> None:
    asking = discovery()
    async with Device("127.0.0.21", port=udp_port), Device("127.0.0.22", port=udp_port, model="T2s"):
        found = await asking.identify("127.0.0.21:4443")
        assert found is not None
        assert (found.sn, found.address, found.found_by) == ("C201D0000001", "127.0.0.21:4443", "address")
        during = asyncio.create_task(asking.scan(timeout_s=0.5, methods=["broadcast"]))
        found, nothing, printer = await asyncio.gather(
            asking.identify("127.0.0.21"), asking.identify("127.0.0.23"), asking.identify("127.0.0.22")
        )
        assert found is not None
        assert found.address == f"127.0.0.21:{tcp_port}"
        assert nothing is None
        assert printer is None
        assert len((await during).devices) == 1
    assert await asking.identify("10.1.2.3") is None


def certificate(issuer: dict[x509.ObjectIdentifier, str], subject: dict[x509.ObjectIdentifier, str]) -> bytes:
    """Return a certificate (DER) with these names."""
    key = ec.generate_private_key(ec.SECP256R1())
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(
        x509.Name([x509.NameAttribute(kind, text) for kind, text in issuer.items()]),
        x509.Name([x509.NameAttribute(kind, text) for kind, text in subject.items()]),
        key.public_key(), 1, begin, begin + timedelta(days=1),
    )  # fmt: skip
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("issuer", "subject", "vendors"),
    [
        ({}, {NameOID.COMMON_NAME: "ipc-https"}, True),
        ({}, {NameOID.COUNTRY_NAME: "CN", NameOID.COMMON_NAME: "IPC-HTTPS"}, True),
        ({NameOID.COMMON_NAME: "SunmiCA"}, {}, True),
        ({NameOID.ORGANIZATION_NAME: "SUNMI"}, {NameOID.COMMON_NAME: "camera"}, True),
        ({}, {NameOID.COMMON_NAME: "ipc-https.example"}, False),
        ({}, {NameOID.COMMON_NAME: "not ipc-https"}, False),
        ({}, {NameOID.COMMON_NAME: "sunmi"}, False),
        ({}, {NameOID.ORGANIZATION_NAME: "ipc-https"}, False),
        ({NameOID.ORGANIZATION_NAME: "Sunmi fans"}, {NameOID.COMMON_NAME: "fritz.box"}, False),
    ],
)
def test_the_vendors_certificates_are_known_by_their_names(
    issuer: dict[x509.ObjectIdentifier, str], subject: dict[x509.ObjectIdentifier, str], vendors: bool
) -> None:
    assert is_camera_certificate(certificate(issuer, subject)) == vendors


def test_what_is_no_certificate_is_not_the_vendors() -> None:
    assert not is_camera_certificate(b"")
