"""Customer flow of a shop that never closes. All endpoints count the same fake customers, whenever they are called."""

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, product
from typing import Any, Final, NamedTuple

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud_state import CloudCall, CloudHandler, ResponseData
from gateway.simulator.validation import CallRefused

_ROW_PREFIX: Final = "count_list[]."
_WITHOUT_UNEXPOSED_COUNT: Final = ("getTrendByWeek", "getTrendByMonth")
"""The samples of these leave the count out (NOTES: Customer flow)."""
_NO_DATA: Final = 5013

_HOUR_WEIGHTS: Final = (4, 3, 2, 2, 2, 3, 4, 6, 8, 10, 12, 16, 21, 18, 13, 12, 15, 20, 24, 19, 13, 9, 7, 5)
"""How busy each hour of the day is."""
_WEEKDAY_WEIGHTS: Final = (8, 8, 9, 9, 11, 14, 10)
"""How busy each day of the week is, from Monday."""
_AGE_WEIGHTS: Final = (1, 2, 6, 22, 25, 20, 14, 10)
"""How common each age range is, from 1."""
_GENDER_WEIGHTS: Final = {"male": 47, "female": 53}
_KIND_WEIGHTS: Final = {"stranger": 60, "regular": 28, "member": 12}

_Profile = tuple[int, str, str]
"""What is counted of a customer: age range, gender and kind."""
_PROFILES: Final[list[_Profile]] = list(product(range(1, 9), _GENDER_WEIGHTS, _KIND_WEIGHTS))
_PROFILE_BOUNDS: Final = list(
    accumulate(_AGE_WEIGHTS[age - 1] * _GENDER_WEIGHTS[gender] * _KIND_WEIGHTS[kind] for age, gender, kind in _PROFILES)
)


class _Hour(NamedTuple):
    """One hour of a shop."""

    day: date
    """The day."""
    hour: int
    """The hour of the day, 0 to 23."""
    customers: Counter[_Profile]
    """How many customers came, by profile."""


def _get_flow(call: CloudCall) -> ResponseData:
    hours = list(_list_hours_of_today(call) if "/today/" in call.endpoint.path else _list_past_hours(call))
    if not hours:
        raise CallRefused(_NO_DATA)
    names = [known.path for known in call.endpoint.response_fields]
    columns = [name.removeprefix(_ROW_PREFIX) for name in names if name.startswith(_ROW_PREFIX)]
    if not columns:
        return _count_customers(names, hours)
    key, *counts = columns
    if key == "age_range":
        return {"count_list": [{key: age, **_count_customers(counts, hours, age)} for age in range(1, 9)]}
    if call.endpoint.path.endswith(_WITHOUT_UNEXPOSED_COUNT):
        counts.remove("unexposed_count")
    periods: dict[str, list[_Hour]] = {}
    for hour in hours:
        periods.setdefault(_format_period(call.endpoint.path, hours[0].day, hour), []).append(hour)
    return {"count_list": [{key: period, **_count_customers(counts, inside)} for period, inside in periods.items()]}


def _list_hours_of_today(call: CloudCall) -> Iterator[_Hour]:
    """Yield the hours of the present day. The present hour has as many customers as its minutes allow."""
    now = _local_time(call)
    for hour in range(now.hour):
        yield _generate_hour(call.shop.shop_id, now.date(), hour)
    yield _generate_hour(call.shop.shop_id, now.date(), now.hour, now.minute)


def _list_past_hours(call: CloudCall) -> Iterator[_Hour]:
    """Yield the hours of the days asked for that are over: the history ends with yesterday (T+1)."""
    first, last = date.fromisoformat(call.fields["start_time"]), date.fromisoformat(call.fields["end_time"])
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day < _local_time(call).date():
            for hour in range(24):
                yield _generate_hour(call.shop.shop_id, day, hour)


def _local_time(call: CloudCall) -> datetime:
    """Return the shop's time: the shop is where this machine is."""
    return datetime.fromtimestamp(call.now, UTC).astimezone()


@lru_cache(maxsize=24 * 400)
def _generate_hour(shop_id: str, day: date, hour: int, minutes: int = 60) -> _Hour:
    """Return an hour of a shop: the usual curve, up to a fifth more or less, made from shop, day and hour alone."""
    percent = 80 + _hash(shop_id, day, hour) % 41
    total = _HOUR_WEIGHTS[hour] * _WEEKDAY_WEIGHTS[day.weekday()] * percent * minutes // 60000
    places = (_hash(shop_id, day, hour, number) % _PROFILE_BOUNDS[-1] for number in range(total))
    return _Hour(day, hour, Counter(_PROFILES[bisect_right(_PROFILE_BOUNDS, place)] for place in places))


def _hash(*values: object) -> int:
    return zlib.crc32(repr(values).encode())


def _format_period(path: str, first: date, hour: _Hour) -> str:
    """Return the period of the row that an hour belongs to, as the endpoint's sample writes it."""
    match path.rpartition("getTrendBy")[2]:
        case "Hour" if "/today/" in path:
            return f"{hour.day} {hour.hour:02}:00"
        case "Hour":
            return f"{hour.day} {hour.hour}:00"  # not padded (NOTES: Customer flow)
        case "Week":
            return str(hour.day - timedelta(days=(hour.day - first).days % 7))
        case "Month":
            return f"{hour.day:%Y-%m}"
        case _:
            return str(hour.day)


def _count_customers(names: Iterable[str], hours: Iterable[_Hour], age: int | None = None) -> dict[str, Any]:
    """Count the customers of these hours, of one age range or all, for each name such as `male_regular_count`."""
    customers: Counter[_Profile] = Counter()
    unexposed = 0
    for hour in hours:
        customers.update(hour.customers)
        unexposed += hour.customers.total() // 12
    counts: dict[str, Any] = {}
    for name in names:
        words = {word for word in name.removesuffix("count").split("_") if word not in ("", "total")}
        counts[name] = sum(
            number
            for (age_range, *rest), number in customers.items()
            if age in (None, age_range) and words <= set(rest)
        )
    if "unexposed_count" in counts:
        counts["unexposed_count"] = unexposed
    if "count" in counts:
        counts["count"] = str(counts["count"])  # text in this response only (NOTES: Customer flow)
    return counts


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    endpoint.path: _get_flow
    for endpoint in CATALOGUE.list_endpoints("cloud")
    if endpoint.path.startswith("passengerFlow/")
}
