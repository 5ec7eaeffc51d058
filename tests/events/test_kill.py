"""What a hook was answered for is in the event log and reaches a reader that resumes, whenever the gateway dies."""

import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.protocol.signing import add_signature
from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from tests.outbox.process import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS = 100 if os.environ.get("FULL_PROOFS") == "1" else 6
SENDERS = 4
CLOUD = f'[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\napp_id = "{APP_ID}"\nsecret_key = "{SECRET_KEY}"\n'


class Vendor:
    """Posts callbacks without a pause, each until it was answered or the gateway was gone for three attempts."""

    def __init__(self, url: str) -> None:
        self.acknowledged: list[str] = []
        self.doubtful: set[str] = set()
        """Those that were sent and never answered: they may have arrived."""
        self._url = url
        self._numbers = itertools.count(1)

    async def work(self) -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as session:
            while True:
                await self._report(session, str(next(self._numbers)))

    async def _report(self, session: aiohttp.ClientSession, face_id: str) -> None:
        fields = add_signature(
            {"event": "2001", "payload": json.dumps({"face_id": face_id})},
            app_id=APP_ID,
            key=SECRET_KEY,
            timestamp=int(time.time()),
            random=face_id.rjust(9, "0"),
        )
        self.doubtful.add(face_id)
        for _ in range(3):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.post("/hooks/cloud", data=fields) as answer:
                    assert (answer.status, await answer.json()) == (200, {"code": 0, "msg": "succeed", "data": {}})
                self.acknowledged.append(face_id)
                self.doubtful.discard(face_id)
                return
            await asyncio.sleep(0.05)


class Till:
    """Reads the stream, and resumes it after the last event that it got."""

    def __init__(self, url: str, token: str) -> None:
        self.got: list[tuple[str, str]] = []
        """Event id and face id of each event, in the order of arrival."""
        self.connections = 0
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}

    async def work(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await self._read(session)
                await asyncio.sleep(0.02)

    async def _read(self, session: aiohttp.ClientSession) -> None:
        last = {"Last-Event-ID": self.got[-1][0] if self.got else "0"}
        query = "/api/v1/events?types=face.seen"
        async with session.get(query, headers=self._headers | last) as response:
            assert response.status == 200
            self.connections += 1
            while line := (await response.content.readline()).decode():
                assert not line.startswith("event: notice"), line
                # A line that was cut off by the death of the gateway is no event yet.
                if line.startswith("data: ") and line.endswith("\n"):
                    event = json.loads(line.removeprefix("data: "))
                    self.got.append((event["id"], event["data"]["face_id"]))


@contextlib.asynccontextmanager
async def at_work(*workers: Vendor | Till) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.work()) for worker in workers]
        yield
        for task in tasks:
            task.cancel()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "gateway", CLOUD, CloudCertificateAuthority.create().ca_pem)
    yield process
    await process.discard()


async def test_an_answered_hook_outlives_kill_9(gateway: GatewayProcess) -> None:
    dice = random.Random(int(os.environ.get("PROOF_SEED", "1")))
    [token] = await gateway.tokens("till 1")
    vendor, till = Vendor(gateway.url), Till(gateway.url, token)
    async with at_work(till):
        async with at_work(*[vendor] * SENDERS):
            for _ in range(KILLS):
                connected = till.connections
                await gateway.spawn()
                if dice.random() < 0.8:
                    await gateway.ready()
                    promised = len(vendor.acknowledged) + dice.randint(1, 100)
                    while len(vendor.acknowledged) < promised or till.connections == connected:
                        await asyncio.sleep(dice.uniform(0, 0.05))
                else:  # in the midst of its start
                    await asyncio.sleep(dice.uniform(0, 1.0))
                await gateway.kill()
        await gateway.start()  # after the last hook: what the event log holds now stays all
        logged = [event["data"]["face_id"] async for event in event_log(gateway)]
        while len(till.got) < len(logged):
            await asyncio.sleep(0.05)
    await gateway.stop()
    faces = [face_id for _, face_id in till.got]
    numbers = [int(event_id.partition("-")[2]) for event_id, _ in till.got]
    sys.stdout.write(
        f"{KILLS} kills: {len(vendor.acknowledged)} hooks acknowledged, {len(vendor.doubtful)} never answered, "
        f"{len(faces)} events read over {till.connections} connections\n"
    )
    assert till.connections > 1
    assert len(set(faces)) == len(faces), "none twice"
    assert numbers == sorted(numbers)
    assert faces == logged, "a reader that resumes gets what the event log holds"
    assert set(vendor.acknowledged) <= set(faces) <= {*vendor.acknowledged, *vendor.doubtful}


async def event_log(gateway: GatewayProcess) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Read the whole event log in pages."""
    after = "0"
    async with gateway.caller() as owner:
        while True:
            async with owner.get(f"/api/v1/events?types=face.seen&limit=1000&after={after}") as response:
                page = await response.json()
            if not page["events"] and page["next"] == after:
                return
            for event in page["events"]:
                yield event
            after = page["next"]
