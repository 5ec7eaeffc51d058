"""Connections that are silent, half-sent or too many keep nobody out, and end; those in use stay."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.api.connections import AcceptedConnection, ConnectionLimits, Connections
from gateway.simulator.ports import find_free_port
from tests.api.serving import Served, served

HALF_HEAD = b"POST /api/v1/cloud/order/update HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LONG_S = 3600.0


class Network:
    """Connections that seem to come from elsewhere."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._peers: list[socket.socket] = []

    def connect(self, address: str) -> AcceptedConnection | None:
        """Return a connection from an address; None if it is refused."""
        ours, peer = socket.socketpair()
        self._peers.append(peer)
        accepted = AcceptedConnection(ours.family, ours.type, ours.proto, fileno=ours.detach())
        return accepted if self._connections.admit(accepted, address) else None

    def close(self) -> None:
        for peer in self._peers:
            peer.close()


@pytest.fixture
def networks() -> Iterator[Any]:
    with contextlib.ExitStack() as stack:

        def make(**limits: Any) -> tuple[Connections, Network]:
            connections = Connections(ConnectionLimits(**limits))
            network = Network(connections)
            stack.callback(network.close)
            return connections, network

        yield make


def is_open(connection: socket.socket | None) -> bool:
    """Tell whether nobody has ended a connection."""
    if connection is None or connection.fileno() < 0:
        return False
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True


def test_one_address_has_a_limit_of_its_own(networks: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, network = networks(per_address=3, from_network=100)
    first, *others = [network.connect("192.0.2.1") for _ in range(5)]
    assert [connection is not None for connection in others] == [True, True, False, False]
    another = network.connect("192.0.2.2")
    assert is_open(another)
    first.close()
    first.close()
    again = [network.connect("192.0.2.1") for _ in range(2)]
    assert [connection is not None for connection in again] == [True, False], "a place was left, and only one"
    assert [record.getMessage() for record in caplog.records] == ["connections are refused: 192.0.2.1 has 3 open"]
    for connection in (*others, another, *again):
        if connection is not None:
            connection.close()


def test_a_silent_connection_of_a_crowd_makes_room(networks: Any) -> None:
    _, network = networks(per_address=4, from_network=6)
    silent = [network.connect(f"192.0.2.{number}") for number in (1, 2, 2, 2, 3, 3)]
    assert network.connect("192.0.2.2") is None, "it has most already"
    newcomer = network.connect("192.0.2.3")
    assert is_open(newcomer)
    assert [is_open(connection) for connection in silent] == [True, False, True, True, True, True]
    another = network.connect("192.0.2.4")
    assert [is_open(connection) for connection in silent] == [False, False, True, True, True, True], "all are silent"
    for connection in (*silent, newcomer, another):
        connection.close()


def test_loopback_has_a_reserve(networks: Any) -> None:
    _, network = networks(per_address=2, from_network=2, from_loopback=2)
    far = [network.connect("192.0.2.1") for _ in range(3)]
    near = [network.connect(address) for address in ("127.0.0.1", "::1", "127.0.0.9")]
    assert [connection is not None for connection in (*far, *near)] == [True, True, False, True, True, False]
    for connection in (*far, *near):
        if connection is not None:
            connection.close()


async def test_one_line_tells_that_connections_are_refused_and_one_that_it_is_over(
    networks: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    connections, network = networks(per_address=1, first_request_s=LONG_S)
    opened = [network.connect("192.0.2.1") for _ in range(50)]
    await connections.sweep()
    assert len(caplog.records) == 1
    await connections.sweep()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert is_open(opened[0])
    opened[0].close()


@contextlib.asynccontextmanager
async def connected(at: Served, data: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    url = URL(at.plain)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(data)
    try:
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", b"G", HALF_HEAD])
async def test_a_connection_without_a_request_is_closed(tmp_path: Path, sent: bytes) -> None:
    async with served(tmp_path, limits=ConnectionLimits(first_request_s=0.3)) as at, connected(at, sent) as reader:
        assert await reader.read() == b""


async def test_a_handshake_that_does_not_end_is_closed(tmp_path: Path) -> None:
    port = find_free_port()
    async with served(tmp_path, limits=ConnectionLimits(first_request_s=0.3), https_port=port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        assert await reader.read() == b""
        writer.close()


async def test_connections_in_use_stay(tmp_path: Path) -> None:
    async with served(tmp_path, limits=ConnectionLimits(first_request_s=0.2)) as at:
        headers = {"Authorization": f"Bearer {await at.gateway.tokens.create('till', 'pos')}"}
        stream_headers = {"Accept": "text/event-stream"}
        async with (
            aiohttp.ClientSession(at.plain, headers=headers) as http,
            http.get("/api/v1/events", headers=stream_headers) as stream,
        ):
            await stream.content.readline()
            async with connected(at) as silent:
                assert await silent.read() == b""  # whatever had no request is gone by now
            async with http.get("/api/v1/status") as response:
                assert response.status == 200
            assert not stream.content.at_eof()


async def test_silent_connections_keep_nobody_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = ConnectionLimits(from_loopback=8, first_request_s=0.3)
    async with served(tmp_path, limits=limits) as at, contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(connected(at)) for _ in range(30)]
        assert [await reader.read() for reader in readers] == [b""] * 30
        async with aiohttp.ClientSession(at.plain) as http, http.get("/healthz") as response:
            assert response.status == 200
    refusals = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert refusals == ["connections are refused: this machine has 8 open"]


async def test_https_counts_alike(tmp_path: Path) -> None:
    port = find_free_port()
    async with served(tmp_path, limits=ConnectionLimits(from_loopback=2), https_port=port) as at:
        assert at.gateway.authority is not None
        trusting = ssl.create_default_context(cadata=at.gateway.authority.root_pem.decode())
        async with aiohttp.ClientSession() as http:
            for _ in range(5):  # one after the other they have room
                async with http.get(f"https://127.0.0.1:{port}/healthz", ssl=trusting) as response:
                    assert response.status == 200
