"""Cameras that announce themselves by multicast DNS, on loopback.

Port 5353 is shared with whatever else runs on this machine, so what others announce there is overlooked.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from gateway.discovery.device import DiscoveredDevice
from tests.discovery.conftest import Make
from tests.discovery.device import Device


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
    discovery: Make, multicast: AsyncZeroconf, udp_port: int, tcp_port: int, seen: list[DiscoveredDevice]
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
        result = await discovery(methods=["mdns"]).scan(timeout_s=8)
    found = [device for device in seen if device.sn]
    assert found == result.devices
    assert {(s.sn, s.address) for s in found} == {
        (f"C201D{number}", f"127.0.0.{number}:{port}") for number, port in ports.items()
    }
    assert {(s.interface, s.found_by) for s in found} == {("lo", "mdns")}
    assert result.methods["mdns"].found >= 5
    assert result.methods["mdns"].error is None


async def test_what_is_no_camera_or_elsewhere_is_left_out_and_the_silent_is_unidentified(
    discovery: Make, multicast: AsyncZeroconf
) -> None:
    await asyncio.gather(
        register(multicast, "_http", "Office printer FS", "127.0.0.32"),
        register(multicast, "_https", "FM020 elsewhere", "8.8.8.8"),
        register(multicast, "_https", "FM010 silent", "127.0.0.33"),
    )
    result = await discovery(methods=["mdns"]).scan(timeout_s=8)
    assert result.devices == []
    unidentified = {device.address for device in result.unidentified}
    assert "127.0.0.33:443" in unidentified
    assert unidentified.isdisjoint({"127.0.0.32:443", "8.8.8.8:443"})
