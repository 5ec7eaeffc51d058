"""The link: one connection to the head office, kept up for as long as the gateway runs."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from firmware_tools.language import message
from gateway.errors import SettingsError, StateError
from gateway.events.event import Event
from gateway.events.log import EventLog
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Service, Supervisor

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

CHECK_INTERVAL_S: Final = 10.0
"""How often a shop in which nothing happens is looked at for a change of its state."""
MAX_RESTART_DELAY_S: Final = 60.0
"""How long to wait at most before it is connected again. The delays have jitter, so that shops come one by one."""


class FleetLink:
    """Connects, sends what waits, and starts again after any failure. Nothing of the gateway waits for it."""

    def __init__(
        self,
        settings: FleetSettings,
        event_log: EventLog,
        uplink: EventUplink,
        reporter: StateReporter,
        supervisor: Supervisor,
    ) -> None:
        """Connect to nothing before `start`."""
        self._settings = settings
        self._event_log = event_log
        self._uplink = uplink
        self._reporter = reporter
        self._supervisor = supervisor
        self._service: Service | None = None
        self._wake = asyncio.Event()
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Connect, and send from now on."""
        self._unsubscribe = self._event_log.subscribe(self._note_events)
        self._service = self._supervisor.start_service("head office link", self._run, max_delay_s=MAX_RESTART_DELAY_S)

    async def close(self) -> None:
        """Stop, and store how far the events are sent."""
        self._unsubscribe()
        if self._service is not None:
            await self._service.stop()
        with contextlib.suppress(StateError):
            await self._uplink.save()

    def _note_events(self, _: Sequence[Event]) -> None:
        self._wake.set()

    async def _run(self, service: Service) -> None:
        connection_type = await asyncio.to_thread(_import_connection)  # it takes a while, and tills come first
        connection = await connection_type.open(self._settings, on_lost=self._wake.set)
        try:
            await self._uplink.begin(connection)
            self._reporter.begin()
            service.heartbeat()
            while True:
                self._wake.clear()
                connection.check()
                await self._reporter.report(connection)
                if self._uplink.is_behind:
                    await self._uplink.send_batch(connection)
                service.heartbeat()
                if not self._uplink.is_behind:
                    await self._wait()
        finally:
            await connection.close()

    async def _wait(self) -> None:
        """Wait for an event, the loss of the connection, or the next look at the state."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CHECK_INTERVAL_S):
                await self._wake.wait()


def _import_connection() -> "type[FleetConnection]":
    try:
        from gateway.fleet.connection import FleetConnection
    except ImportError as exc:
        raise SettingsError(
            message(
                "fleet.servers: the link needs nats-py, so there is none: pip install 'sunmi-gateway[fleet]': {reason}",
                reason=exc,
            )
        ) from exc
    return FleetConnection
