"""Multicast DNS on loopback: cameras that announce themselves, and the gateway's own announcement."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from zeroconf import AddressResolverIPv4, DNSQuestionType, IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.lan.discovery.announce import Announcement
from gateway.lan.sighting import Sighting
from gateway.settings import DiscoverySettings
from tests.lan.discovery.conftest import Make
from tests.lan.discovery.device import Device

OURS = "_sunmi-gateway._tcp.local."
CONSOLE = "_http._tcp.local."


@pytest.fixture
async def multicast() -> AsyncIterator[AsyncZeroconf]:
    async with AsyncZeroconf(["127.0.0.1"], ip_version=IPVersion.V4Only) as made:
        yield made


async def register(
    multicast: AsyncZeroconf, kind: str, name: str, host: str, port: int = 443, **properties: str
) -> None:
    service = AsyncServiceInfo(
        f"{kind}._tcp.local.", f"{name}.{kind}._tcp.local.", addresses=[socket.inet_aton(host)], port=port,
        properties=properties, server=f"host-{name.split()[0]}.local.",
    )  # fmt: skip
    await (await multicast.async_register_service(service))


async def test_announced_cameras_are_identified_by_their_frames(
    discovery: Make, multicast: AsyncZeroconf, udp_port: int, tcp_port: int, seen: list[Sighting]
) -> None:
    await asyncio.gather(
        register(multicast, "_sunmi-ipc", "anything", "127.0.0.21", 8443),
        register(multicast, "_https", "SUNMI FM020 door", "127.0.0.22", 8443),
        register(multicast, "_https", "C201D0000001", "127.0.0.23", 8443),
        register(multicast, "_http", "web", "127.0.0.24", 80, model="SS"),
        register(multicast, "_http", "other", "127.0.0.25", 80, serial="c201d0000001"),
    )
    ports = {21: 8443, 22: 8443, 23: 8443, 24: tcp_port, 25: tcp_port}
    async with contextlib.AsyncExitStack() as devices:
        for number in ports:
            await devices.enter_async_context(Device(f"127.0.0.{number}", sn=f"C201D{number}", port=udp_port))
        result = await discovery(methods=["mdns"]).round(timeout_s=2)
    assert {(s.sn, s.address) for s in seen} == {
        (f"C201D{number}", f"127.0.0.{number}:{port}") for number, port in ports.items()
    }
    assert {(s.interface, s.found_by) for s in seen} == {("lo", "mdns")}
    assert (result.methods["mdns"].found, result.methods["mdns"].error) == (5, None)


async def test_what_is_no_camera_or_elsewhere_is_left_out_and_the_silent_is_unidentified(
    discovery: Make, multicast: AsyncZeroconf
) -> None:
    await asyncio.gather(
        register(multicast, "_http", "Office printer FS", "127.0.0.22"),
        register(multicast, "_https", "FM020 elsewhere", "8.8.8.8"),
        register(multicast, "_https", "FM010 silent", "127.0.0.23"),
    )
    result = await discovery(methods=["mdns"]).round(timeout_s=2)
    assert result.sightings == []
    assert [s.address for s in result.unidentified] == ["127.0.0.23:443"]


async def resolve(multicast: AsyncZeroconf, host: str) -> list[str]:
    resolver = AddressResolverIPv4(f"{host}.")
    await resolver.async_request(multicast.zeroconf, 3000, DNSQuestionType.QM)
    return resolver.parsed_addresses()


async def test_the_gateway_announces_itself_under_both_names_and_says_goodbye(multicast: AsyncZeroconf) -> None:
    announcement = Announcement(DiscoverySettings(interfaces=["lo"]), version="1.2.3")
    await announcement.start(8080, 8443)
    try:
        assert announcement.host.startswith("sunmi-gateway-")
        name = announcement.host.removesuffix(".local")
        service = AsyncServiceInfo(OURS, f"{name}.{OURS}")
        assert await service.async_request(multicast.zeroconf, 5000, DNSQuestionType.QM)
        assert service.decoded_properties == {"version": "1.2.3", "path": "/api/v1", "https_port": "8443"}
        assert (service.port, service.server) == (8080, f"{announcement.host}.")
        assert service.parsed_addresses() == ["127.0.0.1"]
        assert await resolve(multicast, announcement.host) == ["127.0.0.1"]
        assert await resolve(multicast, "sunmi-gateway.local") == ["127.0.0.1"]
    finally:
        await announcement.close()
    async with AsyncZeroconf(["127.0.0.1"], ip_version=IPVersion.V4Only) as fresh:
        assert not await AsyncServiceInfo(OURS, f"{name}.{OURS}").async_request(fresh.zeroconf, 500)


async def test_a_short_name_in_use_is_left_alone(multicast: AsyncZeroconf) -> None:
    taken = AsyncServiceInfo(
        "_other._tcp.local.", "holder._other._tcp.local.", addresses=[socket.inet_aton("127.0.0.99")], port=1,
        server="sunmi-gateway.local.",
    )  # fmt: skip
    await (await multicast.async_register_service(taken))
    announcement = Announcement(DiscoverySettings(interfaces=["lo"]), version="1.2.3")
    digits = announcement.host.removeprefix("sunmi-gateway-").removesuffix(".local").upper()
    await announcement.start(8080)
    try:
        async with AsyncZeroconf(["127.0.0.1"], ip_version=IPVersion.V4Only) as fresh:
            assert await resolve(fresh, announcement.host) == ["127.0.0.1"]
            assert not await AsyncServiceInfo(CONSOLE, f"SUNMI gateway {digits}.{CONSOLE}").async_request(
                fresh.zeroconf, 4000, DNSQuestionType.QM
            )
            assert await resolve(fresh, "sunmi-gateway.local") == ["127.0.0.99"]
    finally:
        await announcement.close()
