"""The system's service manager: the gateway reports that it is ready, alive and stopping, and is restarted if it hangs.

The protocol is that of sd_notify(3): datagrams of assignments to the Unix socket named by $NOTIFY_SOCKET. Without one,
as on a laptop, nothing is sent.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Final, Self

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Supervisor

MAX_SILENCE_S: Final = 180.0
"""How long a vital service may go without a success before the watchdog restarts the gateway."""
MIN_RESTART_INTERVAL_S: Final = 3600.0
"""How long the watchdog waits after a restart before it causes the next one."""

_EXTEND_INTERVAL_S: Final = 10.0
"""How often a long start asks for more time."""
_EXTENSION_S: Final = 30
"""How much more time it asks for; a start that hangs is ended after that."""
_READY_TIMEOUT_S: Final = 10.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Makes a request as a caller would; raises if it is not answered."""

PAIRING_CODE_FILE: Final = "pairing-code"
"""The file in the service's run-time folder that holds a pairing code which a person has chosen."""


def find_runtime_directory() -> Path | None:
    """Return the folder that the service has for as long as it runs; None if systemd does not run this."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return None if folder is None else Path(folder)


class ServiceManager:
    """The service manager that started this process, if any did; made by `from_environment`."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Take the address of the notify socket, and within how many seconds the watchdog expects a message."""
        self.watchdog_s = watchdog_s if address else None
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._failure_log = FailureLog(_log, "the service manager cannot be notified", level=logging.WARNING)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Take $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment: they are not for children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        ours = environment.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if ours and microseconds.isdigit() else None)

    @property
    def restarts_service(self) -> bool:
        """Whether the gateway is started again after it ends, as its unit says."""
        return bool(self._address)

    def notify(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`, without waiting. A failure is logged: it must not stop the gateway."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)  # a manager that reads nothing must not hold up the event loop
                notify.sendto("\n".join(assignments).encode(), self._address)
        except OSError as exc:
            self._failure_log.failed(f"{', '.join(assignments)}: {exc}")
        else:
            self._failure_log.recovered()

    @contextlib.asynccontextmanager
    async def extend_start(self) -> AsyncIterator[None]:
        """Ask for more time during a long start, such as the check of a large database on a slow card.

        It goes on for as long as the event loop turns, so that a start that hangs is still ended.
        """
        if not self._address:
            yield
            return
        extending = asyncio.create_task(self._extend())
        try:
            yield
        finally:
            extending.cancel()
            await asyncio.wait([extending])

    async def _extend(self) -> None:
        while True:
            self.notify(f"EXTEND_TIMEOUT_USEC={_EXTENSION_S * 1_000_000}")
            await asyncio.sleep(_EXTEND_INTERVAL_S)

    @contextlib.asynccontextmanager
    async def ready(self, check: Check, status: str) -> AsyncIterator[None]:
        """Report that the gateway is ready once it answers `check`, and that it stops when the block is left.

        Raises `StateError` if the check fails.
        """
        if self._address:
            try:
                await asyncio.wait_for(check(), _READY_TIMEOUT_S)
            except Exception as exc:
                raise StateError(
                    message("the gateway does not answer its own request: {reason}", reason=exc or type(exc).__name__)
                ) from exc
        self.notify("READY=1", f"STATUS={status}")
        yield
        self.notify("STOPPING=1", "STATUS=Stopping")


class RestartLimit:
    """Allows a restart by the watchdog once an hour, across restarts of the gateway."""

    def __init__(self, path: Path) -> None:
        """Take the file that remembers the last restart."""
        self._path = path

    def allow(self) -> bool:
        """Return whether a restart is allowed now, and remember it. It is not if it cannot be remembered."""
        boot = _read_boot_id()
        now_s = time.monotonic()  # on Linux the seconds since the boot: the same for the next process
        try:
            last = json.loads(self._path.read_text(encoding="utf-8"))
            if last["boot"] == boot and now_s - float(last["at_s"]) < MIN_RESTART_INTERVAL_S:
                return False
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there was none that can be read
        try:
            self._path.write_text(json.dumps({"boot": boot, "at_s": now_s}), encoding="utf-8")
        except OSError as exc:
            _log.warning("%s: a restart by the watchdog cannot be remembered: %s", self._path, describe_error(exc))
            return False
        return True


class Watchdog:
    """Feeds the service manager's watchdog for as long as the vital services work.

    A restart helps against a vital service that hangs or fails for a reason nobody foresaw. It does not help against
    a full disk, wrong settings, peers or the network, and it must not happen again and again.
    """

    def __init__(self, manager: ServiceManager, supervisor: Supervisor, limit: RestartLimit) -> None:
        """Take the service manager, the supervisor of the services, and the limit of restarts."""
        self._manager = manager
        self._supervisor = supervisor
        self._limit = limit
        self._restart_requested = False
        self._silence_log = FailureLog(_log, "vital services do not work, though the gateway was restarted for that")

    def start(self) -> None:
        """Notify the watchdog at half of its interval, under the supervisor; do nothing where there is no watchdog."""
        if self._manager.watchdog_s is not None:
            interval_s = self._manager.watchdog_s / 2
            self._supervisor.start_periodic(
                "systemd watchdog", self.notify_watchdog, interval_s=interval_s, run_at_start=True
            )

    async def notify_watchdog(self) -> None:
        """Notify the watchdog, unless a vital service has been silent for minutes and a restart is allowed."""
        silent = self._supervisor.silent_vital_services(MAX_SILENCE_S)
        if not silent:
            self._restart_requested = False
            self._silence_log.recovered()
        elif self._restart_requested:
            return
        elif self._limit.allow():
            self._restart_requested = True
            _log.error("vital services do not work (%s): the service manager restarts the gateway", ", ".join(silent))
            return
        else:
            self._silence_log.failed(", ".join(silent))
        self._manager.notify("WATCHDOG=1")


def _read_boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
