"""What a server that dies leaves behind with those who are connected to it, or connect: nothing."""

import asyncio
import contextlib
import gc
import json
import os
import socket
import ssl
import struct
from typing import cast
from urllib.parse import urlparse

import pytest

from gateway.fleet.client import FleetClient
from gateway.fleet.connection import FleetConnection
from gateway.fleet.credentials import load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.office import connect_client
from gateway.office.server_configuration import CERTIFICATE, PRIVATE_KEY
from gateway.simulator.certificates import camera_context
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

KILLS = 200 if os.environ.get("FULL_PROOFS") == "1" else 3
TLS_BUFFER_BYTES = 512 * 1024
"""How much waits to be sent over TLS until who sends more has to wait."""

MAX_PENDING_BYTES = 2 * 1024 * 1024
"""How much a client keeps until who sends more has to wait."""


def count_files() -> int:
    gc.collect()  # what is left to it warns, and so fails the test
    return len(os.listdir("/proc/self/fd"))


async def test_a_killed_server_leaves_no_file_and_no_line_in_the_log(
    office: HeadOffice, caplog: pytest.LogCaptureFixture
) -> None:
    [node] = office.nodes
    before = count_files()
    async with office.client():  # it comes back by itself
        for _ in range(KILLS):
            lost = asyncio.Event()
            connection = await open_soon(office, lost)
            await (await open_soon(office, asyncio.Event())).close()
            await node.kill()
            await lost.wait()
            await connection.close()
            await node.start()
        await (await open_soon(office, asyncio.Event())).close()
    assert count_files() <= before
    assert [one.getMessage() for one in caplog.records if one.name == "asyncio"] == []


async def open_soon(office: HeadOffice, lost: asyncio.Event) -> FleetConnection:
    """Connect as soon as the server listens."""
    async with office.client("shop-1"):
        pass
    return await FleetConnection.open(office.settings("shop-1"), on_lost=lost.set)


async def test_who_sends_hears_at_once_that_the_server_was_killed(
    office: HeadOffice, caplog: pytest.LogCaptureFixture
) -> None:
    [node] = office.nodes
    lost = asyncio.Event()
    connection = await open_soon(office, lost)

    async def send() -> None:
        with contextlib.suppress(HeadOfficeUnavailable):
            while True:
                await connection.send("fleet.v1.shop-1.present", bytes(300_000))
                await asyncio.sleep(0)  # until much waits: then it waits there

    async def publish() -> None:
        with contextlib.suppress(HeadOfficeUnavailable):
            while True:
                await connection.publish("fleet.v1.shop-1.event.x", b"{}")

    sending = [asyncio.ensure_future(work()) for work in (send, send, send, publish)]
    await connection.publish("fleet.v1.shop-1.event.x", b"{}")
    node.freeze()
    await until(lambda: connection._client._pending_data_size > MAX_PENDING_BYTES)
    await node.kill()
    await lost.wait()
    await asyncio.wait(sending)
    await connection.close()
    await node.start()
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.name == "asyncio"] == []


async def test_a_line_that_is_lost_before_tls_is_not_waited_for() -> None:
    def reset(_: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as dying:
        host, port = dying.sockets[0].getsockname()
        transport = FleetClient()._line
        await transport.connect(urlparse(f"tls://{host}:{port}"), 1000, 60)
        line = transport._bare_io_writer
        assert line is not None
        await until(line.is_closing)
        with pytest.raises(ConnectionError):
            await transport.connect_tls(host, ssl.create_default_context(), 1000, 60)
    count_files()


async def test_a_server_that_dies_after_its_greeting_is_not_taken_for_good(office: HeadOffice) -> None:
    [node] = office.nodes
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(node.folder / CERTIFICATE, node.folder / PRIVATE_KEY)
    greeting = {"server_id": "x", "version": "2.10.0", "max_payload": 1000, "nonce": "x", "auth_required": True}

    async def greet(reader: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        line.write(b"INFO " + json.dumps(greeting).encode() + b"\r\n")
        await reader.readline()
        line.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls) as dying:
        host, port = dying.sockets[0].getsockname()
        credentials = load_credentials(office.chain.office_files)
        client = await connect_client([f"{host}:{port}", *office.servers], credentials)
        assert client.connected_url is not None
        assert client.connected_url.netloc == office.servers[0]
        await client.close()


async def test_a_server_that_reads_nothing_keeps_no_line(office: HeadOffice) -> None:
    [node] = office.nodes
    before = count_files()
    client = await connect_client(office.servers, load_credentials(office.chain.office_files))
    assert isinstance(client, FleetClient)
    writer = client._line._io_writer
    assert writer is not None

    async def publish() -> None:
        while True:
            await client.publish("office.nobody", bytes(100_000))

    node.freeze()
    publishing = asyncio.ensure_future(publish())
    await until(lambda: writer.transport.get_write_buffer_size() > TLS_BUFFER_BYTES)
    await client.close()
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await until(lambda: count_files() <= before)
    node.thaw()


async def test_a_line_that_ends_badly_once_nobody_waits_for_it_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[asyncio.StreamWriter] = []
    tls = camera_context(changed=False, client_certificate=False)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with await asyncio.start_server(lambda _, line: lines.append(line), "127.0.0.1", 0, ssl=tls) as server:
        host, port = server.sockets[0].getsockname()
        line = FleetClient()._line
        await line.connect(urlparse(f"tls://{host}:{port}"), 1000, 60)
        await line.connect_tls(host, trusting, 1000, 60)
        await until(lambda: lines)
        silent = cast(asyncio.Transport, lines[0].transport)
        silent.pause_reading()  # so the end of TLS is not answered
        writer = line._io_writer
        assert writer is not None
        writer.close()
        waiting = asyncio.create_task(line.wait_closed())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(TimeoutError):
            await writer.wait_closed()
        silent.abort()
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.name == "asyncio"] == []
