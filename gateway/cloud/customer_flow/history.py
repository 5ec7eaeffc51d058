"""Customer flow of past days: fetched until it is final, and cached."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from gateway.cloud.customer_flow import parsing
from gateway.cloud.customer_flow.cache import ResponseCache
from gateway.cloud.customer_flow.endpoints import DAYS, GENDERS, HOURS, MONTHS, TOTALS, WEEKS
from gateway.cloud.customer_flow.fetcher import Fetcher, choose_problem, describe_problems
from gateway.cloud.customer_flow.queries import (
    DEVELOPING,
    FlowQuery,
    check_range,
    combine_days,
    describe_unsupported,
    split_range,
)
from gateway.cloud.customer_flow.shop import Shop
from gateway.cloud.customer_flow.table import CachedResponse
from gateway.errors import Problem, VendorRefused
from gateway.runtime.timestamps import utc_text

_MIN_INTERVAL_S: Final = 900.0
"""How often numbers are fetched at most that may still change."""
_MAX_REMEMBERED: Final = 1024
"""How many attempts are remembered."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last attempt to fetch a query."""

    next_at: float
    """When to fetch it again, by the monotonic clock."""
    problem: Problem | None
    """Why it failed."""
    response: CachedResponse | None
    """The latest response."""


class History:
    """The numbers of past days."""

    def __init__(self, fetcher: Fetcher, cache: ResponseCache) -> None:
        """Take what fetches and stores responses."""
        self._fetcher = fetcher
        self._cache = cache
        self._attempts: OrderedDict[tuple[str, FlowQuery], _Attempt] = OrderedDict()
        self._fetches: dict[tuple[str, date, date], asyncio.Task[None]] = {}

    async def get(self, shop: Shop, first: date, last: date) -> dict[str, Any]:
        """Return the numbers of a shop as JSON, from the cloud or from the cache.

        Raises `InvalidRequest` for days that no response can cover, and what `CloudClient.call` raises if there are no
        numbers.
        """
        check_range(first, last, self._fetcher.clock)
        queries = split_range(first, last)
        before = await self._load(shop, queries, first, last)
        responses, problems = before, self._problems(shop, queries)
        due = [query for query in queries if self._is_due(shop, query, before.get(query))]
        if due:
            # An endpoint that the vendor still develops is not worth a longer wait.
            is_complete = all(query in before or query.path in DEVELOPING for query in due)
            fetch = self._start_fetch(shop, first, last, due, before)
            if await self._fetcher.wait(fetch, has_cached=bool(before) and is_complete):
                responses, problems = before | self._load_fetched(shop, queries), self._problems(shop, queries)
            else:
                problems = {query.path: self._fetcher.timeout_problem() for query in due}
        if problems and not responses:
            raise choose_problem(problems)
        return self._describe(shop, (first, last), responses, before, problems)

    async def _load(
        self, shop: Shop, queries: Sequence[FlowQuery], first: date, last: date
    ) -> dict[FlowQuery, CachedResponse]:
        stored = {
            (response.path, response.first_day, response.last_day): response
            for response in await self._cache.load(shop.key, str(first), str(last))
        }
        found = {query: stored.get((query.path, str(query.first), str(query.last))) for query in queries}
        loaded = {query: response for query, response in found.items() if response is not None}
        return loaded | self._load_fetched(shop, queries)

    def _load_fetched(self, shop: Shop, queries: Sequence[FlowQuery]) -> dict[FlowQuery, CachedResponse]:
        """Return the responses that were fetched since the gateway started."""
        attempts = {query: self._attempts.get((shop.key, query)) for query in queries}
        return {query: one.response for query, one in attempts.items() if one is not None and one.response is not None}

    def _problems(self, shop: Shop, queries: Sequence[FlowQuery]) -> dict[str, Problem]:
        """Return the problems of the last attempts, by endpoint."""
        attempts = {query: self._attempts.get((shop.key, query)) for query in queries}
        return {
            query.path: one.problem for query, one in attempts.items() if one is not None and one.problem is not None
        }

    def _is_due(self, shop: Shop, query: FlowQuery, response: CachedResponse | None) -> bool:
        if response is not None and response.final:
            return False
        attempt = self._attempts.get((shop.key, query))
        return attempt is None or time.monotonic() >= attempt.next_at

    def _start_fetch(
        self, shop: Shop, first: date, last: date, due: Sequence[FlowQuery], cached: Mapping[FlowQuery, CachedResponse]
    ) -> asyncio.Task[None]:
        """Return the running fetch of these days, or a new one."""
        key = (shop.key, first, last)
        if key not in self._fetches:
            self._fetches[key] = self._fetcher.start(self._fetch(shop, due, cached))
            self._fetches[key].add_done_callback(lambda _: self._fetches.pop(key))
        return self._fetches[key]

    async def _fetch(self, shop: Shop, due: Sequence[FlowQuery], cached: Mapping[FlowQuery, CachedResponse]) -> None:
        combined = list(combine_days(due))
        results = await self._fetcher.fetch([query.make_call(shop) for query, _ in combined])
        changed: list[CachedResponse] = []
        for (_, covered), result in zip(combined, results, strict=True):
            days = {} if isinstance(result, Problem) else parsing.rows_by_day(result)
            for query in covered:
                is_day = query.path == DAYS.path and not isinstance(result, Problem)
                data = days.get(str(query.first)) if is_day else result
                attempt = self._evaluate(query, data, cached.get(query))
                self._remember(shop, query, attempt)
                if attempt.response is not None and _differs(attempt.response, cached.get(query)):
                    changed.append(attempt.response)
        if changed:
            await self._cache.save(shop.key, changed)

    def _evaluate(self, query: FlowQuery, result: Any, cached: CachedResponse | None) -> _Attempt:
        """Return the attempt with this result: `data` of a response, or a problem. Without content the cache stays."""
        now = time.monotonic()
        if isinstance(result, Problem):
            delay_s = _MIN_INTERVAL_S if isinstance(result, VendorRefused) else self._fetcher.min_interval_s
            return _Attempt(now + delay_s, result, cached)
        response = cached
        if parsing.has_content(result):
            response = self._cache.make(
                query.path,
                result,
                first_day=str(query.first),
                last_day=str(query.last),
                final=query.is_final(self._fetcher.clock),
            )
        return _Attempt(now + _MIN_INTERVAL_S, None, response)

    def _remember(self, shop: Shop, query: FlowQuery, attempt: _Attempt) -> None:
        self._attempts[shop.key, query] = attempt
        self._attempts.move_to_end((shop.key, query))
        if len(self._attempts) > _MAX_REMEMBERED:
            self._attempts.popitem(last=False)

    def _describe(
        self,
        shop: Shop,
        days: tuple[date, date],
        responses: Mapping[FlowQuery, CachedResponse],
        before: Mapping[FlowQuery, CachedResponse],
        problems: Mapping[str, Problem],
    ) -> dict[str, Any]:
        first, last = days
        data = {query.path: response.data for query, response in responses.items()}
        rows = {str(query.first): response.data for query, response in responses.items() if query.path == DAYS.path}
        oldest = min(responses.values(), key=lambda response: response.fetched_s, default=None)
        return {
            **shop.describe(),
            "from": str(first),
            "to": str(last),
            "source": _describe_source(responses, before),
            "age_s": max(map(self._cache.age_s, responses.values()), default=None),
            "fetched_at": None if oldest is None else utc_text(oldest.fetched_at),
            "final": all(
                responses[query].final if query in responses else query.path in DEVELOPING
                for query in split_range(first, last)
            ),
            **parsing.parse_counts(data.get(TOTALS.path)),
            **{
                name: parsing.parse_trend(data[endpoint.path]) if endpoint.path in data else None
                for name, endpoint in (("hours", HOURS), ("weeks", WEEKS), ("months", MONTHS))
            },
            "days": parsing.parse_days(rows, first, last) if rows else None,
            "ages": parsing.merge_ages(None, data[GENDERS.path]) if GENDERS.path in data else None,
            "unavailable": [*describe_problems(problems), *describe_unsupported(first, last)],
        }


def _differs(new: CachedResponse, old: CachedResponse | None) -> bool:
    """Tell whether a response is worth a write."""
    return old is None or new.data != old.data or new.final != old.final


def _describe_source(responses: Mapping[FlowQuery, CachedResponse], before: Mapping[FlowQuery, CachedResponse]) -> str:
    fetched = sum(before.get(query) != response for query, response in responses.items())
    return "cloud" if fetched == len(responses) else "mixed" if fetched else "cache"
