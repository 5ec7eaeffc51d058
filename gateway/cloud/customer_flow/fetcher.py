"""Asking the cloud for customer flow: several endpoints at once, none of them while it is known to be away."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from gateway.cloud.client import CloudClient
from gateway.cloud.customer_flow.table import Kept
from gateway.errors import (
    CloudRejectedCredentials,
    CloudUnreachable,
    FieldError,
    InvalidRequest,
    PeerTimeout,
    Problem,
    RateLimited,
    VendorRefused,
)
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.storage.uptime_table import Uptime

PAUSE_S: Final = 15.0
"""The present day's numbers change at most this often (NOTES: Customer flow)."""
PATIENCE_S: Final = 2.0
"""How long a caller waits for the cloud where remembered numbers can be given instead; the cloud is asked on."""

_AT_ONCE: Final = 4
_MOST_SHOP: Final = 64
_OFF_S: Final = 5.0
"""By how much the clock and the running time differ for other reasons than that the gateway was off."""
_AWAY: Final = CloudUnreachable | PeerTimeout | CloudRejectedCredentials

T = TypeVar("T")


class Shop(NamedTuple):
    """A shop as a call names it: one of the two keys, and its value."""

    name: str
    value: str

    @property
    def key(self) -> str:
        """The shop under which answers are kept."""
        return f"{self.name}={self.value}"

    def describe(self) -> dict[str, str | None]:
        """Return both keys as JSON, the one that was not used as null."""
        return {"shop_id": None, "sunmi_shop_no": None, self.name: self.value}


def flow_endpoint(name: str) -> Endpoint:
    """Return an endpoint of the customer flow: `today/getLatest`."""
    return CATALOGUE.get("cloud", f"passengerFlow/stat/{name}")


def chosen_shop(given: Mapping[str, str], defaults: Mapping[str, str]) -> Shop:
    """Return the shop that a caller names, else that of the settings. Raises `InvalidRequest`."""
    given = {name: value for name, value in given.items() if value}
    field_errors = [
        FieldError(name, f"must have at most {_MOST_SHOP} characters")
        for name, value in given.items()
        if len(value) > _MOST_SHOP
    ]
    if len(given) > 1:
        field_errors.append(FieldError("sunmi_shop_no", "stands in for shop_id: give one of them"))
    if field_errors:
        raise InvalidRequest(field_errors)
    [(name, value)] = flow_endpoint("today/getLatest").encode(given, defaults=defaults).fields.items()
    return Shop(name, value)


class Asking:
    """Asks the cloud, a few calls at a time. When it is away, nothing is asked for a while.

    `pause_s` is how often numbers that change are asked for at most, `patience_s` how long a caller waits for new ones
    who can have remembered ones.
    """

    def __init__(self, cloud: CloudClient, *, pause_s: float = PAUSE_S, patience_s: float = PATIENCE_S) -> None:
        self.cloud = cloud
        self.pause_s = pause_s
        self.patience_s = patience_s
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._closed_until = 0.0
        self._closed_by: Problem | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop what is under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def share(self, fetch: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a fetch that several callers may wait for: it ends with the gateway, not with a caller."""
        task = asyncio.create_task(fetch)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def ask(self, calls: Sequence[Call]) -> list[Any]:
        """Return for each call what is below `data` of the answer, or the `Problem` that it met."""
        if self._closed_by is not None and time.monotonic() < self._closed_until:
            return [self._closed_by] * len(calls)
        answers = await asyncio.gather(*map(self._one, calls))
        self._judge(calls, answers)
        return list(answers)

    async def _one(self, call: Call) -> Any:
        async with self._turns:
            try:
                return (await self.cloud.call(call)).data
            except Problem as problem:
                return problem

    def _judge(self, calls: Sequence[Call], answers: Sequence[Any]) -> None:
        """Close for a while if the cloud asks for that, or is away: one that is being developed proves nothing."""
        waits = [answer.retry_after_s for answer in answers if isinstance(answer, RateLimited)]
        told = [
            answer for call, answer in zip(calls, answers, strict=True) if call.endpoint.availability == "available"
        ]
        away = bool(told) and all(isinstance(answer, _AWAY) for answer in told)
        if waits or away:
            self._closed_by = next(answer for answer in answers if isinstance(answer, RateLimited | _AWAY))
            self._closed_until = time.monotonic() + max([self.pause_s, *waits])


def late(patience_s: float) -> PeerTimeout:
    """Return the reason why remembered numbers are given before it is known whether there are new ones."""
    return PeerTimeout(f"the cloud has not answered within {patience_s:g} s; it is still being asked")


def unavailable(problems: Mapping[str, Problem]) -> list[dict[str, str]]:
    """Return as JSON which endpoints, by path, gave nothing now, and why."""
    return [
        {"endpoint": path, "code": problem.code, "detail": problem.detail} for path, problem in sorted(problems.items())
    ]


def worst(problems: Mapping[str, Problem]) -> Problem:
    """Return the problem that explains most: that the cloud cannot be reached rather than what it refused."""
    return min(problems.values(), key=lambda problem: isinstance(problem, VendorRefused))


class Age:
    """How old what was fetched is."""

    def __init__(self, cloud: CloudClient, uptime: Uptime) -> None:
        self._clock = cloud.clock
        self._uptime = uptime

    def of(self, kept: Kept) -> float:
        """Return the age in seconds: running time, or more where the clock says that the gateway was off meanwhile."""
        ran_s = max(0.0, self._uptime.now() - kept.fetched_s)
        passed_s = self._clock.now() - kept.fetched_at
        return round(passed_s if passed_s > ran_s + _OFF_S else ran_s, 1)
