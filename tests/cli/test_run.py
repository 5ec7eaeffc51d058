"""The gateway as a service: what its manager hears, and starts that are refused in one line, with nothing harmed."""

import asyncio
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


class Manager:
    """The notify socket of a service manager that runs the command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    async def hear(self, begin: str, within_s: float = 280) -> str:
        """Wait until something that begins so is told, and return it."""
        self._socket.settimeout(within_s)
        while True:
            told = (await asyncio.to_thread(self._socket.recv, 4096)).decode()
            if told.startswith(begin):
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Any:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


async def test_it_is_ready_when_rest_answers(command: Any, manager: Manager) -> None:
    process = await command.begin("run", NOTIFY_SOCKET=str(manager.path), WATCHDOG_USEC="1000000")
    try:
        await manager.hear("EXTEND_TIMEOUT_USEC=")
        ready = await manager.hear("READY=1")
        port = re.fullmatch(r"READY=1\nSTATUS=It serves on http://127\.0\.0\.1:(\d+)/", ready)
        assert port is not None, ready
        # No waiting: what is told must already be true.
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port[1]))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        await manager.hear("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        await manager.hear("STOPPING=1")
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_a_gateway_that_is_aborted_tells_where_it_was(command: Any, manager: Manager) -> None:
    process = await command.begin("run", NOTIFY_SOCKET=str(manager.path))
    await manager.hear("READY=1")
    process.send_signal(signal.SIGABRT)  # what the watchdog sends
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in errors
    assert b"asyncio/runners.py" in errors


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[server]\nprot = 80\n", "server.prot: is not a setting"),
        ("[server]\nport = \n", "is not valid TOML"),
        ("[cloud]\nsecret_key_file = '{tmp_path}/secret'\n", "secret cannot be read: No such file or directory"),
        (
            "[server]\nhttps_port = 9\ntls_certificate = '{tmp_path}/a.pem'\ntls_private_key = '{tmp_path}/a.key'\n",
            "a.key cannot be used: No such file or directory",
        ),
    ],
)
async def test_a_wrong_file_stops_the_start(command: Any, tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text.format(tmp_path=tmp_path))
    command.config = file
    done = await command("run", SUNMI_GATEWAY__STORAGE__DIRECTORY=str(tmp_path / "state"))
    assert done.status == 1
    assert reason in done.errors
    assert done.errors.startswith("sunmi-gateway: ")
    assert len(done.errors.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
@pytest.mark.parametrize(
    ("closed", "reason"), [("secret", "cannot be read: Permission denied"), ("gateway.toml", "you may not read it")]
)
def test_what_the_service_may_not_read_is_named(tmp_path: Path, closed: str, reason: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f"[cloud]\nsecret_key_file = '{tmp_path}/secret'\n")
    (tmp_path / "secret").write_text("12345678")
    (tmp_path / closed).chmod(0o600)
    os.chown(tmp_path / closed, 65534, 65534)
    # Root without capabilities, who may read no more than the files' modes say.
    unprivileged = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    done = subprocess.run(
        [*unprivileged, sys.executable, "-m", "gateway", "--config", str(file), "run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{tmp_path / closed}" in done.stderr
    assert reason in done.stderr
    assert "12345678" not in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(
    ("spoil", "mend", "reason"),
    [
        ("mount -o remount,ro {state}", "mount -o remount,rw {state}", "read-only file system"),
        ("! dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null", "rm {state}/filler", "its disk is full"),
    ],
)
async def test_a_bad_disk_stops_the_start_and_harms_nothing(
    command: Any, tmp_path: Path, spoil: str, mend: str, reason: str
) -> None:
    state = tmp_path / "state"
    await run_script(f"mkdir {state} && mount -t tmpfs -o size=4m,mode=700 state {state}")
    try:
        assert (await command("token", "create", "--scope", "pos", "--name", "till-1")).status == 0
        await run_script(spoil.format(state=state))
        refused = await command("run")
        await run_script(mend.format(state=state))
        listed = await command("token", "list", "--json")
    finally:
        await run_script(f"umount {state}")
    assert refused.status == 1
    assert reason in refused.errors
    assert len(refused.errors.splitlines()) == 1, refused.errors
    assert [token["name"] for token in listed.json["tokens"]] == ["till-1"]


async def run_script(script: str) -> None:
    process = await asyncio.create_subprocess_exec("sh", "-c", script)
    assert await process.wait() == 0


async def test_a_second_gateway_harms_nothing(running: str, command: Any, tmp_path: Path) -> None:
    assert (await command("token", "create", "--scope", "pos", "--name", "till-1")).status == 0
    done = await command("run")
    assert done.status == 1
    assert "another gateway holds this state directory" in done.errors
    assert len(done.errors.splitlines()) == 1
    listed = await command("token", "list", "--json")  # over the first one's socket, which is still there
    assert [token["name"] for token in listed.json["tokens"]] == ["till-1"]
    with sqlite3.connect(tmp_path / "state" / "gateway.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
