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
from gateway.runtime import systemd
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.systemd import RestartLimit, ServiceManager, Watchdog
from tests.waiting import until

WITHIN_S = 60.0


@pytest.fixture
def limit(tmp_path: Path) -> RestartLimit:
    return RestartLimit(tmp_path / "gateway.watchdog")


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
    manager.notify("READY=1", "STATUS=It serves")
    assert listener.hear() == ["READY=1", "STATUS=It serves"]


async def test_ready_alive_stopping(listener: Listener, supervisor: Supervisor, limit: RestartLimit) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager.from_environment(environment)
    async with manager.extend_start():
        assert await asyncio.to_thread(listener.hear) == ["EXTEND_TIMEOUT_USEC=30000000"]
    async with manager.ready(answers, "It serves"):
        assert await asyncio.to_thread(listener.hear) == ["READY=1", "STATUS=It serves"]
        begun = time.monotonic()
        Watchdog(manager, supervisor, limit).start()
        for _ in range(5):
            assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]
        assert time.monotonic() - begun >= 4 * 0.05 - 0.02  # at half of what the watchdog allows, not more often
    told = []
    while (heard := listener.hear(0.1)) is not None:
        told.append(heard)
    assert told[-1] == ["STOPPING=1", "STATUS=Stopping"]


async def test_a_watchdog_of_another_process_is_not_fed(
    listener: Listener, supervisor: Supervisor, limit: RestartLimit
) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    Watchdog(ServiceManager.from_environment(environment), supervisor, limit).start()
    assert supervisor.reports() == []


async def test_never_ready_without_an_answer(listener: Listener) -> None:
    async def silent() -> None:
        raise ConnectionRefusedError("nobody listens")

    manager = ServiceManager(listener.address, 1.0)
    with pytest.raises(StateError, match="does not answer its own request: nobody listens"):
        async with manager.ready(silent, "It serves"):
            pytest.fail("it is not ready")
    assert listener.hear(0.1) is None


class Vital:
    """A vital service that can hang."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.hangs = False
        self.turns = 0
        supervisor.start_periodic("api", self.work, interval_s=0.001, max_turn_s=0.05, vital=True)

    async def work(self) -> None:
        self.turns += 1
        if self.hangs:
            await asyncio.Event().wait()


async def test_a_vital_service_that_hangs_starves_the_watchdog(
    listener: Listener,
    supervisor: Supervisor,
    limit: RestartLimit,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(systemd, "MAX_SILENCE_S", 0.3)
    service = Vital(supervisor)
    Watchdog(ServiceManager(listener.address, 0.02), supervisor, limit).start()
    assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]
    service.hangs = True
    await until(lambda: "vital services do not work (api)" in caplog.text)
    listener.drain()
    assert await asyncio.to_thread(listener.hear, 0.3) is None
    service.hangs = False
    assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]


async def test_the_watchdog_restarts_once_an_hour_at_most(
    listener: Listener,
    supervisor: Supervisor,
    limit: RestartLimit,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert limit.allow(), "as the life before did"
    monkeypatch.setattr(systemd, "MAX_SILENCE_S", 0.1)
    Vital(supervisor).hangs = True
    Watchdog(ServiceManager(listener.address, 0.02), supervisor, limit).start()
    await until(lambda: "though the gateway was restarted for that: api" in caplog.text)
    listener.drain()
    assert await asyncio.to_thread(listener.hear) == ["WATCHDOG=1"]


async def test_a_foreseen_failure_of_a_vital_service_restarts_nothing(
    listener: Listener, supervisor: Supervisor, limit: RestartLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "MAX_SILENCE_S", 0.5)
    failures = 0

    async def fail() -> None:
        nonlocal failures
        failures += 1
        raise StateError("the disk is full")

    supervisor.start_periodic("database", fail, interval_s=0.01, run_at_start=True, vital=True)
    watchdog = Watchdog(ServiceManager(listener.address, 60), supervisor, limit)
    begun = time.monotonic()
    while time.monotonic() < begun + 1:
        await asyncio.sleep(0.02)
        await watchdog.notify_watchdog()
        assert listener.hear() == ["WATCHDOG=1"]
    assert failures > 3


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"boot": "another", "at_s": 1e12}', '{"boot": 1}'])
def test_a_restart_of_another_boot_or_a_damaged_file_limits_nothing(tmp_path: Path, kept: str) -> None:
    path = tmp_path / "gateway.watchdog"
    path.write_text(kept)
    limit = RestartLimit(path)
    assert limit.allow()
    assert not limit.allow()
    assert not RestartLimit(path).allow(), "in the next life, too"


def test_a_restart_that_cannot_be_remembered_is_not_allowed(tmp_path: Path) -> None:
    assert not RestartLimit(tmp_path / "missing" / "gateway.watchdog").allow()


async def test_nobody_to_tell() -> None:
    async def never() -> None:
        pytest.fail("nobody asked whether it is ready")

    manager = ServiceManager.from_environment({"WATCHDOG_USEC": "1000"})
    before = asyncio.all_tasks()
    async with manager.extend_start(), manager.ready(never, "It serves"):
        manager.notify("READY=1")
        assert asyncio.all_tasks() <= before


async def test_a_manager_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ServiceManager(str(tmp_path / "gone"), 1.0).ready(answers, "It serves"):
        pass
    assert "the service manager cannot be notified: READY=1" in caplog.text


HANGS = """
import asyncio, sys, time
from pathlib import Path
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.systemd import RestartLimit, ServiceManager, Watchdog

async def answers(): pass

async def main():
    manager = ServiceManager.from_environment()
    async with manager.ready(answers, "It serves"):
        Watchdog(manager, Supervisor(), RestartLimit(Path("/nowhere"))).start()
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
