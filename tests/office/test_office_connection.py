"""How the head office connects to its servers."""

import asyncio
import contextlib
from asyncio import constants
from pathlib import Path

import pytest

from gateway.fleet.client import FleetClient
from gateway.fleet.credentials import load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import SHOPS, bucket_stream
from gateway.office import office as office_connection
from gateway.office.bucket import Bucket
from gateway.office.office import Office, connect_client
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice, make_chain
from tests.waiting import until


async def test_a_server_that_accepts_a_line_and_says_nothing_keeps_nobody_out(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "STEP_TIMEOUT_S", 1)
    lines: list[asyncio.StreamWriter] = []
    frozen = await asyncio.start_server(lambda _, line: lines.append(line), "127.0.0.1", 0)
    host, port = frozen.sockets[0].getsockname()
    credentials = load_credentials(office.chain.office_files)
    client = await connect_client([f"{host}:{port}", *office.servers], credentials)
    assert client.connected_url is not None
    assert client.connected_url.netloc == office.servers[0]
    await client.close()
    frozen.close()
    for line in lines:
        line.close()


async def test_a_head_office_ends_without_a_failure_while_its_servers_are_gone(office: HeadOffice) -> None:
    [node] = office.nodes
    async with office.connect() as connected:
        await node.kill()
        await until(lambda: connected.client.is_reconnecting)
        await connected.client.publish("fleet.v1.nowhere.command.doctor", b"it waits for a line")
    await node.start()


async def test_servers_that_all_refuse_a_line_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "CONNECT_TIMEOUT_S", 3600)
    monkeypatch.setattr(office_connection, "REFUSED_TIMEOUT_S", 0.3)
    chain = make_chain(tmp_path / "chain")
    with pytest.raises(HeadOfficeUnavailable, match=r"cannot be reached.* see that they run.*Connection refused"):
        async with Office.connect(chain):
            pass


async def test_a_silent_server_among_those_that_refuse_is_waited_for(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "STEP_TIMEOUT_S", 0.2)
    monkeypatch.setattr(office_connection, "REFUSED_TIMEOUT_S", 0)
    lines: list[asyncio.StreamWriter] = []
    frozen = await asyncio.start_server(lambda _, line: lines.append(line), "127.0.0.1", 0)
    host, port = frozen.sockets[0].getsockname()
    credentials = load_credentials(office.chain.office_files)
    refusing = [f"127.0.0.1:{find_free_port()}" for _ in range(2)]
    connecting = asyncio.ensure_future(connect_client([f"{host}:{port}", *refusing], credentials))
    await until(lambda: len(lines) == 3)
    assert not connecting.done()
    connecting.cancel()
    await asyncio.wait([connecting])
    frozen.close()
    for line in lines:
        line.close()


async def test_what_a_leader_was_asked_before_it_froze_the_next_one_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "READ_ATTEMPTS", 100)
    monkeypatch.setattr(office_connection, "READ_TIMEOUT_S", 1)
    monkeypatch.setattr(office_connection, "READ_ATTEMPTS", 100)
    head = HeadOffice(tmp_path)
    addresses = {place.name: str(place.address) for place in head.chain.plan.places}
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(head.stop)
        await head.start()
        connected = await stack.enter_async_context(head.connect())
        leader = await find_leader(connected)
        while connected.client.connected_url is None or connected.client.connected_url.netloc == addresses[leader]:
            connected = await stack.enter_async_context(head.connect())
            leader = await find_leader(connected)
        [node] = [one for one in head.nodes if one.name == leader]
        node.freeze()
        stack.callback(node.thaw)
        assert (await Bucket(connected, SHOPS).get("nobody")).value is None


async def find_leader(office: Office) -> str:
    """Return the name of the server that leads the list of shops."""
    info = await office.jetstream.stream_info(bucket_stream(SHOPS))
    assert info.cluster is not None
    return str(info.cluster.leader)


async def test_a_frozen_server_is_not_waited_for_until_it_ends_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "SSL_SHUTDOWN_TIMEOUT", 3600)
    monkeypatch.setattr(office_connection, "PING_INTERVAL_S", 1)
    head = HeadOffice(tmp_path)
    names = {str(place.address): place.name for place in head.chain.plan.places}
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(head.stop)
        await head.start()
        connected = await stack.enter_async_context(head.connect())
        server = connected.client.connected_url
        assert server is not None
        [node] = [one for one in head.nodes if one.name == names[server.netloc]]
        node.freeze()
        stack.callback(node.thaw)
        await until(lambda: connected.client.stats["reconnects"] > 0)


async def test_who_is_cancelled_while_a_line_ends_spoils_it_for_nobody(office: HeadOffice) -> None:
    """As when a client is closed that connects anew: then the library waits once more."""
    client = await connect_client(office.servers, load_credentials(office.chain.office_files))
    assert isinstance(client, FleetClient)
    line = client._line
    first = asyncio.create_task(line.wait_closed())
    await asyncio.sleep(0)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    await client.close()
    await line.wait_closed()
