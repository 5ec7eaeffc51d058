"""The cache of customer flow: responses of the cloud, how old they are, and storing them."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from gateway.cloud.customer_flow.table import CachedResponse, FlowTable
from gateway.errors import StateError
from gateway.runtime.clock import PeerClock
from gateway.runtime.failure_log import FailureLog

_MIN_DOWNTIME_S: Final = 5.0
"""Clock and uptime may differ by less than this although the gateway was never off."""

_log = logging.getLogger(__name__)


class ResponseCache:
    """Makes, loads and stores responses."""

    def __init__(self, table: FlowTable, clock: PeerClock) -> None:
        """Store in this table; `clock` tells the present time."""
        self._table = table
        self._clock = clock
        self._failure_log = FailureLog(_log, "customer flow cannot be stored", level=logging.WARNING)

    def make(
        self, path: str, data: Any, *, first_day: str = "", last_day: str = "", final: bool = False
    ) -> CachedResponse:
        """Return a response that was fetched just now. `load` returns it after `save`."""
        return CachedResponse(
            path=path,
            first_day=first_day,
            last_day=last_day,
            data=data,
            final=final,
            fetched_at=int(self._clock.now()),
            fetched_s=self._table.uptime.now(),
        )

    def age_s(self, response: CachedResponse) -> float:
        """Return the age of a response in seconds. Time while the gateway was off counts if the clock proves it."""
        by_uptime_s = max(0.0, self._table.uptime.now() - response.fetched_s)
        by_clock_s = self._clock.now() - response.fetched_at
        return round(by_clock_s if by_clock_s > by_uptime_s + _MIN_DOWNTIME_S else by_uptime_s, 1)

    async def load(self, shop: str, first_day: str, last_day: str) -> list[CachedResponse]:
        """Return the stored responses within these days; both are empty for today. Raises `StateError`."""
        return await self._table.load(shop, first_day, last_day)

    async def save(self, shop: str, responses: Sequence[CachedResponse]) -> None:
        """Store responses. A failure is logged."""
        try:
            await self._table.save(shop, responses)
        except StateError as exc:
            self._failure_log.failed(exc)
        else:
            self._failure_log.recovered()
