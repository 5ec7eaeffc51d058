"""A shop with a slow line: it gets a list of products all the same."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator

import pytest

from gateway.fleet.connection import FleetConnection
from gateway.fleet.content_download import ContentDownload
from gateway.fleet.documents import ContentReference
from gateway.fleet.link_throttle import LinkThrottle
from tests.fleet.cluster import HeadOffice
from tests.fleet.desired_shop import push

pytestmark = pytest.mark.slow

BYTES_PER_S = 32_000
SIZE = 400_000
"""More than the line takes while a shop waits for one answer."""
PIECE = 1024


@contextlib.asynccontextmanager
async def slow_line(server: str) -> AsyncIterator[str]:
    """Yield an address that leads to a server, from which little gets through."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause_s: float) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(PIECE):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(len(piece) * pause_s)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = server.partition(":")
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * PIECE)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
        from_server, to_server = await asyncio.open_connection(sock=plain, limit=PIECE)
        await asyncio.gather(carry(reader, to_server, 0), carry(from_server, writer, 1 / BYTES_PER_S))

    listener = await asyncio.start_server(connect, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        yield f"{host}:{port}"


async def test_a_list_of_products_arrives_over_a_slow_line(office: HeadOffice) -> None:
    content = os.urandom(SIZE)
    reference = ContentReference.model_validate(await push(office, content))
    async with slow_line(office.servers[0]) as address:
        settings = office.settings("shop-1").model_copy(update={"servers": [address]})
        connection = await FleetConnection.open(settings, on_lost=lambda: None)
        try:
            with tempfile.TemporaryFile() as file:
                await ContentDownload(reference, file).receive(connection, LinkThrottle(lambda: False))
                file.seek(0)
                assert file.read() == content
        finally:
            await connection.close()
