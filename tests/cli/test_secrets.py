"""Passwords and activation numbers come from a prompt, from standard input or a file, not from the command line."""

import asyncio
import os
import pty
import signal
import termios
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.cli.conftest import Commands


@pytest.fixture
def camera(store: SimulatedStore) -> SimulatedCamera:
    """Plug a factory-new camera into Ethernet."""
    camera = store.camera(next(iter(store.activation_numbers)))
    camera.state.cable, camera.state.hotspot = True, False
    return camera


async def with_input(command: Commands, given: bytes, *words: str) -> tuple[int, str]:
    command.stdin = asyncio.subprocess.PIPE
    process = await command.begin(*words)
    _, errors = await process.communicate(given)
    return process.returncode or 0, errors.decode()


async def test_an_activation_number_from_standard_input(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands
) -> None:
    words = ("cameras", "provision", camera.sn, "--activation-number", "-", "--confirm-erase")
    status, errors = await with_input(command, f"{store.activation_numbers[camera.sn]}\r\n".encode(), *words)
    assert status == 0, errors
    assert camera.state.activated


async def test_a_password_and_a_number_from_two_lines(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands
) -> None:
    words = ("cameras", "provision", camera.sn, "--ssid", WIFI_SSID, "--password", "-", "--activation-number", "-")
    given = f"{WIFI_PASSWORD}\n{store.activation_numbers[camera.sn]}".encode()
    status, errors = await with_input(command, given, *words, "--confirm-erase")
    assert status == 0, errors
    assert camera.state.activated
    assert (camera.state.config.ssid, camera.state.config.password) == (WIFI_SSID, WIFI_PASSWORD)


async def test_secrets_from_files(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands, tmp_path: Path
) -> None:
    (tmp_path / "number").write_text(f"{store.activation_numbers[camera.sn]}\n")
    words = ("cameras", "activate", camera.sn, "--activation-number", f"@{tmp_path}/number", "--confirm-erase")
    done = await command("cameras", "provision", camera.sn, *words[3:])
    assert done.status == 0, done.errors
    assert camera.state.activated
    missing = await command(*words[:3], "--activation-number", f"@{tmp_path}/nowhere")
    assert (missing.status, "nowhere cannot be read" in missing.errors) == (2, True)


async def test_a_key_to_sign_with_from_standard_input(command: Commands) -> None:
    process = await command.begin("sign", "--key", "12345678", "a=1", "--json")
    plain, _ = await process.communicate()
    command.stdin = asyncio.subprocess.PIPE
    process = await command.begin("sign", "--key", "-", "a=1", "--json")
    read, _ = await process.communicate(b"12345678\n")
    assert plain == read != b""


async def test_nobody_is_asked_without_a_terminal(camera: SimulatedCamera, command: Commands) -> None:
    done = await command("cameras", "activate", camera.sn)
    assert (done.status, "--activation-number is missing" in done.errors) == (2, True)
    status, errors = await with_input(command, b"", "cameras", "activate", camera.sn, "--activation-number", "-")
    assert (status, "standard input has ended" in errors) == (1, True)


async def test_a_prompt_hides_what_is_typed_and_ctrl_c_ends_it(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands
) -> None:
    terminal, inner = pty.openpty()
    command.stdin = inner
    words = ("cameras", "activate", camera.sn, "--confirm-erase")
    try:
        for answer in (None, store.activation_numbers[camera.sn]):
            assert (await command("discover", "--method", "broadcast", "--timeout", "0.5")).status == 0
            await command("cameras", "add", camera.sn)
            process = await command.begin(*words)
            assert process.stderr is not None
            assert b"Activation number of" in await process.stderr.readuntil(b": ")
            while termios.tcgetattr(inner)[3] & termios.ECHO:
                await asyncio.sleep(0.01)
            if answer is None:
                process.send_signal(signal.SIGINT)
            else:
                os.write(terminal, f"{answer}\n".encode())
            _, errors = await process.communicate()
            assert termios.tcgetattr(inner)[3] & termios.ECHO, "the terminal shows what is typed again"
            assert process.returncode == (1 if answer is None else 0), errors
    finally:
        os.close(inner)
        os.close(terminal)
    assert camera.state.activated


async def test_the_settings_hold_the_stores_wifi(
    store: SimulatedStore, camera: SimulatedCamera, command: Commands, tmp_path: Path
) -> None:
    (tmp_path / "wifi-password").write_text(f"{WIFI_PASSWORD}\n")
    text = f'\n[provisioning]\nssid = "{WIFI_SSID}"\npassword_file = "{tmp_path}/wifi-password"\n'
    command.config.write_text(command.config.read_text() + text)
    number = store.activation_numbers[camera.sn]
    words = ("cameras", "provision", camera.sn, "--activation-number", number, "--confirm-erase")
    done = await command(*words, "--no-wifi")
    assert done.status == 0, done.errors
    assert camera.state.config.ssid == ""
    done = await command("cameras", "provision", camera.sn)
    assert done.status == 0, done.errors
    assert (camera.state.config.ssid, camera.state.config.password) == (WIFI_SSID, WIFI_PASSWORD)
    both: Any = await command(*words, "--no-wifi", "--ssid", "other")
    assert both.status == 2
