"""Other systems of a chain that mean harm: what they can have the servers send, and who could do it in their place."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from gateway.fleet.credentials import CredentialFiles
from gateway.office.readers import add_reader
from gateway.storage.private_file import write_private
from tests.fleet.cluster import HeadOffice
from tests.office.others_subjects import OTHERS_SUBJECTS
from tests.waiting import until

SHOP, READER, VICTIM = "shop-1", "mine", "erp"
EVENT = f"fleet.v1.{SHOP}.event.x"
REPORTED = f"$JS.API.DIRECT.GET.KV_reported.$KV.reported.{SHOP}"
WRONG = [*OTHERS_SUBJECTS, EVENT, "fleet.v1.shop-2.command.doctor", "_INBOX_shop-1.x"]
"""Where a reader may not publish, and may not have a server publish for it either."""


@pytest.fixture(scope="module", params=[1, 3])
async def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HeadOffice]:
    made = HeadOffice(tmp_path_factory.mktemp("office"), SHOP, nodes=request.param)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


class AddedReader:
    """A reader, with its files."""

    def __init__(self, files: Mapping[str, bytes], folder: Path, name: str) -> None:
        for file, content in files.items():
            write_private(folder / file, content)
        self.files = CredentialFiles(*(str(folder / file) for file in ("ca.pem", *(f"{name}.{e}" for e in _ENDINGS))))
        self.place: dict[str, Any] = json.loads(files[f"{name}.json"])


_ENDINGS = ("pem", "key", "jwt")


@pytest.fixture(scope="module")
async def readers(office: HeadOffice, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, AddedReader]:
    async with office.connect() as connected:
        return {
            name: AddedReader(await add_reader(connected, name, mqtt=False), tmp_path_factory.mktemp(name), name)
            for name in (READER, VICTIM)
        }


async def ask(client: Client, subject: str, content: bytes = b"", inbox: str = "") -> Msg:
    """Ask at a subject; the inbox prefix is that of the user."""
    if inbox:
        client._inbox_prefix = bytearray(inbox.encode())
    return await client.request(subject, content, timeout=60)


async def count_messages(chain: Client) -> dict[str, int]:
    return {str(one.config.name): one.state.messages for one in await chain.jetstream(timeout=30).streams_info()}


async def test_a_reader_cannot_have_a_server_send_for_it(
    office: HeadOffice, readers: Mapping[str, AddedReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream answers to whatever subject is named: neither in its account nor to another reader."""
    mine, victim = readers[READER], readers[VICTIM]
    heard: list[str] = []

    async def note(received: Msg) -> None:
        heard.append(received.subject)

    async with office.client() as chain, office.client(SHOP) as shop, office.client(VICTIM, victim.files) as other:
        await ask(shop, f"$KV.reported.{SHOP}", b"{}")
        acknowledged = f"$JS.ACK.events.{READER}.1.1.1.1.0"
        for subject in WRONG:
            for client in (chain, shop):
                await client.subscribe(subject, cb=note)
        await other.subscribe(victim.place["subject"], cb=note)
        for client in (chain, shop, other):
            await client.flush()
        before = await count_messages(chain)
        for server in office.servers:
            monkeypatch.setattr(HeadOffice, "servers", [server])
            async with office.client(READER, mine.files) as reader:
                wrong = [*WRONG, "fleet.v1.delivery.erp", "$JS.ACK.events.erp.1.1.1.1.0"]
                for subject in wrong:
                    for asked in (REPORTED, acknowledged, f"$JS.API.CONSUMER.INFO.events.{READER}"):
                        await reader.publish(asked, b"", reply=subject)
                        await reader.publish(asked, b"", headers={"Nats-Trace-Dest": subject})
                while (await ask(reader, REPORTED, inbox=f"_INBOX.{READER}")).data != b"{}":
                    await asyncio.sleep(0.05)  # this server lags behind
            monkeypatch.undo()
        for client in (chain, shop, other):
            await client.flush()
        assert await count_messages(chain) == before
    assert heard == []


async def test_a_reader_gets_an_event_as_it_was_sent(office: HeadOffice, readers: Mapping[str, AddedReader]) -> None:
    """With subject and headers, and a way to acknowledge it that neither a shop nor another reader has."""
    files, place = readers[VICTIM].files, readers[VICTIM].place
    async with office.client(SHOP) as shop, office.client(VICTIM, files) as reader, office.client() as chain:
        events = await reader.subscribe(place["subject"])
        await reader.flush()
        await shop.request(EVENT, b"+TERM", timeout=60, headers={"Nats-Msg-Id": f"{SHOP}/1"})
        got = await events.next_msg(timeout=60)
        assert (got.subject, got.data, (got.headers or {})["Nats-Msg-Id"]) == (EVENT, b"+TERM", f"{SHOP}/1")
        async with office.client(READER, readers[READER].files) as other:
            office.reported.clear()
            await shop.publish(f"$JS.API.DIRECT.GET.events.{EVENT}", b"", reply=got.reply)
            await until(lambda: any("violation for publish" in text.lower() for text in office.reported))
            office.reported.clear()
            await other.publish(REPORTED, b"", reply=got.reply)
            await until(lambda: any("violation for publish" in text.lower() for text in office.reported))
        jetstream = chain.jetstream(timeout=30)
        assert (await jetstream.consumer_info("events", VICTIM)).num_ack_pending == 1
        await got.ack()
        while (await jetstream.consumer_info("events", VICTIM)).num_ack_pending:
            await asyncio.sleep(0.05)


async def test_a_reader_hears_nothing_of_another_one(office: HeadOffice, readers: Mapping[str, AddedReader]) -> None:
    mine, victim = readers[READER], readers[VICTIM]
    async with office.client(READER, mine.files) as client:
        for subject in (victim.place["subject"], "fleet.v1.delivery.>", "fleet.v1.delivery.*", f"_INBOX.{VICTIM}.>"):
            office.reported.clear()
            await client.subscribe(subject)
            await until(lambda: any("violation for subscription" in text.lower() for text in office.reported))
        for subject in (
            f"$JS.API.CONSUMER.INFO.events.{VICTIM}",
            f"$JS.ACK.events.{VICTIM}.1.1.1.1.0",
            "$JS.API.CONSUMER.NAMES.events",
        ):
            office.reported.clear()
            with pytest.raises(nats.errors.Error):
                await client.request(subject, timeout=0.1)
            await until(lambda: any("violation for publish" in text.lower() for text in office.reported))
