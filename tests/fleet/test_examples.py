"""The examples for a chain's own systems: each event once, whoever is killed."""

import asyncio
import contextlib
import itertools
import json
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.events.event import NewEvent
from tests.contract.test_generated_clients import NODE_MODULES
from tests.fleet.cluster import HeadOffice
from tests.fleet.conftest import Open
from tests.fleet.readers import EXAMPLES, ReaderProcess, write_reader_files
from tests.waiting import until


class CopyingReader(ReaderProcess):
    """An example that copies events to a file."""

    copy: Path

    def read(self, shop: str) -> list[str]:
        """Return the ids of a shop's events that it has."""
        if not self.copy.exists():
            return []
        if self.copy.suffix == ".db":
            with contextlib.closing(sqlite3.connect(self.copy)) as database:
                try:
                    ids = [row[0] for row in database.execute("SELECT id FROM event ORDER BY rowid")]
                except sqlite3.OperationalError:  # its table is not made yet
                    return []
        else:
            lines = self.copy.read_text().splitlines(keepends=True)
            ids = [json.loads(line)["id"] for line in lines if line.endswith("\n")]  # the last one may be half written
        return [one.removeprefix(f"{shop}/") for one in ids if one.startswith(f"{shop}/")]

    def break_off(self) -> None:
        """Leave what a power cut in the middle of a write leaves: a database takes that back, a text does not."""
        if self.copy.suffix != ".db":
            with self.copy.open("a") as file:
                file.write('{"id":"shop-2/half a li')


@pytest.fixture(params=["read_events.py", "read_events.mjs"])
async def reader(request: pytest.FixtureRequest, office: HeadOffice, tmp_path: Path) -> AsyncIterator[CopyingReader]:
    example = EXAMPLES / request.param
    name = f"erp-{example.suffix[1:]}"
    if example.suffix == ".mjs":
        if not (NODE_MODULES / "@nats-io").exists():
            pytest.skip("needs Node.js with npm, and what packaging/test.sh installs with it")
        (tmp_path / "node_modules").symlink_to(NODE_MODULES)
        shutil.copy(example, tmp_path)
        command, copy = ["node", str(tmp_path / example.name)], tmp_path / "events.txt"
    else:
        command, copy = [sys.executable, str(example)], tmp_path / "events.db"
    folder = await write_reader_files(office, name, tmp_path / "files")
    process = CopyingReader([*command, ",".join(office.servers), str(folder), name, str(copy)], tmp_path / "reader.log")
    process.copy = copy
    yield process
    await process.discard()


async def append(gateway: Gateway, count: int) -> list[str]:
    """Append events and return their ids."""
    events = [
        await gateway.event_log.append(NewEvent("motion.detected", "cloud", {"vendor_event": 1010}))
        for _ in range(count)
    ]
    return [event.id for event in events if event is not None]


async def publish_again(office: HeadOffice, shop: str, event_id: str) -> None:
    """Publish a message a second time, after the servers have forgotten the id of the first."""
    async with office.client() as client:
        jetstream = client.jetstream(timeout=30)
        config = (await jetstream.stream_info("events")).config
        headers = {"Nats-Msg-Id": f"{shop}/{event_id}", "Sunmi-Complete-To": "0"}
        subject, payload = f"fleet.v1.{shop}.event.motion.detected", json.dumps({"id": event_id}).encode()
        # A server may look for old ids before it knows the shorter window, and looks again when that changes.
        for milliseconds in itertools.count(100):
            config.duplicate_window = milliseconds / 1000
            await jetstream.update_stream(config)
            await asyncio.sleep(0.05)
            if not (await jetstream.publish(subject, payload, headers=headers)).duplicate:
                break
        config.duplicate_window = 3600
        await jetstream.update_stream(config)


async def test_a_reader_gets_each_event_once(office: HeadOffice, open_gateway: Open, reader: CopyingReader) -> None:
    shop = "shop-1" if reader.copy.suffix == ".db" else "shop-2"
    gateway = await open_gateway(office.settings(shop))
    first = await append(gateway, 20)
    await reader.start()
    await until(lambda: reader.read(shop) == first)
    await reader.kill()
    reader.break_off()
    await publish_again(office, shop, first[7])
    second = await append(gateway, 10)
    await reader.start()
    await until(lambda: len(reader.read(shop)) >= 30)
    assert reader.read(shop) == first + second
