"""Customer flow as a person reads it: readable names, numbers as numbers, padded hours, null for what is not told.

The vendor's samples disagree with each other (NOTES: Customer flow).
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.protocol.catalogue.people import AGE_RANGES

_NAMES: Final[Mapping[str, str]] = {
    "total": "total_count",
    "new": "stranger_count",
    "repeat": "regular_count",
    "members": "member_count",
    "face_not_seen": "unexposed_count",
}
_KINDS: Final = ("new", "repeat", "members")
_OF_A_GENDER: Final[Mapping[str, str]] = {"total": "count", "repeat": "regular_count", "members": "member_count"}
_GENDERS: Final[Mapping[str, str]] = {"men": "male", "women": "female"}

_COUNT: Final = re.compile(r"[0-9]{1,15}")
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{1,2})(?::[0-9]{1,2})?)?)?"
)


def count(value: Any) -> int | None:
    """Return a number of people, which the cloud writes as a number or as text; None if it is neither."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = f"{value:.0f}"
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if _COUNT.fullmatch(text) else None


def time(value: Any) -> str:
    """Return a time of the shop with two digits everywhere: `2020-01-01 09:00`, `2020-01-01` or `2020-01`."""
    text = value.strip() if isinstance(value, str) else ""
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    year, *parts = found.groups()
    month, day, hour, minute = (None if part is None else f"{int(part):02}" for part in parts)
    clock = None if hour is None else f"{hour}:{minute}"
    return " ".join(part for part in ("-".join(part for part in (year, month, day) if part), clock) if part)


def counts(row: Any) -> dict[str, int | None]:
    """Return the customers of one row by kind; None for each kind that the row does not tell."""
    row = row if isinstance(row, dict) else {}
    return {name: count(row.get(vendor)) for name, vendor in _NAMES.items()}


def latest(data: Any) -> dict[str, int | None]:
    """Return the customers of the present day so far, where `count` is the total."""
    row = data if isinstance(data, dict) else {}
    return counts({**row, "total_count": row.get("count")})


def rows(data: Any) -> list[dict[str, Any]]:
    """Return the rows of an answer's list."""
    listed = data.get("count_list") if isinstance(data, dict) else None
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def tells(data: Any) -> bool:
    """Tell whether an answer, or a row of one, holds anything."""
    return isinstance(data, dict) and bool(rows(data) if "count_list" in data else data)


def trend(data: Any) -> list[dict[str, Any]]:
    """Return the steps of a trend in their order."""
    steps = [{"time": time(row.get("time")), **counts(row)} for row in rows(data)]
    return sorted(steps, key=lambda step: str(step["time"]))


def by_day(data: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a trend by day as the cloud gave them, each under its day."""
    return {time(row.get("time")): row for row in rows(data)}


def days(known: Mapping[str, Any], first: date, last: date) -> list[dict[str, Any]]:
    """Return every day of a range; the customers of one that is not known are None."""
    every = (str(first + timedelta(days=number)) for number in range((last - first).days + 1))
    return [{"time": day, **counts(known.get(day))} for day in every]


def ages(tags: Any, genders: Any) -> list[dict[str, Any]]:
    """Return the customers by age range, merged from the two endpoints that count them; None for one not heard."""
    by_tag, by_gender = ({count(row.get("age_range")): row for row in rows(data)} for data in (tags, genders))
    known = {choice.value: choice.meaning for choice in AGE_RANGES}
    numbers = sorted(number for number in {*by_tag, *by_gender} if number is not None)
    return [
        {
            "age_range": number,
            "age": known.get(number),
            **{kind: count(by_tag.get(number, {}).get(_NAMES[kind])) for kind in _KINDS},
            **{name: _of_a_gender(by_gender.get(number), vendor) for name, vendor in _GENDERS.items()},
        }
        for number in numbers
    ]


def _of_a_gender(row: Mapping[str, Any] | None, gender: str) -> dict[str, int | None] | None:
    if row is None:
        return None
    return {name: count(row.get(f"{gender}_{vendor}")) for name, vendor in _OF_A_GENDER.items()}


def summed(rows_by_age: list[dict[str, Any]]) -> dict[str, int | None]:
    """Return the customers of all ages together by kind; None for a kind that no row tells."""
    told = {kind: [row[kind] for row in rows_by_age if row[kind] is not None] for kind in _KINDS}
    return {kind: sum(numbers) if numbers else None for kind, numbers in told.items()}
