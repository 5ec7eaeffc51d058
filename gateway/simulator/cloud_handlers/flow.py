"""Customer flow: a shop that never closes, the same in every answer at any time."""

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, product
from typing import Any, Final, NamedTuple

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud_state import CloudCall, CloudHandler, Data
from gateway.simulator.validation import CallRefused

_LIST: Final = "count_list[]."
_WITHOUT_UNEXPOSED: Final = ("getTrendByWeek", "getTrendByMonth")
"""The samples of these leave the count out (NOTES: Customer flow)."""
_NO_DATA: Final = 5013

_BY_HOUR: Final = (4, 3, 2, 2, 2, 3, 4, 6, 8, 10, 12, 16, 21, 18, 13, 12, 15, 20, 24, 19, 13, 9, 7, 5)
_BY_WEEKDAY: Final = (8, 8, 9, 9, 11, 14, 10)
_AGES: Final = (1, 2, 6, 22, 25, 20, 14, 10)
_GENDERS: Final = {"male": 47, "female": 53}
_KINDS: Final = {"stranger": 60, "regular": 28, "member": 12}

_CELLS: Final = list(product(range(1, 9), _GENDERS, _KINDS))
_BOUNDS: Final = list(accumulate(_AGES[age - 1] * _GENDERS[gender] * _KINDS[kind] for age, gender, kind in _CELLS))

_Cell = tuple[int, str, str]


class _Hour(NamedTuple):
    """One hour of a shop: its customers by age range, gender and kind."""

    day: date
    hour: int
    customers: Counter[_Cell]


def _answer(call: CloudCall) -> Data:
    hours = list(_today(call) if "/today/" in call.endpoint.path else _past(call))
    if not hours:
        raise CallRefused(_NO_DATA)
    names = [known.path for known in call.endpoint.response_fields]
    columns = [name.removeprefix(_LIST) for name in names if name.startswith(_LIST)]
    if not columns:
        return _counts(names, hours)
    key, *counts = columns
    if key == "age_range":
        return {"count_list": [{key: age, **_counts(counts, hours, age)} for age in range(1, 9)]}
    if call.endpoint.path.endswith(_WITHOUT_UNEXPOSED):
        counts.remove("unexposed_count")
    steps: dict[str, list[_Hour]] = {}
    for hour in hours:
        steps.setdefault(_label(call.endpoint.path, hours[0].day, hour), []).append(hour)
    return {"count_list": [{key: label, **_counts(counts, inside)} for label, inside in steps.items()]}


def _today(call: CloudCall) -> Iterator[_Hour]:
    """Yield the hours of the present day; the one under way has as many customers as its minutes allow."""
    now = _local(call)
    for hour in range(now.hour):
        yield _hour(call.shop.shop_id, now.date(), hour)
    yield _hour(call.shop.shop_id, now.date(), now.hour, now.minute)


def _past(call: CloudCall) -> Iterator[_Hour]:
    """Yield the hours of the days asked for that are over: the history ends with yesterday (T+1)."""
    first, last = date.fromisoformat(call.fields["start_time"]), date.fromisoformat(call.fields["end_time"])
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        if day < _local(call).date():
            for hour in range(24):
                yield _hour(call.shop.shop_id, day, hour)


def _local(call: CloudCall) -> datetime:
    """Return the shop's time: it is where this machine is."""
    return datetime.fromtimestamp(call.now, UTC).astimezone()


@lru_cache(maxsize=24 * 400)
def _hour(shop_id: str, day: date, hour: int, minutes: int = 60) -> _Hour:
    """Return an hour of a shop: the usual curve, up to a fifth more or less, drawn from shop, day and hour alone."""
    about = 80 + _drawn(shop_id, day, hour) % 41
    total = _BY_HOUR[hour] * _BY_WEEKDAY[day.weekday()] * about * minutes // 60000
    drawn = (_drawn(shop_id, day, hour, number) % _BOUNDS[-1] for number in range(total))
    return _Hour(day, hour, Counter(_CELLS[bisect_right(_BOUNDS, place)] for place in drawn))


def _drawn(*names: object) -> int:
    return zlib.crc32(repr(names).encode())


def _label(path: str, first: date, hour: _Hour) -> str:
    """Return the time of the row that an hour belongs to, as the endpoint's sample writes it."""
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


def _counts(names: Iterable[str], hours: Iterable[_Hour], age: int | None = None) -> dict[str, Any]:
    """Count the customers of these hours, of one age range or all, for each name such as `male_regular_count`."""
    customers: Counter[_Cell] = Counter()
    unexposed = 0
    for hour in hours:
        customers.update(hour.customers)
        unexposed += hour.customers.total() // 12
    counts: dict[str, Any] = {}
    for name in names:
        words = {word for word in name.removesuffix("count").split("_") if word not in ("", "total")}
        counts[name] = sum(
            number for (years, *kind), number in customers.items() if age in (None, years) and words <= set(kind)
        )
    if "unexposed_count" in counts:
        counts["unexposed_count"] = unexposed
    if "count" in counts:
        counts["count"] = str(counts["count"])  # text in this answer only (NOTES: Customer flow)
    return counts


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    endpoint.path: _answer
    for endpoint in CATALOGUE.list_endpoints("cloud")
    if endpoint.path.startswith("passengerFlow/")
}
