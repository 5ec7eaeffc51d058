"""A gateway that is killed in the middle of a command: it says so, and never acts on the command again."""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.simulator.store import SimulatedStore
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program
from tests.outbox.process import GatewayProcess

SHOP = "shop-1"
KILLS = 60 if os.environ.get("FULL_PROOFS") == "1" else 5


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture
async def gateway(office: HeadOffice, store: SimulatedStore, tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    cloud = (
        f'[cameras]\nport = {store.camera_port}\n[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\n'
        f'app_id = "{store.app_id}"\nsecret_key = "{store.secret_key}"\n'
    )
    process = GatewayProcess(tmp_path / "gateway", cloud, store.cloud.ca_pem)
    with process.config.open("a") as config:
        config.write(office.section(SHOP, may=["discover", "camera_call"]))
    yield process
    await process.discard()


async def test_a_command_is_interrupted_by_a_kill_and_not_done_again(
    office: HeadOffice, gateway: GatewayProcess
) -> None:
    await gateway.start()
    scan = {"timeout_s": 60, "methods": ["broadcast"]}
    assert (await office.command(SHOP, "discover", scan, id="long-scan"))["outcome"] == "running"
    await gateway.kill()
    await gateway.start()
    response = await office.command(SHOP, "discover", scan, id="long-scan")
    assert (response["outcome"], response["result"]) == ("interrupted", {})
    assert "it is not done again" in response["reason"]
    assert await office.command(SHOP, "discover", scan, id="long-scan") == response
    async with gateway.caller() as caller, caller.get("/api/v1/audit") as changes:
        [change] = (await changes.json())["changes"]
    assert [change[name] for name in ("who", "via", "action", "object")] == [
        "anna",
        "head_office",
        "Look for cameras",
        "interrupted",
    ]
    words = ("gateway", "--config", str(gateway.config), "fleet", "status", "--json")
    command = await start_program(*words, stdout=subprocess.PIPE)
    output, _ = await command.communicate()
    status = json.loads(output)
    assert (status["link"], status["server"] in office.servers, status["events_waiting"]) == ("running", True, 0)
    await gateway.stop()


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_each_command_is_acted_on_once_whenever_the_gateway_dies(
    office: HeadOffice, gateway: GatewayProcess, store: SimulatedStore
) -> None:
    dice = random.Random(int(os.environ.get("PROOF_SEED", "1")))
    camera = store.cameras[0]
    await gateway.start()
    async with gateway.caller() as caller:
        manage = {"sn": camera.sn, "address": camera.address}
        async with caller.post("/api/v1/cameras", json=manage) as response:
            assert response.status == 201, await response.text()
    camera.faults.add("slow", path="config/updateName", times=None, seconds=0.2)
    outcomes: dict[str, str] = {}

    async def give(name: str) -> None:
        key, call = secrets.token_hex(8), {"sn": camera.sn, "endpoint": "config/updateName"}
        while True:
            arguments = call | {"parameters": {"name": name}}
            response = await office.command(SHOP, "camera_call", arguments, id=key, wait_s=1)
            if response["outcome"] != "running":
                outcomes[name] = response["outcome"]
                return

    for number in range(KILLS):
        async with asyncio.TaskGroup() as group:
            for part in "ab":
                group.create_task(give(f"name-{number}{part}"))
            await asyncio.sleep(dice.uniform(0, 1.0))
            await gateway.kill()
            await gateway.start()
    await gateway.stop()
    acted = Counter(one.fields["name"] for one in camera.requests if one.path == "config/updateName")
    tally = Counter(outcomes.values())
    sys.stdout.write(f"{KILLS} kills, {len(outcomes)} commands: {dict(tally)}, {len(acted)} seen by the camera\n")
    assert len(outcomes) == 2 * KILLS
    assert max(acted.values()) == 1
    assert {name for name, outcome in outcomes.items() if outcome == "done"} <= acted.keys()
    assert set(tally) <= {"done", "interrupted"}
