"""Discovery confined to loopback, on a UDP port that nobody else uses."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.discovery import Discovery
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings
from tests.discovery.device import received_over_tls


@pytest.fixture
def udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tcp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def seen() -> list[DiscoveredDevice]:
    """Every device that was reported, in order."""
    return []


Make = Callable[..., Discovery]


@pytest.fixture(autouse=True)
def nothing_over_tls() -> Iterator[None]:
    """See that discovery sends nothing over a connection to a camera."""
    yield
    received = b"".join(received_over_tls)
    received_over_tls.clear()
    assert received == b""


@pytest.fixture
async def discovery(udp_port: int, tcp_port: int, seen: list[DiscoveredDevice]) -> AsyncIterator[Make]:
    """Make a discovery on loopback, given settings beyond that; it is closed after the test."""
    made: list[Discovery] = []

    def make(
        *, known: tuple[str, ...] = (), on_device: Callable[[DiscoveredDevice], None] = seen.append, **settings: Any
    ) -> Discovery:
        chosen = {"interfaces": ["lo"], "broadcast_port": udp_port, "interval_s": 0, **settings}
        discovery = Discovery(
            DiscoverySettings(**chosen),
            Supervisor(),
            camera_port=tcp_port,
            on_device=on_device,
            known_addresses=lambda: known,
        )
        made.append(discovery)
        return discovery

    yield make
    for discovery in made:
        await discovery.close()
