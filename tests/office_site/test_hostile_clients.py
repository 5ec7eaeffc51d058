"""Clients and shops that mean harm, and a head office whose pages answer all the same."""

import contextlib
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.office.set_up import set_up
from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import Visitor

SILENT = 150
"""More than this machine may have open at once."""


@pytest.fixture
async def without_events(office: HeadOffice) -> AsyncIterator[None]:
    """Let the stream of events say nothing, as while a shop floods it."""
    async with office.connect() as connected:
        await connected.jetstream.delete_stream("events")
        yield
        await set_up(connected)


async def test_silent_connections_to_the_join_service_keep_nobody_from_the_pages(
    visitor: Visitor, office: HeadOffice
) -> None:
    join = office.chain.plan.join_address
    with contextlib.ExitStack() as stack:
        for _ in range(SILENT):
            silent = stack.enter_context(socket.socket())
            silent.setblocking(False)
            silent.connect_ex((join.listen_host, join.port))
        for _ in range(3):
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{visitor.url}/console/sign-in", ssl=visitor.tls) as response,
            ):
                assert response.status == 200


async def test_a_shop_is_shown_while_the_stream_of_events_is_silent(visitor: Visitor, without_events: None) -> None:
    await visitor.sign_in()
    response, html = await visitor.get("shops/hamburg-1")
    assert (response.status, "Shop hamburg-1" in html) == (200, True)
