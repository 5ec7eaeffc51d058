"""The link: one connection to the head office, kept up for as long as the gateway runs."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from firmware_tools.language import describe_error, message
from gateway.errors import SettingsError, StateError
from gateway.events.event import Event
from gateway.events.log import EventLog
from gateway.fleet.command_handler import CommandHandler
from gateway.fleet.desired_follower import DesiredFollower
from gateway.fleet.documents import CommandOutcome
from gateway.fleet.failures import HeadOfficeUnavailable, NoRoom, StreamUnavailable
from gateway.fleet.link_part import LinkPart
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.fleet_settings import FleetSettings
from gateway.membership import LINK_SERVICE
from gateway.runtime.back_off import BackOff
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.timestamps import utc_text

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

CHECK_INTERVAL_S: Final = 10.0
"""How often a shop in which nothing happens is looked at for a change of its state."""
LISTEN_S: Final = 0.5
"""How long a new connection listens for another gateway of this shop before anything is sent."""
MAX_RESTART_DELAY_S: Final = 60.0
"""How long to wait at most before it is connected again. The delays have jitter, so that shops come one by one."""
STREAM_RETRY_S: Final = 1.0
MAX_STREAM_RETRY_S: Final = 5.0
"""The range of pauses while a stream is not available, as until its servers have chosen a new leader."""
STREAM_PATIENCE_S: Final = 30.0
"""How long that lasts until it is connected again: the server may be cut off from the others."""
NO_ROOM_PAUSE_S: Final = 60.0
"""How long a part of the link rests when the servers have no room for what it sends."""

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """The state of the link."""

    connected_since: str | None
    """Since when it is connected, in UTC; None if it is not."""
    server: str | None
    """The server, `host:port`; None if it is not connected."""
    last_event: str | None
    """The id of the last event that the head office has acknowledged; None if there is none."""
    events_waiting: int
    """How many events wait."""
    cloned: dict[str, Any] | None
    """Another gateway that has this shop's certificate, as `{host, addresses, since}`; None if there is none."""
    people: bool
    """Whether events about people are sent, too."""
    commands: dict[CommandOutcome, int]
    """How many commands had which outcome since the start."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON, as `GET /api/v1/status` shows it."""
        return asdict(self)


class FleetLink:
    """Connects, does what its parts do, and starts again after any failure. Nothing of the gateway waits for it."""

    def __init__(
        self,
        settings: FleetSettings,
        clock: PeerClock,
        event_log: EventLog,
        uplink: EventUplink,
        presence: PresenceWatch,
        commands: CommandHandler,
        follower: DesiredFollower,
        supervisor: Supervisor,
        *,
        alone: Sequence[LinkPart],
        reporter: StateReporter,
    ) -> None:
        """Connect to nothing before `start`. The parts `alone` rest while another gateway has this certificate."""
        self._settings = settings
        self._clock = clock
        self._event_log = event_log
        self._uplink = uplink
        self._presence = presence
        self._supervisor = supervisor
        self._commands = commands
        self.follower = follower
        """Follows what the head office wants."""
        self._always = (commands, follower)
        self._alone = alone
        self._reporter = reporter
        self._service: Service | None = None
        self._connection: FleetConnection | None = None
        self._connected_at = 0.0
        self._has_begun = False
        """Whether the parts that rest while the shop is cloned have begun with this connection."""
        self._resumes_at: dict[LinkPart, float] = {}
        """When parts work again for which there was no room, by the monotonic clock."""
        self._no_room = FailureLog(_log, "what is for the head office waits here, since it has no room for that")
        self._wake = asyncio.Event()
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Connect, and send from now on."""
        for part in self._parts:
            part.start()
        self._unsubscribe = self._event_log.subscribe(self._note_events)
        self._service = self._supervisor.start_service(LINK_SERVICE, self._run, max_delay_s=MAX_RESTART_DELAY_S)

    async def close(self) -> None:
        """Stop, and store how far the events are sent."""
        self._unsubscribe()
        if self._service is not None:
            await self._service.stop()
        for part in self._parts:
            with contextlib.suppress(StateError):
                await part.close()

    def status(self) -> LinkStatus:
        """Return the state of the link."""
        connection = self._connection
        return LinkStatus(
            connected_since=None if connection is None else utc_text(self._connected_at),
            server=None if connection is None else connection.server or None,
            last_event=self._uplink.last_event,
            events_waiting=self._uplink.waiting,
            cloned=self._presence.describe_clone(),
            people=self._settings.people,
            commands=dict(self._commands.outcomes),
        )

    @property
    def _parts(self) -> Sequence[LinkPart]:
        return (*self._always, *self._alone, self._reporter)

    def wake(self) -> None:
        """Have the parts look at once whether something is due."""
        self._wake.set()

    def _note_events(self, _: Sequence[Event]) -> None:
        self._wake.set()

    async def _run(self, service: Service) -> None:
        await self._uplink.load()
        connection_type = await asyncio.to_thread(_import_connection)  # it takes a while, and tills come first
        connection = await connection_type.open(self._settings, on_lost=self._wake.set)
        try:
            await self._presence.begin(connection)
            await self._presence.work(connection)
            await asyncio.sleep(LISTEN_S)
            for part in (*self._always, self._reporter):
                await part.begin(connection)
            self._connection, self._connected_at = connection, self._clock.now()
            await self._keep_working(connection, service)
        finally:
            self._connection = None
            await connection.close()

    async def _keep_working(self, connection: "FleetConnection", service: Service) -> None:
        self._has_begun = False
        back_off, failing_since = BackOff(STREAM_RETRY_S, MAX_STREAM_RETRY_S), None
        while True:
            self._wake.clear()
            connection.check()
            try:
                has_more = await self._take_turn(connection)
            except StreamUnavailable as exc:
                now = time.monotonic()
                failing_since = now if failing_since is None else failing_since
                service.note_failure(exc)
                if now - failing_since >= STREAM_PATIENCE_S:
                    with contextlib.suppress(HeadOfficeUnavailable):
                        await self._reporter.report_link(connection)
                    raise
                await asyncio.sleep(back_off.next_delay_s())
                continue
            service.heartbeat()
            failing_since = None
            back_off.reset()
            if not has_more:
                await self._wait()

    async def _take_turn(self, connection: "FleetConnection") -> bool:
        """Let all parts do what is due; return whether more is due."""
        more = [await self._let_work(part, connection) for part in (self._presence, *self._always)]
        if self._presence.is_cloned:
            self._has_begun = False
        else:
            if not self._has_begun:
                for part in self._alone:
                    await part.begin(connection)
                self._has_begun = True
            more += [await self._let_work(part, connection) for part in self._alone]
        more.append(await self._let_work(self._reporter, connection))
        return any(more)

    async def _let_work(self, part: LinkPart, connection: "FleetConnection") -> bool:
        """Let a part do what is due. One for whose messages the servers have no room rests, and all else goes on."""
        if time.monotonic() < self._resumes_at.get(part, 0.0):
            return False
        try:
            has_more = await part.work(connection)
        except NoRoom as exc:
            self._no_room.failed(describe_error(exc))
            self._resumes_at[part] = time.monotonic() + NO_ROOM_PAUSE_S
            return False
        if self._resumes_at.pop(part, None) is not None and not self._resumes_at:
            self._no_room.recovered()
        return has_more

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
                "fleet.servers: the link needs nats-py, so there is none: install the Debian package, or run pip "
                "install '.[fleet]' in the folder of the gateway's source: {reason}",
                reason=exc,
            )
        ) from exc
    return FleetConnection
