"""What ends a provisioning that a person began in a terminal: Ctrl-C does, closing the terminal does not."""

import asyncio
import os
import pty
import signal
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.cli.conftest import Commands
from tests.forking import Program


@pytest.fixture
def camera(store: SimulatedStore) -> SimulatedCamera:
    """Plug a factory-new camera into Ethernet. It takes its time to answer."""
    camera = store.camera(next(iter(store.activation_numbers)))
    camera.state.cable, camera.state.hotspot = True, False
    camera.faults.latency_s = 2  # a busy machine is slow to interrupt the command
    return camera


def activation(store: SimulatedStore, camera: SimulatedCamera, command: str = "provision") -> list[str]:
    number = store.activation_numbers[camera.sn]
    return ["cameras", command, camera.sn, "--activation-number", number, "--confirm-erase", "--no-input"]


async def when_called(camera: SimulatedCamera, path: str, count: int = 1) -> None:
    while camera.request_paths.count(path) < count:
        await asyncio.sleep(0.01)


async def when_activating(process: Program) -> None:
    """Wait until the command tells that the step has begun. The camera is asked for its state then, twice."""
    assert process.stderr is not None
    while not (line := (await process.stderr.readline()).decode()).startswith("activate"):
        assert line, "the command has ended"


async def interrupt(process: Program, number: int = signal.SIGINT) -> str:
    process.send_signal(number)
    _, errors = await process.communicate()
    return errors.decode()


async def listed(command: Commands, sn: str) -> dict[str, Any]:
    cameras = (await command("cameras", "list", "--json")).json["cameras"]
    return next(one for one in cameras if one["sn"] == sn)


async def test_ctrl_c_cancels_a_provisioning_in_the_commands_own_process(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands, tmp_path: Path
) -> None:
    process = await command.begin(*activation(store, camera))
    await when_activating(process)
    errors = await interrupt(process)
    assert process.returncode == 1
    assert errors.splitlines()[-1] == (
        f"sunmi-gateway: {camera.sn}: cancelled; the camera has received nothing, and not the activation"
    )
    assert not camera.state.activated
    assert not (await listed(command, camera.sn))["managed"]
    nothing = await command("cameras", "provision", camera.sn, "--resume")
    assert (nothing.status, camera.sn in nothing.errors) == (1, True)
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    assert store.activation_numbers[camera.sn].encode() not in on_disk


@pytest.mark.parametrize("name", ["provision", "activate"])
async def test_ctrl_c_cancels_a_provisioning_in_the_running_gateway(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands, running: str, name: str
) -> None:
    assert (await command("discover")).status == 0
    if name == "activate":
        assert (await command("cameras", "add", camera.sn)).status == 0
    before = camera.request_paths.count("config/getApListWithoutAuth")
    process = await command.begin(*activation(store, camera, name))
    if name == "activate":  # it tells nothing of its progress
        await when_called(camera, "config/getApListWithoutAuth", before + 1)
    else:
        await when_activating(process)
    assert "cancelled; the camera has received nothing" in await interrupt(process)
    assert process.returncode == 1
    assert (await listed(command, camera.sn))["managed"] is (name == "activate")
    again = await command("cameras", "cancel", camera.sn)
    assert (again.status, "ended already" in again.errors) == (1, True)
    assert not camera.state.activated


async def test_a_closed_terminal_leaves_a_job_that_is_resumed_when_asked_for(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands
) -> None:
    process = await command.begin(*activation(store, camera))
    await when_activating(process)
    await interrupt(process, signal.SIGHUP)
    camera.faults.latency_s = 0
    service = await command.begin("run")
    assert service.stderr is not None
    while "--resume" not in (line := (await service.stderr.readline()).decode()):
        assert line, "the service did not tell of the job"
    shown = await command("cameras", "provision", camera.sn, "--resume", "--json", "--no-input")
    service.terminate()
    await service.communicate()
    assert (shown.status, shown.json["state"]) == (0, "done"), shown.errors
    assert camera.state.activated


async def test_a_closed_terminal_leaves_a_job_that_can_be_cancelled(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands
) -> None:
    process = await command.begin(*activation(store, camera))
    await when_activating(process)
    await interrupt(process, signal.SIGHUP)
    cancelled = await command("cameras", "cancel", camera.sn)
    assert cancelled.status == 0, cancelled.errors
    assert cancelled.output.strip() == (
        f"{camera.sn}: cancelled; the camera has received nothing, and not the activation"
    )
    assert (await command("cameras", "cancel", camera.sn)).status == 1


async def test_ctrl_c_while_a_person_is_asked(store: SimulatedStore, command: Commands) -> None:
    """The terminal is a real one: the command waits for a line, and must not wait for it any longer."""
    terminal, inner = pty.openpty()
    command.stdin = inner
    question = ["cameras", "provision", store.cameras[1].sn, "--activation-number", "12345678"]
    try:
        for answer in (None, b"n\n"):
            process = await command.begin(*question)
            assert process.stderr is not None
            assert b"Go on?" in await process.stderr.readuntil(b"[y/N]: ")
            if answer is None:
                assert await interrupt(process) == "sunmi-gateway: interrupted\n"
            else:
                os.write(terminal, answer)
                assert b"nothing was activated" in (await process.communicate())[1]
            assert process.returncode == 1
    finally:
        os.close(inner)
        os.close(terminal)
    assert not store.cameras[1].state.activated


async def test_a_resume_takes_no_values(command: Commands) -> None:
    refused = await command("cameras", "provision", "FS101D8BS00001", "--resume", "--ssid", WIFI_SSID)
    assert (refused.status, WIFI_PASSWORD in refused.errors) == (2, False)


async def test_where_the_gateway_cannot_join_hotspots(store: SimulatedStore, command: Commands) -> None:
    camera = store.cameras[1]
    words = ["cameras", "provision", camera.sn, "--hotspot", "4512", "--no-wifi", "--no-input"]
    refused = await command(*words, DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent/bus")
    assert refused.status == 1
    assert "the gateway cannot join hotspots: the system bus (D-Bus)" in refused.errors
    assert camera.request_paths == []
