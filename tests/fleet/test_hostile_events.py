"""Readers outlive whatever a shop that was broken into publishes below its own subjects, and get what others send."""

import asyncio
import sys
from pathlib import Path

from gateway.fleet.subjects import EVENTS
from gateway.office_site.event_feed import EventFeed
from gateway.protocol import json_text
from tests.fleet.cluster import HeadOffice
from tests.fleet.readers import ReaderProcess
from tests.fleet.test_examples import CopyingReader, reader
from tests.office.test_hostile_shop import DEEP, HEADERS, SUBJECTS, send_raw
from tests.waiting import until

__all__ = ["reader"]

ID = b"Nats-Msg-Id: shop-1/5f3a9c70b2d84e16-%d\r\n"
PAYLOADS = [
    b"\xff\xfe",
    b"",
    b"{",
    b'{"id": "\xc3("}',
    b'{"id": "\\ud800"}',
    b"[" * 100_000,
    DEEP.encode(),
    b"1" * 10_000,
    b'{"type": "\x1b[2J", "data": {"\\u202e": "\\u0000"}, "camera": 7}',
    b'"\x00\n\r"',
]


async def publish_everything(office: HeadOffice) -> None:
    """Publish every subject, header and payload that no gateway sends, and what passes for another shop's event."""
    async with office.client("shop-1") as hostile:
        event = b"fleet.v1.shop-1.event."
        for number, subject in enumerate([*SUBJECTS, b"a\x00b", b"\xed\xa0\x80", "\u202e".encode()]):
            await send_raw(hostile, event + subject, b"NATS/1.0\r\n" + ID % number + b"\r\n", b'{"id": "x"}')
        for number, payload in enumerate(PAYLOADS, 100):
            await send_raw(hostile, event + b"plain", b"NATS/1.0\r\n" + ID % number + b"\r\n", payload)
        for headers in (*HEADERS, b"NATS/1.0 409 Consumer Deleted\r\n\r\n", b"NATS/1.0 100 Idle Heartbeat\r\n\r\n"):
            await send_raw(hostile, event + b"plain", headers)
        await send_raw(hostile, event + b"plain", b"NATS/1.0\r\nNats-Msg-Id: shop-2/ffff-2\r\n\r\n")
        await hostile.publish("fleet.v1.shop-1.event.plain", b"{}")


async def publish_true(office: HeadOffice, number: int) -> None:
    async with office.client("shop-2") as other:
        headers = {"Nats-Msg-Id": f"shop-2/ffff-{number}"}
        await other.jetstream(timeout=30).publish("fleet.v1.shop-2.event.camera.motion", b"{}", headers=headers)


async def test_a_reader_gets_what_the_others_send(office: HeadOffice, reader: CopyingReader) -> None:
    await reader.start()
    begin = 10 if reader.copy.suffix == ".db" else 20
    await publish_everything(office)
    await publish_true(office, begin)
    await until(lambda: f"ffff-{begin}" in reader.read("shop-2"))
    await publish_everything(office)
    await publish_true(office, begin + 1)
    await until(lambda: f"ffff-{begin + 1}" in reader.read("shop-2"))
    assert "ffff-2" not in reader.read("shop-2"), "it came from shop-1"
    name = f"erp-{'py' if reader.copy.suffix == '.db' else 'mjs'}"
    async with office.client() as client:
        state = await client.jetstream(timeout=30).consumer_info(EVENTS, name)
        while state.num_ack_pending or state.num_pending:  # else each of them comes again, and at last nothing else
            await asyncio.sleep(0.05)
            state = await client.jetstream(timeout=30).consumer_info(EVENTS, name)
    assert reader.process is not None
    assert reader.process.returncode is None


async def test_the_head_office_shows_all_of_them(office: HeadOffice, tmp_path: Path) -> None:
    await publish_everything(office)
    async with office.client("shop-1") as hostile:
        for depth in range(930, 1000, 2):  # it can be read, and not be written around by anything
            payload = b'{"data": {"a":' + b"[" * depth + b"]" * depth + b"}}"
            await send_raw(hostile, b"fleet.v1.shop-1.event.deep", b"NATS/1.0\r\n" + ID % depth + b"\r\n", payload)
    await publish_true(office, 30)
    async with office.connect() as connected:
        feed = EventFeed(connected)
        await feed.refresh()
        json_text.dumps(json_text.make_encodable({"events": [one.describe() for one in feed.recent(limit=500)]}))
    for form in (("--json",), ()):
        words = ("gateway", "office", "events", "--folder", str(office.chain.path), *form)
        listing = ReaderProcess([sys.executable, "-m", *words], tmp_path / f"{len(form)}.txt")
        await listing.start()
        assert listing.process is not None
        assert await listing.process.wait() == 0, listing.output[-2000:]
        assert listing.output.splitlines()[-1].count("shop-2")
        steering = "\x1b\x00" if form else "\x1b\x00\u202e"
        assert not {*steering} & {*listing.output}
