"""A plan ends with the same result whenever the gateway is killed, and no camera is activated twice."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.local_socket import socket_session
from gateway.simulator.store import SimulatedStore
from gateway.storage.state_directory import StateDirectory
from tests.shop.conftest import PLAN, Cameras, failures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

KILLS = 30 if os.environ.get("FULL_PROOFS") == "1" else 2
CAMERAS = 5
LATENCY_S = 0.5


class Machine:
    """Runs the gateway as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "gateway.toml"
        self.state = folder / "state"

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Run the gateway for the time of the block, and kill it at its end; give calls to it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "gateway", "--config", str(self.config), "run"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with socket_session(StateDirectory.socket_in(self.state)) as session:
                while not await self._answers(session):
                    assert process.returncode is None, "the gateway has ended"
                    await asyncio.sleep(0.05)
                yield session
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get("/healthz") as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


async def call(session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with session.request(method, path, json=body) as response:
        document = await response.json()
        assert response.status < 300, document
        return document


async def ended(session: aiohttp.ClientSession) -> Any:
    """Return the plan when its run has ended."""
    while (document := await call(session, "GET", PLAN))["state"] == "running":
        await asyncio.sleep(0.2)
    return document


async def kill_in_one_plan(folder: Path, most: int) -> tuple[int, bool]:
    """Run a plan and kill the gateway up to so many times. Return how often, and whether a person had to decide."""
    machine = Machine(folder)
    async with SimulatedStore(cameras=CAMERAS) as store:
        machine.config.write_text(
            f"{store.settings_toml(folder)}\n"
            "[video]\nmax_streams = 0\n[provisioning]\nevent_wait_s = 0\n"
            f'[storage]\ndirectory = "{machine.state}"\n[server]\nhost = "127.0.0.1"\nport = 0\n',
            encoding="utf-8",
        )
        cameras = Cameras(store)
        cameras.connect_all()
        for camera in store.cameras:
            camera.faults.latency_s = LATENCY_S
        async with machine.gateway() as session:
            shown = await call(session, "PUT", PLAN, cameras.plan(settings={"zoom": 120, "irmode": 1}))
            await call(session, "POST", f"{PLAN}/run", {"confirm_erase": shown["erases"]})
            await asyncio.sleep(random.uniform(0, 9))
        kills = 1
        while kills < most:
            async with machine.gateway():
                await asyncio.sleep(random.uniform(0, 6))
            kills += 1
        async with machine.gateway() as session:
            document = await ended(session)
            steps = [step for camera in document["cameras"] for step in camera["steps"] if step["state"] == "failed"]
            # Killed between the note that an activation goes out and its sending: only a person may send it again.
            is_doubtful = {step["reason"] for step in steps} == {"activation_unknown"}
            if is_doubtful:
                await call(session, "POST", f"{PLAN}/run", {"confirm_erase": document["erases"], "only": "failed"})
                document = await ended(session)
            assert document["state"] == "done", failures(document)
        for camera in store.cameras:
            assert (camera.state.zoom, camera.state.config.irmode, camera.state.activated) == (120, 1, True)
            sent = list(camera.request_paths).count("device/activate")
            assert sent == (camera.sn in store.activation_numbers), f"{camera.sn}: {sent} activations"
    return kills, is_doubtful


async def test_a_killed_gateway_ends_the_plan_with_the_same_result(tmp_path: Path) -> None:
    kills = doubtful = plans = 0
    while kills < KILLS:
        folder = tmp_path / str(plans)
        folder.mkdir()
        more, is_doubtful = await kill_in_one_plan(folder, min(KILLS - kills, random.randint(1, 4)))
        kills, doubtful, plans = kills + more, doubtful + is_doubtful, plans + 1
    print(f"site plan: {kills} kills in {plans} plans, no camera activated twice; {doubtful} left to a person")  # noqa: T201
