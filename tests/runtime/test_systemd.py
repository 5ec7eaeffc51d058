"""What the service manager is told, heard on real sockets, also from processes that hang."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StateError
from gateway.runtime.systemd import ServiceManager

WITHIN_S = 60.0


class Listener:
    """The other end: the notify socket of a service manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hear(self, within_s: float = WITHIN_S) -> list[str] | None:
        """Return the next assignments, or None if none come in time."""
        self._socket.settimeout(within_s)
        try:
            return self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return None

    def drain(self) -> None:
        while self.hear(0.001) is not None:
            pass

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    listener = Listener(str(tmp_path / "notify") if request.param == "path" else f"@sunmi-test-{os.getpid()}")
    yield listener
    listener.close()


async def answers() -> None:
    """Be a gateway in good health."""


def test_the_environment_is_taken_and_left_to_no_child(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1", "PATH": "/bin"}
    manager = ServiceManager.from_environment(environment)
    assert environment == {"PATH": "/bin"}
    manager.tell("READY=1", "STATUS=It serves")
    assert listener.hear() == ["READY=1", "STATUS=It serves"]


async def test_ready_alive_stopping(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager.from_environment(environment)
    async with manager.patience():
        assert await asyncio.to_thread(listener.hear) == ["EXTEND_TIMEOUT_USEC=30000000"]
    async with manager.ready(answers, "It serves"):
        assert await asyncio.to_thread(listener.hear) == ["READY=1", "STATUS=It serves"]
        begun = time.monotonic()
        for _ in range(5):
            assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]
        assert time.monotonic() - begun >= 4 * 0.05 - 0.02  # at half of what the watchdog allows, not more often
    told = []
    while (heard := listener.hear(0.1)) is not None:
        told.append(heard)
    assert told[-1] == ["STOPPING=1", "STATUS=Stopping"]


async def test_a_watchdog_of_another_process_is_not_fed(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    async with ServiceManager.from_environment(environment).ready(answers, "It serves"):
        assert listener.hear() == ["READY=1", "STATUS=It serves"]
        assert await asyncio.to_thread(listener.hear, 0.2) is None


async def test_never_ready_without_an_answer(listener: Listener) -> None:
    async def silent() -> None:
        raise ConnectionRefusedError("nobody listens")

    manager = ServiceManager(listener.address, 1.0)
    with pytest.raises(StateError, match="does not answer its own request: nobody listens"):
        async with manager.ready(silent, "It serves"):
            pytest.fail("it is not ready")
    assert listener.hear(0.1) is None


async def test_no_answer_starves_the_watchdog(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    healthy = True

    async def check() -> None:
        if not healthy:
            await asyncio.sleep(3600)

    async with ServiceManager(listener.address, 0.1).ready(check, "It serves"):
        assert await asyncio.to_thread(listener.hear) == ["READY=1", "STATUS=It serves"]
        assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]
        healthy = False
        await asyncio.sleep(0.06)
        listener.drain()
        assert await asyncio.to_thread(listener.hear, 0.3) is None
        healthy = True
        assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]
    assert "the gateway does not answer its own request" in caplog.text


async def test_nobody_to_tell() -> None:
    async def never() -> None:
        pytest.fail("nobody asked whether it is ready")

    manager = ServiceManager.from_environment({"WATCHDOG_USEC": "1000"})
    async with manager.patience(), manager.ready(never, "It serves"):
        manager.tell("READY=1")
        assert len(asyncio.all_tasks()) == 1


async def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ServiceManager(str(tmp_path / "gone"), 1.0).ready(answers, "It serves"):
        pass
    assert "the service manager cannot be told READY=1" in caplog.text


HANGS = """
import asyncio, sys, time
from gateway.runtime.systemd import ServiceManager

async def answers(): pass

async def main():
    async with ServiceManager.from_environment().ready(answers, "It serves"):
        while not sys.stdin.closed:
            if await asyncio.to_thread(sys.stdin.readline) == "hang\\n":
                time.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["stopped", "loop"])
def test_a_hang_starves_the_watchdog(listener: Listener, way: str) -> None:
    environment = os.environ | {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "200000"}
    with subprocess.Popen([sys.executable, "-c", HANGS], env=environment, stdin=subprocess.PIPE, text=True) as process:
        try:
            assert listener.hear() == ["READY=1", "STATUS=It serves"]
            assert listener.hear() == ["WATCHDOG=1"]
            if way == "stopped":
                process.send_signal(signal.SIGSTOP)
            else:
                assert process.stdin is not None
                process.stdin.write("hang\n")
                process.stdin.flush()
            deadline = time.monotonic() + WITHIN_S
            while listener.hear(0.6) is not None:
                assert time.monotonic() < deadline, "the watchdog is fed by a process that hangs"
            if way == "stopped":
                process.send_signal(signal.SIGCONT)
                assert listener.hear() == ["WATCHDOG=1"]
        finally:
            process.kill()
