"""Reading a stream in batches: what one server was asked and lost, another one is asked."""

import asyncio

import pytest
from nats.aio.msg import Msg

from gateway.office import stored_messages
from gateway.office.stored_messages import read_stream
from tests.fleet.cluster import HeadOffice


async def test_a_batch_of_which_nothing_comes_is_soon_asked_for_again(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_messages, "TIMEOUT_S", 3600)
    monkeypatch.setattr(stored_messages, "FIRST_WAIT_S", 0.1)
    heard, asked = asyncio.Event(), 0

    async def lose_the_first(received: Msg) -> None:
        nonlocal asked
        heard.set()
        asked += bool(received.data)
        if asked > 1:
            stored = {"Nats-Sequence": "1", "Nats-Subject": "lossy.one", "Nats-Time-Stamp": "2026-11-29T06:44:16Z"}
            await server.publish(received.reply, b"there", headers=stored)
            await server.publish(received.reply, b"", headers={"Status": "204"})

    async with office.connect() as connected, office.client() as server:
        await server.subscribe("$JS.API.DIRECT.GET.lossy", cb=lose_the_first)
        await server.flush()
        while not heard.is_set():  # the servers tell each other who listens
            await connected.client.publish("$JS.API.DIRECT.GET.lossy")
            await asyncio.sleep(0.01)
        assert [one.payload async for one in read_stream(connected.client, "lossy", "lossy.>")] == [b"there"]
    assert asked == 2
