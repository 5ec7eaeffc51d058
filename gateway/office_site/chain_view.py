"""What a head office shows, in memory: everything is read from the servers, again and again, and nothing is kept."""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final, Self

from firmware_tools.language import message
from gateway.errors import NotFound
from gateway.office.office import Office
from gateway.office.plan import ChainPlan
from gateway.office.rollout_documents import Rollout
from gateway.office.rollout_service import advance_rollouts
from gateway.office.rollouts import RolloutStore
from gateway.office.shops import ShopList
from gateway.office_site.access import AccessList
from gateway.office_site.command_runs import CommandRuns
from gateway.office_site.desired_sizes import DesiredSizes
from gateway.office_site.event_feed import EventFeed
from gateway.office_site.flow_table import ChainFlowTable
from gateway.office_site.open_count import OpenCount
from gateway.office_site.rollout_looks import RolloutLooks
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Service, Supervisor

INTERVAL_S: Final = 2.0
"""How often what has changed is read."""
FLOW_INTERVAL_S: Final = 30.0
USES_INTERVAL_S: Final = 300.0
CLOCK_INTERVAL_S: Final = 60.0
"""How often the servers are asked for the time: in between the monotonic clock counts, which stands still while a
machine sleeps."""
STREAM_RETRY_S: Final = 10
OLD_AFTER_S: Final = 20.0
"""After this time without news from the servers the picture is old, and pages say so."""


class ChainView:
    """The shops, their events and flow, the roll-outs and the tokens, each as of its last look; made by `open`."""

    def __init__(self, office: Office, supervisor: Supervisor) -> None:
        """Take the connection, and what runs long-lived tasks; nothing is read before `open`."""
        self._office = office
        self.clock = PeerClock()
        """The clock of the servers, whatever this machine's clock says."""
        self.shops = ShopList(office)
        self.events = EventFeed(office)
        self.flow = ChainFlowTable(office, self.clock)
        self.access = AccessList(office, self.clock)
        self.commands = CommandRuns(supervisor, self.clock)
        self.desired = DesiredSizes(office)
        self.rollouts: list[Rollout] = []
        """The newest first."""
        self.looks = RolloutLooks(office, self.shops)
        self._store = RolloutStore(office)
        self._read_at = time.monotonic()
        self._streams = OpenCount()
        self.closing = asyncio.Event()
        """Set when the server ends: streams end, too."""
        self.mark = ""
        """Another text when pages would show something else, ages aside."""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, office: Office, supervisor: Supervisor) -> AsyncIterator[Self]:
        """Read everything once, and go on until the end of the block. Raises `HeadOfficeUnavailable`."""
        view = cls(office, supervisor)
        await view._read_clock()
        await asyncio.gather(*(work() for _, work, _ in view._list_work()))
        supervisor.start_periodic("clock", view._read_clock, interval_s=CLOCK_INTERVAL_S)
        for name, work, interval_s in view._list_work():
            supervisor.start_periodic(name, work, interval_s=interval_s)
        supervisor.start_periodic("uses of tokens", view.access.store_uses, interval_s=USES_INTERVAL_S)
        supervisor.start_service("roll-outs", view._advance_rollouts)
        yield view

    @property
    def plan(self) -> ChainPlan:
        """What a person has decided about the head office."""
        return self._office.folder.plan

    @property
    def age_s(self) -> float:
        """How old the picture of the shops is, in seconds."""
        return time.monotonic() - self._read_at

    @property
    def is_old(self) -> bool:
        """Whether the servers have not answered for a while."""
        return self.age_s > OLD_AFTER_S

    async def close_streams(self) -> None:
        """Let streams to pages and programs end."""
        self.closing.set()
        self.events.wake()

    async def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until the server ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closing.wait()

    @contextlib.contextmanager
    def open_stream(self, *counted: tuple[str, int]) -> Iterator[None]:
        """Count a stream to a page or a program, while it is open, among those of each kind.

        `counted` has the kinds, with how many there are at most. Raises `Overloaded` if there are too many.
        """
        with contextlib.ExitStack() as stack:
            for kind, limit in counted:
                refusal = message("{count} streams are open already: close some, or try again", count=limit)
                stack.enter_context(self._streams.take(limit, refusal, retry_after_s=STREAM_RETRY_S, kind=kind))
            yield

    def _compute_mark(self) -> str:
        shown = (
            [(one.shop, one.health, one.version, one.waiting, one.troubles, one.answers) for one in self.shops],
            self.events.last,
            self.shops.server_troubles,
            [(one.id, one.beat, one.state) for one in self.rollouts],
        )
        return f"{zlib.crc32(repr(shown).encode('utf-8', 'replace')):08x}"

    def _list_work(self) -> list[tuple[str, Callable[[], Awaitable[None]], float]]:
        return [
            ("shops", self._refresh_shops, INTERVAL_S),
            ("events", self.events.refresh, INTERVAL_S),
            ("list of roll-outs", self.refresh_rollouts, INTERVAL_S),
            ("tokens", self.access.refresh, INTERVAL_S),
            ("customer flow", self.flow.refresh, FLOW_INTERVAL_S),
        ]

    async def _read_clock(self) -> None:
        self.clock.set((await self._office.read_time()).timestamp())

    async def _refresh_shops(self) -> None:
        await self.shops.refresh()
        self._read_at = time.monotonic()
        self.mark = self._compute_mark()

    def find_rollout(self, rollout_id: str) -> str:
        """Return the name of a roll-out. Raises `NotFound` if there is none: no other text gets into a subject."""
        if not any(one.id == rollout_id for one in self.rollouts):
            raise NotFound(message("no roll-out is called {id}", id=rollout_id))
        return rollout_id

    async def refresh_rollouts(self) -> None:
        """Read the roll-outs again. Raises `HeadOfficeUnavailable`."""
        self.rollouts = await self._store.list_all()

    async def _advance_rollouts(self, service: Service) -> None:
        """Advance those that nobody else does, by a list of shops of its own: a step may take long."""
        await advance_rollouts(self._office, ShopList(self._office), service)
