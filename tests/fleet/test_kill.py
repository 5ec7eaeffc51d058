"""What the shop's event log has acknowledged is at the head office, once, whoever dies: gateway, server, cluster."""

import asyncio
import contextlib
import os
import random
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import nats.errors
import pytest

from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from tests.events.test_kill import Vendor, at_work, event_log
from tests.fleet.cluster import HeadOffice
from tests.outbox.process import GatewayProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = 100 if os.environ.get("FULL_PROOFS") == "1" else 8
CLOUD = f'[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\napp_id = "{APP_ID}"\nsecret_key = "{SECRET_KEY}"\n'
SHOP = "shop-1"


@pytest.fixture
async def head_office(tmp_path: Path) -> AsyncIterator[HeadOffice]:
    """Run three nodes that die in the test."""
    folder = tmp_path / "office"
    folder.mkdir()
    office = HeadOffice(folder, SHOP)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()


@pytest.fixture
async def gateway(tmp_path: Path, head_office: HeadOffice) -> AsyncIterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "gateway", CLOUD, CloudCertificateAuthority.create().ca_pem)
    with process.config.open("a") as config:
        config.write(head_office.section(SHOP, people=True))
    yield process
    await process.discard()


async def report_for_a_while(vendor: Vendor, dice: random.Random) -> None:
    """Wait until some more events were acknowledged."""
    promised = len(vendor.acknowledged) + dice.randint(1, 60)
    while len(vendor.acknowledged) < promised:
        await asyncio.sleep(0.02)


async def expect_everything(gateway: GatewayProcess, office: HeadOffice) -> list[str]:
    """Wait until the head office has what the shop's event log holds; return the ids in the order of the stream."""
    logged = [str(event["id"]) async for event in event_log(gateway)]
    while True:
        with contextlib.suppress(nats.errors.Error):  # while the servers choose a leader, nobody can read
            ids = [event["id"] for _, event in await office.read_events(SHOP)]
            if set(logged) <= set(ids):
                return ids
        await asyncio.sleep(0.2)


async def test_kill_9_of_gateways_and_servers_loses_and_doubles_nothing(
    gateway: GatewayProcess, head_office: HeadOffice
) -> None:
    dice = random.Random(int(os.environ.get("PROOF_SEED", "1")))
    vendor = Vendor(gateway.url)
    await gateway.start()
    node_kills = freezes = 0
    async with at_work(vendor, vendor):
        for _ in range(KILLS):
            await report_for_a_while(vendor, dice)
            if dice.random() < 0.5:
                await gateway.kill()
                await asyncio.sleep(dice.uniform(0, 0.5))
                await gateway.start()
                continue
            node = dice.choice(head_office.nodes)
            if dice.random() < 0.3:  # as a line that swallows everything
                node.freeze()
                freezes += 1
                await report_for_a_while(vendor, dice)
                node.thaw()
            else:
                await node.kill()
                node_kills += 1
                await report_for_a_while(vendor, dice)
                await node.start()
    ids = await expect_everything(gateway, head_office)
    await gateway.stop()
    sys.stdout.write(
        f"{KILLS - node_kills - freezes} kills of the gateway, {node_kills} kills and {freezes} freezes of a server: "
        f"{len(vendor.acknowledged)} events acknowledged in the shop, {len(ids)} in the stream, "
        f"{len(ids) - len(set(ids))} doubles\n"
    )
    assert len(ids) == len(set(ids)), "each id once"
    faces = {event["data"]["face_id"] for _, event in await head_office.read_events(SHOP) if "face_id" in event["data"]}
    assert set(vendor.acknowledged) <= faces


async def test_a_cluster_from_yesterday_gets_what_it_misses(gateway: GatewayProcess, head_office: HeadOffice) -> None:
    dice = random.Random(1)
    vendor = Vendor(gateway.url)
    await gateway.start()
    async with at_work(vendor):
        await report_for_a_while(vendor, dice)
    before = await expect_everything(gateway, head_office)
    await head_office.stop()
    for node in head_office.nodes:
        shutil.copytree(node.folder / "jetstream", node.folder / "backup")
    for node in head_office.nodes:
        await node.start()
    async with at_work(vendor):
        await report_for_a_while(vendor, dice)
    newest = await expect_everything(gateway, head_office)
    await head_office.stop()
    for node in head_office.nodes:
        shutil.rmtree(node.folder / "jetstream")
        (node.folder / "backup").rename(node.folder / "jetstream")
        await node.start()
    after = await expect_everything(gateway, head_office)
    await gateway.stop()
    assert before == newest[: len(before)] == after[: len(before)]
    assert len(after) == len(set(after)) >= len(newest) > len(before)
    assert "so they are sent again" in gateway.log
