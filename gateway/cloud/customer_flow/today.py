"""Customer flow of the present day: fetched when it is asked for, no faster than it changes, and remembered."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.cloud.customer_flow import reading
from gateway.cloud.customer_flow.fetcher import Age, Asking, Shop, flow_endpoint, late, unavailable, worst
from gateway.cloud.customer_flow.table import FlowTable, Kept
from gateway.errors import Problem, StateError, VendorRefused
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text

SAVE_EVERY_S: Final = 900.0
"""How often the numbers of a shop are written down at most: the card wears, and they will be others soon."""
OLDEST_S: Final = 86400.0
"""Older numbers are of another day for sure."""

_LATEST, _TAGS, _GENDERS, _TREND = _ENDPOINTS = tuple(
    flow_endpoint(f"today/{name}") for name in ("getLatest", "groupByTag", "groupByGender", "getTrendByHour")
)
_KEPT_AS: Final = "passengerFlow/stat/today"
_MOST_SHOPS: Final = 32

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Memory:
    """What is known of one shop: its last numbers, those on the disk, and what became of the last attempt."""

    last: Kept | None = None
    saved: Kept | None = None
    loaded: bool = False
    tried_at: float | None = None
    problems: Mapping[str, Problem] = field(default_factory=dict)
    fetch: asyncio.Task[None] | None = None


class Today:
    """The present day of each shop. What one fetch brought is given together: never numbers of different moments."""

    def __init__(self, asking: Asking, table: FlowTable) -> None:
        self._asking = asking
        self._table = table
        self._age = Age(asking.cloud, table.uptime)
        self._shops: OrderedDict[str, _Memory] = OrderedDict()
        self._unkept = FailureLog(_log, "the customer flow of today is not kept", level=logging.WARNING)

    async def get(self, shop: Shop) -> dict[str, Any]:
        """Return the present day of a shop as JSON, from the cloud or as remembered.

        Raises what the cloud's client raises where nothing can be given.
        """
        memory = await self._memory(shop)
        before = memory.last
        fetch = self._fetching(shop, memory)
        if fetch is not None:
            await asyncio.wait({fetch}, timeout=self._asking.patience_s if self._usable(before) else None)
        problems = memory.problems
        if fetch is not None and fetch.done():
            fetch.result()
        elif fetch is not None:
            problems = {endpoint.path: late(self._asking.patience_s) for endpoint in _ENDPOINTS}
        last = memory.last
        if last is None or (len(problems) == len(_ENDPOINTS) and not self._stands_in(last, problems)):
            raise worst(problems)
        return self._describe(shop, last, "cache" if last is before else "cloud", problems)

    async def _memory(self, shop: Shop) -> _Memory:
        memory = self._shops.setdefault(shop.key, _Memory())
        self._shops.move_to_end(shop.key)
        if len(self._shops) > _MOST_SHOPS:
            self._shops.popitem(last=False)
        if not memory.loaded:
            kept = await self._table.load(shop.key, "", "")
            if not memory.loaded:  # by another caller meanwhile
                memory.loaded = True
                memory.last = memory.saved = next(iter(kept), None)
        return memory

    def _fetching(self, shop: Shop, memory: _Memory) -> asyncio.Task[None] | None:
        """Return the fetch under way, begun now if the last one is long enough ago, or None."""
        now = time.monotonic()
        if memory.fetch is None and (memory.tried_at is None or now - memory.tried_at >= self._asking.pause_s):
            memory.tried_at = now
            memory.fetch = self._asking.share(self._fetch(shop, memory))
        return memory.fetch

    def _usable(self, kept: Kept | None) -> bool:
        return kept is not None and self._age.of(kept) < OLDEST_S

    def _stands_in(self, kept: Kept, problems: Mapping[str, Problem]) -> bool:
        """Tell whether remembered numbers may be given: not where the cloud was there and refused everything."""
        return self._usable(kept) and any(not isinstance(problem, VendorRefused) for problem in problems.values())

    async def _fetch(self, shop: Shop, memory: _Memory) -> None:
        try:
            calls = [endpoint.encode({shop.name: shop.value}) for endpoint in _ENDPOINTS]
            answers = dict(zip((one.path for one in _ENDPOINTS), await self._asking.ask(calls), strict=True))
            memory.problems = {path: answer for path, answer in answers.items() if isinstance(answer, Problem)}
            given = {path: answer for path, answer in answers.items() if path not in memory.problems}
            if given:
                memory.last = Kept(
                    path=_KEPT_AS,
                    data=given,
                    final=False,
                    fetched_at=int(self._asking.cloud.clock.now()),
                    fetched_s=self._table.uptime.now(),
                )
                await self._save(shop, memory, memory.last)
        finally:
            memory.fetch = None

    async def _save(self, shop: Shop, memory: _Memory, new: Kept) -> None:
        saved = memory.saved
        if saved is not None and (saved.data == new.data or new.fetched_s - saved.fetched_s < SAVE_EVERY_S):
            return
        memory.saved = new
        try:
            await self._table.save(shop.key, [new])
        except StateError as exc:
            self._unkept.failed(exc)
        else:
            self._unkept.recovered()

    def _describe(self, shop: Shop, kept: Kept, source: str, problems: Mapping[str, Problem]) -> dict[str, Any]:
        data = kept.data
        hours = reading.trend(data[_TREND.path]) if _TREND.path in data else None
        tags, genders = data.get(_TAGS.path), data.get(_GENDERS.path)
        ages = None if tags is None and genders is None else reading.ages(tags, genders)
        total = reading.latest(data.get(_LATEST.path))
        return {
            **shop.describe(),
            "date": hours[-1]["time"][:10] if hours else None,
            "source": source,
            "age_s": self._age.of(kept),
            "fetched_at": utc_text(kept.fetched_at),
            **total,
            **reading.summed(ages or []),
            "hours": hours,
            "ages": ages,
            "unavailable": unavailable(problems),
        }
