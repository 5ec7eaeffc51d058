"""How the head office connects to its servers."""

import asyncio

import pytest

from gateway.fleet.credentials import load_credentials
from gateway.office import office as office_connection
from gateway.office.office import connect_client
from tests.fleet.cluster import HeadOffice


async def test_a_server_that_accepts_a_line_and_says_nothing_keeps_nobody_out(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_connection, "ATTEMPT_TIMEOUT_S", 1.0)
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
