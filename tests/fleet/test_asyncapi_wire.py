"""What goes over the wire between shops, head office and other systems, message by message, is what the document says.

One chain does everything that the document has a channel for. A channel that is added to it and never seen here fails
the test.
"""

import asyncio
import json
import secrets
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from gateway.events.event import NewEvent
from gateway.fleet import day_flow, desired_follower, findings
from gateway.fleet.subjects import AUDIT_SUBJECT, CHAIN_KEY, DESIRED, group_key, present_subject, shop_key
from gateway.office.bucket import Bucket
from gateway.office.command_calls import CommandCall, call_shops
from gateway.office.desired import DesiredBucket
from gateway.office.enrolment import Enrolment
from gateway.office.office import Office
from gateway.simulator.store import SimulatedStore
from tests.fleet.asyncapi_document import ChainDocument
from tests.fleet.cluster import HeadOffice
from tests.fleet.linked import linked_gateway
from tests.fleet.readers import EXAMPLES, ReaderProcess, write_reader_files
from tests.fleet.test_mqtt import open_mqtt
from tests.waiting import until

SHOP, GROUP, READER = "shop-1", "north", "sensors"
RESPONSES = "responses"
"""The channel whose subject is that of the request."""


class Wire:
    """Hears everything, and checks it against the document."""

    def __init__(self) -> None:
        self.document = ChainDocument()
        self.seen: defaultdict[str, int] = defaultdict(int)
        """How many messages each channel had."""
        self.mistakes: list[str] = []
        self._inboxes: set[str] = set()

    async def hear(self, message: Msg) -> None:
        if message.subject in self._inboxes:
            self._note(RESPONSES, self.document.find_fault("CommandResponse", message.subject, None, load(message)))
            return
        if message.subject.startswith(("_INBOX", "_R_.", "$JS.", "$MQTT")):
            return  # what the servers and their clients say to each other
        self.take(message.subject, message.headers or {}, message.data)
        if message.reply and ".command." in message.subject:
            self._inboxes.add(message.reply)

    def take(self, subject: str, headers: dict[str, str] | None, payload: bytes) -> None:
        channel = self.document.find_channel(subject)
        if channel is None and subject.startswith(("$KV.shops.", "$KV.office.", "$O.", AUDIT_SUBJECT)):
            return  # the head office's own, which no other system can read
        self._note(channel or "", self.document.find_mistake(subject, headers, payload))

    def _note(self, channel: str, mistake: str | None) -> None:
        self.seen[channel] += 1
        if mistake is not None:
            self.mistakes.append(mistake)

    async def wait_for_more(self, channel: str, before: int) -> None:
        """Wait until a channel has more messages than before."""
        await until(lambda: self.seen[channel] > before)


def load(message: Msg) -> object:
    return json.loads(message.data)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[HeadOffice]:
    folder = tmp_path / "office"
    folder.mkdir()
    made = HeadOffice(folder, SHOP, nodes=1)
    yield made
    await made.stop()


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatedStore]:
    """Give a simulated store, whose gateway makes no pauses."""
    monkeypatch.setattr(day_flow, "MAX_DAYS", 2)
    monkeypatch.setattr(day_flow, "PAUSE_S", 0.0)
    monkeypatch.setattr(findings, "FIRST_AFTER_S", 0.0)
    monkeypatch.setattr(findings, "INTERVAL_S", 0.0)
    monkeypatch.setattr(desired_follower, "MIN_RUN_S", 0.0)
    monkeypatch.setattr(desired_follower, "SPREAD_S", 0.01)
    monkeypatch.setattr(desired_follower, "SPREAD_OF_MANY_S", 0.01)
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


async def test_each_channel_of_the_document_has_what_it_says(
    office: HeadOffice, store: SimulatedStore, tmp_path: Path
) -> None:
    port = open_mqtt(office)
    await office.start()
    folder = await write_reader_files(office, READER, tmp_path / "files", mqtt=True)
    reader = ReaderProcess(
        [sys.executable, str(EXAMPLES / "read_events_mqtt.py"), "127.0.0.1", str(port), str(folder), READER],
        tmp_path / "reader.log",
    )
    wire = Wire()
    async with office.connect() as connected, office.client() as client, office.client(SHOP) as own:
        await client.subscribe(">", cb=wire.hear)
        await own.subscribe(present_subject(SHOP), cb=wire.hear)  # it never leaves the account of the shops
        for one in (client, own):
            await one.flush()
        await Enrolment(connected).enrol(SHOP, groups=[GROUP])
        fleet = office.settings(SHOP, people=True, may=["token_revoke"])
        async with linked_gateway(tmp_path / "shop", store, fleet) as gateway:
            await until(lambda: wire.seen.keys() >= {"presence", "flow", "reportedState", "reportedFindings"})
            await want_something(connected, wire)
            await gateway.tokens.create("till 1", "pos")
            outcomes = [await call(connected, name) for name in ("till 1", "nobody")]
            assert outcomes == ["done", "refused"]
            await reader.start()
            while not reader.output:  # MQTT has what happens while the reader is connected
                await gateway.event_log.append(NewEvent("motion.detected", "cloud", {"vendor_event": 1010}))
                await asyncio.sleep(0.05)
        await reader.kill()
    for line in reader.output.splitlines():
        topic, _, payload = line.partition(" ")
        wire.take(topic, None, payload.encode())
    assert wire.mistakes == []
    assert set(wire.seen) == set(wire.document.document["channels"])


async def want_something(office: Office, wire: Wire) -> None:
    """Want something of the chain, the group and the shop, which answers; and then nothing any more."""
    desired = DesiredBucket(office)
    for key, seconds in ((CHAIN_KEY, 100), (group_key(GROUP), 110), (shop_key(SHOP), 120)):
        before = wire.seen["reportedDesired"]
        await desired.change(key, {"settings.discovery.interval_s": seconds})
        await wire.wait_for_more("reportedDesired", before)
    before = wire.seen["desiredChain"]
    await Bucket(office, DESIRED).change(CHAIN_KEY, lambda _: None)
    await wire.wait_for_more("desiredChain", before)


async def call(office: Office, token: str) -> str:
    """Have the shop revoke a token; return what became of that."""
    calls: list[CommandCall] = []
    await call_shops(
        office,
        "token_revoke",
        {"name": token},
        [SHOP],
        run_id=secrets.token_hex(8),
        deadline_s=800 * 86_400,
        on_outcome=calls.append,
    )
    return calls[0].outcome
