"""Customer flow of past days: each asked for once, since it does not change any more, and kept.

The vendor provides the history one day later, at an hour that it does not state, and in a time zone that it does not
state either. A day's numbers are taken as final when the day after it is over everywhere (NOTES: Customer flow).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from gateway.cloud.customer_flow import reading
from gateway.cloud.customer_flow.fetcher import Age, Asking, Shop, flow_endpoint, late, unavailable, worst
from gateway.cloud.customer_flow.table import FlowTable, Kept
from gateway.errors import FieldError, InvalidRequest, Problem, StateError, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.parameters import PeriodLimit
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text

RENEW_S: Final = 900.0
"""How long numbers that may still change are given again without asking."""
FINAL_AFTER: Final = timedelta(days=2, hours=12)
"""How long after its beginning in UTC a day, and the day after it, are over everywhere."""

_TOTALS, _GENDERS, _HOURS, _DAYS, _WEEKS, _MONTHS = (
    flow_endpoint(f"history/{name}")
    for name in ("groupByTag", "groupByGender", "getTrendByHour", "getTrendByDay", "getTrendByWeek", "getTrendByMonth")
)
_DEVELOPING: Final = frozenset(one.path for one in (_WEEKS, _MONTHS) if one.availability == "developing")
_LONGEST: Final = PeriodLimit("from", "to", _MONTHS.limits[0].most, _MONTHS.limits[0].unit)
_YEARS: Final = range(2000, 2101)
_FARTHEST_AHEAD: Final = timedelta(hours=14)
"""Where on earth the day begins first."""
_MOST_REMEMBERED: Final = 1024

_log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """What is asked for and kept by itself: what one endpoint, by path, tells of some days."""

    path: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class _Tried:
    """What became of asking for a piece: when to ask again (monotonic), and what came of it."""

    again_at: float
    problem: Problem | None = None
    kept: Kept | None = None


class History:
    """The past days of each shop."""

    def __init__(self, asking: Asking, table: FlowTable) -> None:
        self._asking = asking
        self._table = table
        self._age = Age(asking.cloud, table.uptime)
        self._tried: OrderedDict[tuple[str, Piece], _Tried] = OrderedDict()
        self._fetches: dict[tuple[str, date, date], asyncio.Task[None]] = {}
        self._unkept = FailureLog(_log, "the customer flow of past days is not kept", level=logging.WARNING)

    async def get(self, shop: Shop, first: date, last: date) -> dict[str, Any]:
        """Return these days of a shop as JSON, from the cloud or as kept.

        Raises `InvalidRequest` for days that no answer can cover, and what the cloud's client raises where nothing can
        be given.
        """
        self._check(first, last)
        pieces = _pieces(first, last)
        before = await self._held(shop, pieces, first, last)
        due = [piece for piece in pieces if self._is_due(shop, piece, before.get(piece))]
        held, problems = before, self._problems(shop, pieces)
        if due:
            fetch = self._fetching(shop, first, last, due, before)
            # What is being developed may never be there: it is not worth a longer wait.
            missing = any(piece not in before and piece.path not in _DEVELOPING for piece in due)
            await asyncio.wait({fetch}, timeout=self._asking.patience_s if before and not missing else None)
            if fetch.done():
                fetch.result()
                held, problems = before | self._fetched(shop, pieces), self._problems(shop, pieces)
            else:
                problems = {piece.path: late(self._asking.patience_s) for piece in due}
        if problems and not held:
            raise worst(problems)
        return self._describe(shop, first, last, held, before, problems)

    def _check(self, first: date, last: date) -> None:
        field_errors = [
            FieldError(name, f"must be a day of the years {_YEARS[0]} to {_YEARS[-1]}")
            for name, day in (("from", first), ("to", last))
            if day.year not in _YEARS
        ]
        wrong = _LONGEST.check({"from": str(first), "to": str(last)})
        if wrong is not None:
            field_errors.append(wrong)
        clock = self._asking.cloud.clock
        if not field_errors and clock.known:
            begun = (datetime.fromtimestamp(clock.now(), UTC) + _FARTHEST_AHEAD).date()
            if last > begun:
                field_errors.append(
                    FieldError("to", f"lies in the future: the last day that has begun anywhere is {begun}")
                )
        if field_errors:
            raise InvalidRequest(field_errors)

    async def _held(self, shop: Shop, pieces: Sequence[Piece], first: date, last: date) -> dict[Piece, Kept]:
        stored = await self._table.load(shop.key, str(first), str(last))
        by_key = {(kept.path, kept.first, kept.last): kept for kept in stored}
        found = {piece: by_key.get((piece.path, str(piece.first), str(piece.last))) for piece in pieces}
        return {piece: kept for piece, kept in found.items() if kept is not None} | self._fetched(shop, pieces)

    def _fetched(self, shop: Shop, pieces: Sequence[Piece]) -> dict[Piece, Kept]:
        """Return what this life of the gateway has fetched of these."""
        tried = {piece: self._tried.get((shop.key, piece)) for piece in pieces}
        return {piece: one.kept for piece, one in tried.items() if one is not None and one.kept is not None}

    def _problems(self, shop: Shop, pieces: Sequence[Piece]) -> dict[str, Problem]:
        tried = {piece: self._tried.get((shop.key, piece)) for piece in pieces}
        return {piece.path: one.problem for piece, one in tried.items() if one is not None and one.problem is not None}

    def _is_due(self, shop: Shop, piece: Piece, kept: Kept | None) -> bool:
        if kept is not None and kept.final:
            return False
        tried = self._tried.get((shop.key, piece))
        return tried is None or time.monotonic() >= tried.again_at

    def _fetching(
        self, shop: Shop, first: date, last: date, due: Sequence[Piece], held: Mapping[Piece, Kept]
    ) -> asyncio.Task[None]:
        key = (shop.key, first, last)
        if key not in self._fetches:
            self._fetches[key] = self._asking.share(self._fetch(shop, due, held))
            self._fetches[key].add_done_callback(lambda _: self._fetches.pop(key))
        return self._fetches[key]

    async def _fetch(self, shop: Shop, due: Sequence[Piece], held: Mapping[Piece, Kept]) -> None:
        asked = list(_grouped(due))
        answers = await self._asking.ask([_call(shop, whole) for whole, _ in asked])
        new: list[Kept] = []
        for (_, pieces), answer in zip(asked, answers, strict=True):
            days = {} if isinstance(answer, Problem) else reading.by_day(answer)
            for piece in pieces:
                data = days.get(str(piece.first)) if piece.path == _DAYS.path else answer
                tried = self._judged(piece, answer, data, held.get(piece))
                self._remember(shop, piece, tried)
                if tried.kept is not None and _differs(tried.kept, held.get(piece)):
                    new.append(tried.kept)
        if new:
            try:
                await self._table.save(shop.key, new)
            except StateError as exc:
                self._unkept.failed(exc)
            else:
                self._unkept.recovered()

    def _judged(self, piece: Piece, answer: Any, data: Any, held: Kept | None) -> _Tried:
        """Return what came of asking; an answer that tells nothing leaves what was held."""
        now = time.monotonic()
        if isinstance(answer, Problem):
            wait_s = RENEW_S if isinstance(answer, VendorRefused) else self._asking.pause_s
            return _Tried(now + wait_s, answer, held)
        if not reading.tells(data):
            return _Tried(now + RENEW_S, None, held)
        clock = self._asking.cloud.clock
        recovered = datetime(piece.last.year, piece.last.month, piece.last.day, tzinfo=UTC) + FINAL_AFTER
        kept = Kept(
            path=piece.path,
            first=str(piece.first),
            last=str(piece.last),
            data=data,
            final=clock.known and clock.now() >= recovered.timestamp(),
            fetched_at=int(clock.now()),
            fetched_s=self._table.uptime.now(),
        )
        return _Tried(now + RENEW_S, None, kept)

    def _remember(self, shop: Shop, piece: Piece, tried: _Tried) -> None:
        self._tried[shop.key, piece] = tried
        self._tried.move_to_end((shop.key, piece))
        if len(self._tried) > _MOST_REMEMBERED:
            self._tried.popitem(last=False)

    def _describe(
        self,
        shop: Shop,
        first: date,
        last: date,
        held: Mapping[Piece, Kept],
        before: Mapping[Piece, Kept],
        problems: Mapping[str, Problem],
    ) -> dict[str, Any]:
        data = {piece.path: kept.data for piece, kept in held.items()}
        known = {str(piece.first): kept.data for piece, kept in held.items() if piece.path == _DAYS.path}
        fetched_now = sum(before.get(piece) != kept for piece, kept in held.items())
        oldest = min(held.values(), key=lambda kept: kept.fetched_s, default=None)
        return {
            **shop.describe(),
            "from": str(first),
            "to": str(last),
            "source": "cloud" if fetched_now == len(held) else "mixed" if fetched_now else "cache",
            "age_s": None if oldest is None else max(self._age.of(kept) for kept in held.values()),
            "fetched_at": None if oldest is None else utc_text(oldest.fetched_at),
            "final": all(
                held[piece].final if piece in held else piece.path in _DEVELOPING for piece in _pieces(first, last)
            ),
            **reading.counts(data.get(_TOTALS.path)),
            **{
                name: reading.trend(data[endpoint.path]) if endpoint.path in data else None
                for name, endpoint in (("hours", _HOURS), ("weeks", _WEEKS), ("months", _MONTHS))
            },
            "days": reading.days(known, first, last) if known else None,
            "ages": reading.ages(None, data[_GENDERS.path]) if _GENDERS.path in data else None,
            "unavailable": [*unavailable(problems), *_too_long(first, last)],
        }


def _pieces(first: date, last: date) -> list[Piece]:
    """Return what can be known of a range: hours of a single day, weeks and months from a whole one on."""
    days = (last - first).days + 1
    steps = ((_HOURS, days == 1), (_WEEKS, days >= 7), (_MONTHS, days >= 28), (_TOTALS, True), (_GENDERS, True))
    whole = [Piece(endpoint.path, first, last) for endpoint, wanted in steps if wanted and _fits(endpoint, first, last)]
    return [
        *whole,
        *(Piece(_DAYS.path, day, day) for day in (first + timedelta(days=number) for number in range(days))),
    ]


def _fits(endpoint: Endpoint, first: date, last: date) -> bool:
    return all(limit.check(_interval(first, last)) is None for limit in endpoint.limits)


def _interval(first: date, last: date) -> dict[str, str]:
    return {"start_time": str(first), "end_time": str(last)}


def _call(shop: Shop, piece: Piece) -> Call:
    arguments = {shop.name: shop.value, **_interval(piece.first, piece.last)}
    return CATALOGUE.get("cloud", piece.path).encode(arguments)


def _grouped(due: Sequence[Piece]) -> Iterator[tuple[Piece, Sequence[Piece]]]:
    """Yield what is asked for in one call each, with the pieces in it: days together, as many as the vendor allows."""
    days = [piece for piece in due if piece.path == _DAYS.path]
    yield from ((piece, [piece]) for piece in due if piece.path != _DAYS.path)
    while days:
        together = [piece for piece in days if _fits(_DAYS, days[0].first, piece.last)]
        yield Piece(_DAYS.path, together[0].first, together[-1].last), together
        days = days[len(together) :]


def _differs(new: Kept, old: Kept | None) -> bool:
    """Tell whether it is worth a write."""
    return old is None or new.data != old.data or new.final != old.final


def _too_long(first: date, last: date) -> list[dict[str, str]]:
    """Tell which totals the vendor does not count over so many days."""
    return [
        {
            "endpoint": endpoint.path,
            "code": "range_too_long",
            "detail": f"the vendor counts at most {endpoint.limits[0].most} {endpoint.limits[0].unit} together",
        }
        for endpoint in (_TOTALS, _GENDERS)
        if not _fits(endpoint, first, last)
    ]
