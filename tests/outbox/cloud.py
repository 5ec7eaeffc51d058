"""A simulated cloud that fails at random, and remembers which order reached it when, and what became of the answer."""

import asyncio
import contextlib
import json
import random
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from gateway.simulator.account import ACCOUNTS, SHOPS
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.faults import FaultInjection, InjectedFault
from gateway.simulator.server import ReceivedRequest


class Version(NamedTuple):
    """One version of one order: what a till hands over and the cloud must get."""

    order_no: str
    number: int


@dataclass(slots=True)
class Visit:
    """One request that the cloud read: its place in the order of arrival, and the fault that it met ("" for none)."""

    number: int
    at: float
    fault: str


@dataclass(slots=True)
class Delivery:
    """The orders of one request that took effect, and when it did (monotonic seconds)."""

    visit: Visit
    at: float
    orders: list[Version]


_visit: ContextVar[Visit] = ContextVar("visit")


@dataclass(slots=True)
class Weather(FaultInjection):
    """Faults that come by chance: each call meets one with the probability `chance`, besides those that are queued."""

    chance: float = 0.0
    dice: random.Random = field(default_factory=random.Random)
    visits: list[Visit] = field(default_factory=list)

    def take(self, path: str) -> InjectedFault | None:
        fault = FaultInjection.take(self, path)
        if fault is None and self.dice.random() < self.chance:
            fault = self._draw()
        # The call is answered in the task that asks here: what follows in it finds this visit again.
        visit = Visit(len(self.visits), time.monotonic(), fault.kind if fault else "")
        self.visits.append(visit)
        _visit.set(visit)
        return fault

    def _draw(self) -> InjectedFault:
        return self.dice.choice(
            (
                InjectedFault("drop"),
                InjectedFault("reset_before"),
                InjectedFault("reset_after"),
                InjectedFault("status", status=500),
                InjectedFault("status", status=503, retry_after_s=1),
                InjectedFault("status", status=429, retry_after_s=1),
                InjectedFault("garbage"),
                InjectedFault("html"),
                InjectedFault("empty"),
                InjectedFault("slow", seconds=0.1),
            )
        )


class _Log(list[ReceivedRequest]):
    """The accepted calls of the cloud; each order in them is noted as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: list[Delivery] = []

    def append(self, request: ReceivedRequest) -> None:
        if request.path == "order/update":
            orders = json.loads(request.fields["order_list"])
            versions = [Version(one["order_no"], int(one["receipt_no"])) for one in orders]
            self.deliveries.append(Delivery(_visit.get(), time.monotonic(), versions))


class ObservedCloud:
    """The simulated cloud with changing weather. Use it with `async with`."""

    def __init__(self, seed: int = 0) -> None:
        self.dice = random.Random(seed)
        self.weather = Weather(dice=self.dice)
        self.simulated = SimulatedCloud(faults=self.weather)
        self._log = _Log()
        self.simulated.accepted = self._log
        self.stops: list[float] = []
        """When it went away, dropping every connection (monotonic seconds)."""
        self._up = False
        self._changing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.rise()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.settle()
        await self.fall()

    @property
    def deliveries(self) -> list[Delivery]:
        return self._log.deliveries

    def settings_toml(self) -> str:
        """Return the section `cloud` of a gateway's settings, but for `ca_file`."""
        app_id, secret_key = next(iter(ACCOUNTS.items()))
        shop_id = next(iter(SHOPS))
        return (
            f'[cloud]\nbase_url = "{self.simulated.base_url}"\napp_id = "{app_id}"\nsecret_key = "{secret_key}"\n'
            f'shop_id = "{shop_id}"\n'
        )

    async def rise(self) -> None:
        """Answer again."""
        if not self._up:
            await self.simulated.start()
            self._up = True

    async def fall(self) -> None:
        """Refuse connections, and drop those that there are."""
        if self._up:
            self._up = False
            self.stops.append(time.monotonic())
            await self.simulated.stop()

    def flap(self) -> None:
        """Begin to change between calm, storm and absence, each for a fraction of a second."""
        self._changing = asyncio.create_task(self._change())

    async def settle(self) -> None:
        """End the changes: answer every call as it should be."""
        if self._changing is not None:
            self._changing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._changing
            self._changing = None
        self.weather.chance = 0.0
        self.weather.clear()
        await self.rise()

    async def _change(self) -> None:
        while True:
            match self.dice.choice(("calm", "calm", "storm", "storm", "away")):
                case "calm":
                    self.weather.chance = 0.0
                case "storm":
                    self.weather.chance = 0.3
                case _:
                    await asyncio.shield(self.fall())
            await asyncio.sleep(self.dice.uniform(0.2, 0.9))
            await asyncio.shield(self.rise())
