"""Provisioning in a process that is killed in the middle of each step, and goes on when it is started again."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.discovery import DiscoveryResponder

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("process.py")
SN = "FS101D8BS00106"
APP_ID, SECRET_KEY, NUMBER = "EF3OG8R5B32X0", "kdsofkdsnflke9382938k", "8000000000000000000042"
SSID, PASSWORD = "SunmiStore", "plenty-of-coffee"
REQUEST = {
    "ssid": SSID, "password": PASSWORD, "activation_number": NUMBER, "confirm_erase": True, "name": "Door",
}  # fmt: skip


class Store:
    """One simulated camera with discovery, and the processes that provision it."""

    def __init__(self, folder: Path, camera: SimulatedCamera, responder: DiscoveryResponder) -> None:
        self.folder = folder
        self.camera = camera
        self.responder = responder

    @asynccontextmanager
    async def process(self, request: dict[str, Any] | None) -> AsyncIterator[asyncio.subprocess.Process]:
        asked = {
            "folder": str(self.folder), "sn": SN, "camera_port": int(self.camera.address.rpartition(":")[2]),
            "broadcast_port": self.responder.port, "interfaces": ["lo"],
            "app_id": APP_ID, "secret_key": SECRET_KEY, "request": request,
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-W",
            "error",
            str(SCRIPT),
            json.dumps(asked),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.read()

    async def killed_when(self, is_so: Callable[[dict[str, Any]], bool], request: dict[str, Any] | None = None) -> None:
        """Run until something is so, then kill -9."""
        async with self.process(request) as process:
            assert process.stdout is not None
            while True:
                job = json.loads(await process.stdout.readline())
                assert job["state"] == "running", job
                if is_so(job):
                    return

    async def killed_at_call(self, path: str, request: dict[str, Any] | None = None) -> None:
        """Run until a call has arrived at the camera, which takes its time to answer, then kill -9."""
        async with self.process(request):
            while path not in self.camera.request_paths:
                await asyncio.sleep(0.01)

    async def finished(self) -> dict[str, Any]:
        async with self.process(None) as process:
            output, _ = await process.communicate()
            assert process.returncode == 0
            final: dict[str, Any] = json.loads(output.splitlines()[-1])
            return final

    @property
    def on_disk(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.folder.glob("gateway.db*"))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    camera = SimulatedCamera(
        sn=SN, model="FM020", mac="04:12:24:E3:45:12", host="127.23.0.1", app_id=APP_ID, secret_key=SECRET_KEY,
        activation_number=NUMBER, hotspot=True, wifi_passwords={SSID: PASSWORD},
        on_wifi=lambda camera, ssid: "127.23.0.2",
    )  # fmt: skip
    camera.faults.latency_s = 0.1
    await camera.start()
    responder = DiscoveryResponder([camera], port=0)
    await responder.start()
    yield Store(tmp_path, camera, responder)
    await responder.stop()
    await camera.stop()


def at(step: str) -> Callable[[dict[str, Any]], bool]:
    return lambda job: bool(job["step"] == step)


async def test_killed_at_every_step_it_still_arrives(store: Store) -> None:
    camera = store.camera
    await store.killed_when(at("reach"), REQUEST)
    assert PASSWORD.encode() in store.on_disk
    await store.killed_when(at("networks"))
    await store.killed_at_call("config/setWifiConfWithoutAuth")
    await camera.wait_until_back()
    await store.killed_at_call("device/activate")
    await store.killed_when(at("verify"))
    job = await store.finished()
    assert job["state"] == "done", job
    assert camera.state.activated
    assert camera.state.wifi == SSID
    assert camera.state.name == "Door"
    assert camera.request_paths.count("device/activate") == 1
    assert camera.request_paths.count("config/setWifiConfWithoutAuth") == 1
    for secret in (PASSWORD, NUMBER):
        assert secret.encode() not in store.on_disk


async def test_killed_while_the_camera_joins(store: Store) -> None:
    store.camera.rejoin_s = 1
    await store.killed_when(at("rejoin"), REQUEST)
    job = await store.finished()
    assert job["state"] == "done", job
    assert [step["state"] for step in job["steps"]] == ["done"] * 6
    assert store.camera.request_paths.count("config/setWifiConfWithoutAuth") == 1


async def test_killed_just_before_the_activation_left_a_person_decides(store: Store) -> None:
    """It was recorded, and nobody can know that it was not sent: so it is not sent again."""
    store.camera.faults.add("drop", path="device/activate")
    await store.killed_at_call("device/activate", REQUEST)
    job = await store.finished()
    assert (job["state"], job["step"], job["reason"]) == ("failed", "activate", "activation_unknown")
    assert store.camera.request_paths.count("device/activate") == 1
    assert NUMBER.encode() not in store.on_disk
