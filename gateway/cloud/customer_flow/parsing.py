"""Parses the vendor's responses: readable names, numbers as numbers, padded hours, None for what is missing.

The vendor's samples disagree with each other (NOTES: Customer flow).
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from gateway.protocol.catalogue.people import AGE_RANGES

_COUNTS: Final[Mapping[str, str]] = {
    "total": "total_count",
    "new": "stranger_count",
    "repeat": "regular_count",
    "members": "member_count",
    "face_not_seen": "unexposed_count",
}
"""The vendor's name of each count."""
_KINDS: Final = ("new", "repeat", "members")
_GENDER_COUNTS: Final[Mapping[str, str]] = {"total": "count", "repeat": "regular_count", "members": "member_count"}
"""The vendor's name of each count of a gender, without its prefix."""
_GENDERS: Final[Mapping[str, str]] = {"men": "male", "women": "female"}

_COUNT: Final = re.compile(r"[0-9]{1,15}")
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})(?:-([0-9]{1,2})(?:[ T]([0-9]{1,2}):([0-9]{1,2})(?::[0-9]{1,2})?)?)?"
)


def parse_count(value: Any) -> int | None:
    """Parse a number of people, which the cloud writes as a number or as text. Return None for anything else."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = f"{value:.0f}"
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if _COUNT.fullmatch(text) else None


def normalise_time(value: Any) -> str:
    """Return a time of the shop with two digits everywhere: `2020-01-01 09:00`, `2020-01-01` or `2020-01`."""
    text = value.strip() if isinstance(value, str) else ""
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    year, *parts = match.groups()
    month, day, hour, minute = (None if part is None else f"{int(part):02}" for part in parts)
    clock = None if hour is None else f"{hour}:{minute}"
    return " ".join(part for part in ("-".join(part for part in (year, month, day) if part), clock) if part)


def parse_counts(row: Any) -> dict[str, int | None]:
    """Return the counts of a row by kind; None for a kind that is missing."""
    row = row if isinstance(row, dict) else {}
    return {name: parse_count(row.get(vendor)) for name, vendor in _COUNTS.items()}


def parse_latest(data: Any) -> dict[str, int | None]:
    """Return the counts of today so far. The vendor calls the total `count` here."""
    row = data if isinstance(data, dict) else {}
    return parse_counts({**row, "total_count": row.get("count")})


def list_rows(data: Any) -> list[dict[str, Any]]:
    """Return the rows in the list of a response."""
    listed = data.get("count_list") if isinstance(data, dict) else None
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def has_content(data: Any) -> bool:
    """Tell whether a response, or a row of one, holds anything."""
    return isinstance(data, dict) and bool(list_rows(data) if "count_list" in data else data)


def parse_trend(data: Any) -> list[dict[str, Any]]:
    """Return the steps of a trend in order of time."""
    steps = [{"time": normalise_time(row.get("time")), **parse_counts(row)} for row in list_rows(data)]
    return sorted(steps, key=lambda step: str(step["time"]))


def rows_by_day(data: Any) -> dict[str, dict[str, Any]]:
    """Return the rows of a trend by day, unparsed."""
    return {normalise_time(row.get("time")): row for row in list_rows(data)}


def parse_days(rows: Mapping[str, Any], first: date, last: date) -> list[dict[str, Any]]:
    """Return the counts of every day of a range, from the rows by day. Counts of a missing day are None."""
    all_days = (str(first + timedelta(days=number)) for number in range((last - first).days + 1))
    return [{"time": day, **parse_counts(rows.get(day))} for day in all_days]


def merge_ages(tags: Any, genders: Any) -> list[dict[str, Any]]:
    """Return the counts by age range, merged from the responses of two endpoints. Either may be None."""
    by_tag, by_gender = (
        {parse_count(row.get("age_range")): row for row in list_rows(data)} for data in (tags, genders)
    )
    meanings = {choice.value: choice.meaning for choice in AGE_RANGES}
    numbers = sorted(number for number in {*by_tag, *by_gender} if number is not None)
    return [
        {
            "age_range": number,
            "age": meanings.get(number),
            **{kind: parse_count(by_tag.get(number, {}).get(_COUNTS[kind])) for kind in _KINDS},
            **{name: _parse_gender(by_gender.get(number), vendor) for name, vendor in _GENDERS.items()},
        }
        for number in numbers
    ]


def _parse_gender(row: Mapping[str, Any] | None, gender: str) -> dict[str, int | None] | None:
    if row is None:
        return None
    return {name: parse_count(row.get(f"{gender}_{vendor}")) for name, vendor in _GENDER_COUNTS.items()}


def sum_ages(rows_by_age: list[dict[str, Any]]) -> dict[str, int | None]:
    """Return the counts of all ages together by kind; None for a kind that is missing in every row."""
    known = {kind: [row[kind] for row in rows_by_age if row[kind] is not None] for kind in _KINDS}
    return {kind: sum(numbers) if numbers else None for kind, numbers in known.items()}
