"""What the gateway tells the system's service manager: that it is ready, that it is alive, that it stops.

The protocol is that of sd_notify(3): datagrams of assignments to the Unix socket named by $NOTIFY_SOCKET. Without one,
as on a laptop, nothing is told.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Final, Self

from gateway.errors import StateError

_BEAT_S: Final = 10.0
"""How often a start that takes long says that it goes on."""

_PATIENCE_S: Final = 30
"""How much longer the service manager is asked to wait each time; a start that hangs is ended after this."""

_READY_WITHIN_S: Final = 10.0

_log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Asks the gateway something as a caller would; raises if it does not answer."""


class ServiceManager:
    """The service manager that started this process, if any did; made by `from_environment`."""

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Take the address of the notify socket, and how often the watchdog must hear from us, in seconds."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Take $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment: they are not for children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        ours = environment.pop("WATCHDOG_PID", "") in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if ours and microseconds.isdigit() else None)

    def tell(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`. What cannot be sent is logged: it must not stop a gateway that works."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.sendto("\n".join(assignments).encode(), self._address)
        except OSError as exc:
            _log.warning("the service manager cannot be told %s: %s", ", ".join(assignments), exc)

    @contextlib.asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """Have a long start waited for, such as the check of a large database on a slow card.

        It goes on for as long as the event loop turns, so that a start that hangs is still ended.
        """
        async with self._repeating(_BEAT_S, self._extend):
            yield

    @contextlib.asynccontextmanager
    async def ready(self, check: Check, status: str) -> AsyncIterator[None]:
        """Say that the gateway is ready once it answers `check`; feed the watchdog for as long as it does.

        The check goes through the event loop, so that a loop that hangs starves the watchdog, which restarts us. Says
        that it stops when the block is left. Raises `StateError` if the check fails at once.
        """
        if not self._address:
            yield
            return
        try:
            await asyncio.wait_for(check(), _READY_WITHIN_S)
        except Exception as exc:
            raise StateError(f"the gateway does not answer its own request: {exc or type(exc).__name__}") from exc
        self.tell("READY=1", f"STATUS={status}")
        async with self._watched(check):
            yield
        self.tell("STOPPING=1", "STATUS=Stopping")

    @contextlib.asynccontextmanager
    async def _watched(self, check: Check) -> AsyncIterator[None]:
        if self._watchdog_s is None:
            yield
            return
        every_s = self._watchdog_s / 2

        async def feed() -> None:
            try:
                await asyncio.wait_for(check(), every_s)
            except Exception as exc:
                _log.error("the gateway does not answer its own request: %s", str(exc) or type(exc).__name__)
            else:
                self.tell("WATCHDOG=1")

        async with self._repeating(every_s, feed):
            yield

    async def _extend(self) -> None:
        self.tell(f"EXTEND_TIMEOUT_USEC={_PATIENCE_S * 1_000_000}")

    @contextlib.asynccontextmanager
    async def _repeating(self, every_s: float, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
        """Do `work` now and every so often, as long as the block lasts; nothing where there is nobody to tell."""

        async def repeat() -> None:
            while True:
                begun = asyncio.get_running_loop().time()
                await work()
                await asyncio.sleep(max(0.0, begun + every_s - asyncio.get_running_loop().time()))

        if not self._address:
            yield
            return
        task = asyncio.create_task(repeat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
