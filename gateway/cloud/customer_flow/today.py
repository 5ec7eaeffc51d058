"""Customer flow of today: fetched when a caller asks, not more often than it changes, and cached."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.cloud.customer_flow import parsing
from gateway.cloud.customer_flow.cache import ResponseCache
from gateway.cloud.customer_flow.endpoints import TODAY, TODAY_GENDERS, TODAY_HOURS, TODAY_LATEST, TODAY_TAGS
from gateway.cloud.customer_flow.fetcher import Fetcher, choose_problem, describe_problems
from gateway.cloud.customer_flow.shop import Shop
from gateway.cloud.customer_flow.table import CachedResponse
from gateway.errors import Problem, VendorRefused
from gateway.runtime.timestamps import utc_text

SAVE_INTERVAL_S: Final = 900.0
"""How often the numbers of a shop are stored at most. Flash cards wear, and the numbers soon change again."""
MAX_AGE_S: Final = 86400.0
"""Older numbers are certainly of another day."""

_CACHE_PATH: Final = "passengerFlow/stat/today"
"""Stands for all four endpoints in the cache."""
_MAX_SHOPS: Final = 32
"""How many shops are remembered."""


@dataclass(slots=True)
class _ShopState:
    """What is known of one shop."""

    latest: CachedResponse | None = None
    """The latest numbers."""
    stored: CachedResponse | None = None
    """The numbers in the database."""
    loaded: bool = False
    """Whether the database was read."""
    fetch_began_at: float | None = None
    """When the last fetch began, by the monotonic clock."""
    fetch: asyncio.Task[None] | None = None
    """The running fetch."""
    problems: Mapping[str, Problem] = field(default_factory=dict)
    """The problems of the last fetch, by endpoint."""


class Today:
    """The numbers of today. All that are returned together were fetched together."""

    def __init__(self, fetcher: Fetcher, cache: ResponseCache) -> None:
        """Take what fetches and stores responses."""
        self._fetcher = fetcher
        self._cache = cache
        self._shops: OrderedDict[str, _ShopState] = OrderedDict()

    async def get(self, shop: Shop, *, anew: bool = False) -> dict[str, Any]:
        """Return the numbers of a shop as JSON, from the cloud or from the cache; `anew` fetches them in any case.

        Raises what `CloudClient.call` raises if there are none.
        """
        state = await self._load_state(shop)
        before = state.latest
        fetch = self._start_fetch(shop, state, anew=anew)
        if fetch is None or await self._fetcher.wait(fetch, has_cached=self._is_recent(before)):
            problems = state.problems
        else:
            problems = {endpoint.path: self._fetcher.timeout_problem() for endpoint in TODAY}
        latest = state.latest
        if latest is None or (len(problems) == len(TODAY) and not self._replaces(latest, problems)):
            raise choose_problem(problems)
        return self._describe(shop, latest, "cache" if latest is before else "cloud", problems)

    async def _load_state(self, shop: Shop) -> _ShopState:
        state = self._shops.setdefault(shop.key, _ShopState())
        self._shops.move_to_end(shop.key)
        if len(self._shops) > _MAX_SHOPS:
            self._shops.popitem(last=False)
        if not state.loaded:
            responses = await self._cache.load(shop.key, "", "")
            if not state.loaded:  # another caller may have loaded it meanwhile
                state.loaded = True
                state.latest = state.stored = next((one for one in responses if isinstance(one.data, dict)), None)
        return state

    def _start_fetch(self, shop: Shop, state: _ShopState, *, anew: bool) -> asyncio.Task[None] | None:
        """Return the running fetch. Starts one if the last one began long enough ago, else returns None."""
        now = time.monotonic()
        began_at = state.fetch_began_at
        is_due = anew or began_at is None or now - began_at >= self._fetcher.min_interval_s
        if state.fetch is None and is_due:
            state.fetch_began_at = now
            state.fetch = self._fetcher.start(self._fetch(shop, state))
        return state.fetch

    def _is_recent(self, response: CachedResponse | None) -> bool:
        return response is not None and self._cache.age_s(response) < MAX_AGE_S

    def _replaces(self, cached: CachedResponse, problems: Mapping[str, Problem]) -> bool:
        """Tell whether cached numbers are returned instead of problems: not if the cloud refused every call."""
        return self._is_recent(cached) and any(not isinstance(problem, VendorRefused) for problem in problems.values())

    async def _fetch(self, shop: Shop, state: _ShopState) -> None:
        try:
            calls = [endpoint.encode({shop.name: shop.value}) for endpoint in TODAY]
            results = dict(zip((one.path for one in TODAY), await self._fetcher.fetch(calls), strict=True))
            state.problems = {path: result for path, result in results.items() if isinstance(result, Problem)}
            data = {path: result for path, result in results.items() if path not in state.problems}
            if data:
                state.latest = self._cache.make(_CACHE_PATH, data)
                await self._save(shop, state, state.latest)
        finally:
            state.fetch = None

    async def _save(self, shop: Shop, state: _ShopState, new: CachedResponse) -> None:
        stored = state.stored
        if stored is not None and (stored.data == new.data or new.fetched_s - stored.fetched_s < SAVE_INTERVAL_S):
            return
        state.stored = new
        await self._cache.save(shop.key, [new])

    def _describe(
        self, shop: Shop, response: CachedResponse, source: str, problems: Mapping[str, Problem]
    ) -> dict[str, Any]:
        data = response.data
        hours = parsing.parse_trend(data[TODAY_HOURS.path]) if TODAY_HOURS.path in data else None
        tags, genders = data.get(TODAY_TAGS.path), data.get(TODAY_GENDERS.path)
        ages = None if tags is None and genders is None else parsing.merge_ages(tags, genders)
        return {
            **shop.describe(),
            "date": hours[-1]["time"][:10] if hours else None,
            "source": source,
            "age_s": self._cache.age_s(response),
            "fetched_at": utc_text(response.fetched_at),
            **parsing.parse_latest(data.get(TODAY_LATEST.path)),
            **parsing.sum_ages(ages or []),
            "hours": hours,
            "ages": ages,
            "unavailable": describe_problems(problems),
        }
