"""A server that ends a connection with an error of the protocol: nobody who is connected for long stays away."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.fleet.connection import FleetConnection
from gateway.fleet.credentials import load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office import office as office_connection
from gateway.office.office import connect_client
from gateway.office.server_configuration import CERTIFICATE, PRIVATE_KEY
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

ERROR = b"-ERR 'Unknown Protocol Operation'\r\n"


class ErringServer:
    """Speaks enough of the protocol for a connection, and ends the first ones by an error."""

    def __init__(self, errors: int) -> None:
        self._errors = errors
        self.address = ""
        self.opened_at: list[float] = []
        """When each connection was opened, by the monotonic clock."""
        self.said: list[bytes] = []
        """What clients have sent over connections that are not ended."""

    @contextlib.asynccontextmanager
    async def serve(self, folder: Path) -> AsyncIterator["ErringServer"]:
        """Serve with the certificate of the server with this folder."""
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(folder / CERTIFICATE, folder / PRIVATE_KEY)
        async with await asyncio.start_server(self._handle, "127.0.0.1", 0, ssl=tls) as listening:
            host, port = listening.sockets[0].getsockname()
            self.address = f"{host}:{port}"
            yield self

    async def _handle(self, reader: asyncio.StreamReader, line: asyncio.StreamWriter) -> None:
        self.opened_at.append(time.monotonic())
        is_ended = len(self.opened_at) <= self._errors
        greeting = {"server_id": "x", "version": "2.11.0", "max_payload": 10**6, "nonce": "x", "headers": True}
        line.write(b"INFO " + json.dumps(greeting).encode() + b"\r\n")
        with contextlib.suppress(ConnectionError):
            while said := await reader.readline():
                if said.startswith(b"PING"):
                    line.write(b"PONG\r\n" + (ERROR if is_ended else b""))
                    if is_ended:
                        break
                if not is_ended:
                    self.said.append(said)
            line.close()
            await line.wait_closed()


async def test_the_head_office_connects_again_after_an_error_of_the_protocol(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(office_connection, "RECONNECT_INTERVAL_S", 0.2)
    credentials = load_credentials(office.chain.office_files)
    async with ErringServer(errors=2).serve(office.nodes[0].folder) as server:
        client = await connect_client([server.address], credentials)
        await client.subscribe("office.subject")
        await until(lambda: any(said.startswith(b"SUB office.subject") for said in server.said))
        assert client.is_connected
        first, second, third = server.opened_at
        assert min(second - first, third - second) >= 0.2  # else such a server would be asked without a pause
        await client.close()
    lines = [one.getMessage() for one in caplog.records if one.name == "gateway.fleet.client"]
    assert lines == ["the server has ended the connection, which begins anew: unknown protocol operation"] * 2


async def test_the_link_of_a_shop_ends_with_an_error_of_the_protocol(office: HeadOffice) -> None:
    lost = asyncio.Event()
    async with ErringServer(errors=1).serve(office.nodes[0].folder) as server:
        settings = office.settings("shop-1", servers=[server.address])
        connection = await FleetConnection.open(settings, on_lost=lost.set)
        await lost.wait()
        with pytest.raises(HeadOfficeUnavailable, match="it is tried again"):
            connection.check()
        await connection.close()
