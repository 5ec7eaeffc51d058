"""Fetching customer flow from the cloud: several endpoints at once, and none while the cloud is away."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from firmware_tools.language import message
from gateway.cloud.client import CloudClient
from gateway.errors import (
    CloudRejectedCredentials,
    CloudUnreachable,
    PeerTimeout,
    Problem,
    RateLimited,
    VendorRefused,
)
from gateway.protocol.endpoint import Call
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor

MIN_INTERVAL_S: Final = 15.0
"""How often the vendor changes the numbers of today at most (NOTES: Customer flow)."""
MAX_WAIT_S: Final = 2.0
"""How long a caller waits for new numbers if there are cached ones. The fetch goes on."""

_MAX_CONCURRENCY: Final = 4
_UNAVAILABLE: Final = CloudUnreachable | PeerTimeout | CloudRejectedCredentials


class Fetcher:
    """Calls the cloud, and makes a pause when it is away or asks for fewer requests."""

    def __init__(self, cloud: CloudClient, supervisor: Supervisor, *, min_interval_s: float, max_wait_s: float) -> None:
        """Set the intervals as in `CustomerFlow`. The pause is at least `min_interval_s` long, too."""
        self.min_interval_s = min_interval_s
        self._cloud = cloud
        self._supervisor = supervisor
        self._max_wait_s = max_wait_s
        self._slots = asyncio.Semaphore(_MAX_CONCURRENCY)
        self._paused_until = 0.0
        self._pause_reason: Problem | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    @property
    def clock(self) -> PeerClock:
        """The cloud's clock."""
        return self._cloud.clock

    async def close(self) -> None:
        """Cancel the running jobs."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def start(self, fetch: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a job that several callers can wait for. It goes on when a caller leaves."""
        job = self._supervisor.start_job("customer flow", fetch)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    async def wait(self, job: asyncio.Task[None], *, has_cached: bool) -> bool:
        """Wait for a job, not for long if there are cached numbers. Return whether it is done; raise what it raised."""
        await asyncio.wait({job}, timeout=self._max_wait_s if has_cached else None)
        if job.done():
            job.result()
        return job.done()

    def timeout_problem(self) -> PeerTimeout:
        """Return the reason for cached numbers when `wait` did not see the end of a job."""
        return PeerTimeout(
            message(
                "the cloud has not responded within {max_wait_s:g} s; the call goes on", max_wait_s=self._max_wait_s
            )
        )

    async def fetch(self, calls: Sequence[Call]) -> list[Any]:
        """Return for each call the `data` of the response, or the `Problem` that the call raised."""
        if self._pause_reason is not None and time.monotonic() < self._paused_until:
            return [self._pause_reason] * len(calls)
        results = await asyncio.gather(*map(self._call, calls))
        self._pause_if_needed(calls, results)
        return list(results)

    async def _call(self, call: Call) -> Any:
        async with self._slots:
            try:
                return (await self._cloud.call(call)).data
            except Problem as problem:
                return problem

    def _pause_if_needed(self, calls: Sequence[Call], results: Sequence[Any]) -> None:
        delays = [result.retry_after_s for result in results if isinstance(result, RateLimited)]
        # An endpoint that the vendor still develops proves nothing about the cloud.
        telling = [
            result for call, result in zip(calls, results, strict=True) if call.endpoint.availability == "available"
        ]
        is_away = bool(telling) and all(isinstance(result, _UNAVAILABLE) for result in telling)
        if delays or is_away:
            self._pause_reason = next(result for result in results if isinstance(result, RateLimited | _UNAVAILABLE))
            self._paused_until = time.monotonic() + max([self.min_interval_s, *delays])


def describe_problems(problems: Mapping[str, Problem]) -> list[dict[str, str]]:
    """Return as JSON which endpoints, by path, gave nothing, and why."""
    return [
        {"endpoint": path, "code": problem.code, "detail": problem.detail} for path, problem in sorted(problems.items())
    ]


def choose_problem(problems: Mapping[str, Problem]) -> Problem:
    """Return the problem that explains most: an unreachable cloud rather than a refusal."""
    return min(problems.values(), key=lambda problem: isinstance(problem, VendorRefused))
