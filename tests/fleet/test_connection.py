"""What a shop reads of the servers: one message without a consumer, and messages as they come."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.fleet import connection as fleet_connection
from gateway.fleet.connection import FleetConnection, ReceivedMessage
from gateway.fleet.failures import HeadOfficeUnavailable
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

CHAIN = "$KV.desired.chain"


@pytest.fixture
async def connection(office: HeadOffice) -> AsyncIterator[FleetConnection]:
    opened = await FleetConnection.open(office.settings("shop-1"), on_lost=lambda: None)
    yield opened
    await opened.close()


async def test_the_last_message_of_a_subject_is_read_with_its_revision(
    office: HeadOffice, connection: FleetConnection
) -> None:
    assert await connection.read_message("KV_desired", CHAIN) is None
    async with office.client() as client:
        bucket = await client.jetstream(timeout=60).key_value("desired")
        await bucket.put("chain", b"first")
        revision = await bucket.put("chain", b"second")
        stored = await connection.read_message("KV_desired", CHAIN)
        assert stored is not None
        assert (stored.payload, stored.revision) == (b"second", revision)
        await bucket.delete("chain")
        stored = await connection.read_message("KV_desired", CHAIN)
        assert stored is not None
        assert (stored.payload, stored.headers["KV-Operation"]) == (b"", "DEL")


async def test_what_comes_is_handed_over(office: HeadOffice, connection: FleetConnection) -> None:
    received: list[ReceivedMessage] = []
    await connection.subscribe(CHAIN, received.append)
    async with office.client() as client:
        while not received:  # it takes a moment until the other servers know that somebody listens
            await client.publish(CHAIN, b"x" * 1_000_000)
            await asyncio.sleep(0.05)
        await client.publish(CHAIN, b"\xff", reply="elsewhere")
        await until(lambda: received[-1].reply == "elsewhere")
    assert {(len(one.payload), one.reply) for one in received} == {(1_000_000, ""), (1, "elsewhere")}


async def test_what_cannot_be_read_says_so(connection: FleetConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await connection.read_message("OBJ_content", "$O.content.M.bm9uZQ==") is None
    monkeypatch.setattr(fleet_connection, "ACKNOWLEDGEMENT_TIMEOUT_S", 0.3)
    with pytest.raises(HeadOfficeUnavailable, match="permissions violation"):
        await connection.read_message("KV_desired", "$KV.desired.shop.shop-2")
    await connection.close()
    with pytest.raises(HeadOfficeUnavailable):
        await connection.read_message("KV_desired", CHAIN)
