"""The queries that make up a range of days: which endpoint is asked for which days.

The vendor limits the days of a query, and adds a day's history one day later, at an hour and in a time zone that it
does not state. So a day's numbers are final when the day after it is over everywhere (NOTES: Customer flow).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from firmware_tools.language import message
from gateway.cloud.customer_flow.endpoints import DAYS, GENDERS, HOURS, MONTHS, TOTALS, WEEKS
from gateway.cloud.customer_flow.shop import Shop
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint
from gateway.protocol.period_limit import PeriodLimit
from gateway.runtime.clock import PeerClock

FINAL_AFTER: Final = timedelta(days=2, hours=12)
"""How long after the beginning of a day in UTC the day after it is over everywhere."""
DEVELOPING: Final = frozenset(one.path for one in (WEEKS, MONTHS) if one.availability == "developing")
"""The endpoints that the vendor still develops. They may never respond."""

_MAX_RANGE: Final = PeriodLimit("from", "to", MONTHS.limits[0].max_units, MONTHS.limits[0].unit)
_YEARS: Final = range(2000, 2101)
_MAX_UTC_OFFSET: Final = timedelta(hours=14)
"""By how much the earliest time zone is ahead of UTC."""


class FlowQuery(NamedTuple):
    """A query of one endpoint, whose response is cached."""

    path: str
    """The endpoint."""
    first: date
    """The first day."""
    last: date
    """The last day."""

    def make_call(self, shop: Shop) -> Call:
        """Return the call that sends it."""
        arguments = {shop.name: shop.value, **_period(self.first, self.last)}
        return CATALOGUE.get("cloud", self.path).encode(arguments)

    def is_final(self, clock: PeerClock) -> bool:
        """Tell whether the numbers of these days cannot change any more. An unknown time proves nothing."""
        last_begin = datetime(self.last.year, self.last.month, self.last.day, tzinfo=UTC)
        return clock.known and clock.now() >= (last_begin + FINAL_AFTER).timestamp()


def check_range(first: date, last: date, clock: PeerClock) -> None:
    """Raise `InvalidRequest` for days that no response can cover."""
    field_errors = [
        FieldError(name, message("must be a day of the years {first} to {last}", first=_YEARS[0], last=_YEARS[-1]))
        for name, day in (("from", first), ("to", last))
        if day.year not in _YEARS
    ]
    range_error = _MAX_RANGE.check({"from": str(first), "to": str(last)})
    if range_error is not None:
        field_errors.append(range_error)
    if not field_errors and clock.known:
        latest = (datetime.fromtimestamp(clock.now(), UTC) + _MAX_UTC_OFFSET).date()
        if last > latest:
            field_errors.append(
                FieldError(
                    "to", message("lies in the future: the last day that has begun anywhere is {latest}", latest=latest)
                )
            )
    if field_errors:
        raise InvalidRequest(field_errors)


def split_range(first: date, last: date) -> list[FlowQuery]:
    """Return the queries of a range: one for each day, and some for the whole range if it has the right length."""
    count = (last - first).days + 1
    choices = ((HOURS, count == 1), (WEEKS, count >= 7), (MONTHS, count >= 28), (TOTALS, True), (GENDERS, True))
    whole = [
        FlowQuery(endpoint.path, first, last) for endpoint, chosen in choices if chosen and _fits(endpoint, first, last)
    ]
    days = (first + timedelta(days=number) for number in range(count))
    return [*whole, *(FlowQuery(DAYS.path, day, day) for day in days)]


def combine_days(queries: Sequence[FlowQuery]) -> Iterator[tuple[FlowQuery, Sequence[FlowQuery]]]:
    """Yield the queries to send, each with those that it covers: as many days together as the vendor allows."""
    days = [query for query in queries if query.path == DAYS.path]
    yield from ((query, [query]) for query in queries if query.path != DAYS.path)
    while days:
        covered = [query for query in days if _fits(DAYS, days[0].first, query.last)]
        yield FlowQuery(DAYS.path, covered[0].first, covered[-1].last), covered
        days = days[len(covered) :]


def describe_unsupported(first: date, last: date) -> list[dict[str, str]]:
    """Return as JSON the endpoints whose totals the vendor does not count over so many days."""
    return [
        {
            "endpoint": endpoint.path,
            "code": "range_too_long",
            "detail": f"the vendor counts at most {endpoint.limits[0].max_units} {endpoint.limits[0].unit} together",
        }
        for endpoint in (TOTALS, GENDERS)
        if not _fits(endpoint, first, last)
    ]


def _fits(endpoint: Endpoint, first: date, last: date) -> bool:
    return all(limit.check(_period(first, last)) is None for limit in endpoint.limits)


def _period(first: date, last: date) -> dict[str, str]:
    return {"start_time": str(first), "end_time": str(last)}
