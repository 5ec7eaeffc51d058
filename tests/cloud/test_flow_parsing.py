"""Parsing of the vendor's printed responses of the customer flow, and of others that are less regular."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.customer_flow import parsing
from gateway.protocol import json_text

FOLDER = Path(__file__).parent.parent / "fixtures" / "samples"
NOTHING = {"total": None, "new": None, "repeat": None, "members": None, "face_not_seen": None}
ZERO = dict.fromkeys(NOTHING, 0)


def sample(name: str) -> Any:
    """Return `data` of the vendor's printed response."""
    file = FOLDER / f"cloud-passengerFlow-stat-{name.replace('/', '-')}.json"
    return json_text.loads(file.read_bytes())["answer"]["data"]


def test_the_latest_count_is_a_number() -> None:
    assert sample("today/getLatest")["count"] == "123"
    assert parsing.parse_latest(sample("today/getLatest")) == NOTHING | {"total": 123, "face_not_seen": 0}


def test_hours_are_padded() -> None:
    assert sample("history/getTrendByHour")["count_list"][0]["time"] == "2019-12-01 0:00"
    hours = parsing.parse_trend(sample("history/getTrendByHour"))
    assert hours == [{"time": f"2019-12-01 {hour:02}:00", **ZERO} for hour in range(24)]
    today = parsing.parse_trend(sample("today/getTrendByHour"))
    told = NOTHING | {"total": 0, "face_not_seen": 0}
    assert today == [{"time": f"2020-02-11 {hour:02}:00", **told} for hour in range(17)]


def test_days_weeks_and_months() -> None:
    days = parsing.rows_by_day(sample("history/getTrendByDay"))
    assert list(days) == ["2020-01-01", "2020-01-02", "2020-01-03"]
    weeks, months = (parsing.parse_trend(sample(f"history/getTrendBy{step}")) for step in ("Week", "Month"))
    unexposed = ZERO | {"face_not_seen": None}
    assert weeks == [{"time": "2019-09-11", **unexposed}, {"time": "2019-09-17", **unexposed}]
    assert months == [{"time": "2019-01", **unexposed}, {"time": "2019-12", **unexposed}]


def test_ages_are_merged_and_named() -> None:
    rows = parsing.merge_ages(sample("today/groupByTag"), sample("today/groupByGender"))
    gender = {"total": 0, "repeat": 0, "members": 0}
    assert [row["age_range"] for row in rows] == list(range(1, 9))
    assert rows[7] == {
        "age_range": 8, "age": "56 years and above", "new": 0, "repeat": 0, "members": 0,
        "men": gender, "women": gender,
    }  # fmt: skip
    assert parsing.parse_counts(sample("history/groupByTag")) == ZERO
    past = parsing.merge_ages(None, sample("history/groupByGender"))
    assert past[0]["new"] is None
    assert past[0]["women"] == gender


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), ("7", 7), (" 12 ", 12), (Decimal("7.0"), 7), (0, 0),
        (None, None), ("", None), ("many", None), (-1, None), (Decimal("7.5"), None), (True, None), ([], None),
        (10**30, None), (Decimal("NaN"), None), (Decimal("1E+900"), None),
    ],
)  # fmt: skip
def test_counts_are_numbers_or_null(value: Any, number: int | None) -> None:
    assert parsing.parse_count(value) == number


@pytest.mark.parametrize(
    ("text", "padded"),
    [
        ("2019-12-01 9:00", "2019-12-01 09:00"), ("2019-12-01 23:00:00", "2019-12-01 23:00"),
        ("2019-1-2", "2019-01-02"), ("2019-1", "2019-01"), ("2019-12-01T7:05", "2019-12-01 07:05"),
        ("soon", "soon"), (None, ""), (9, ""),
    ],
)  # fmt: skip
def test_times_are_padded(text: Any, padded: str) -> None:
    assert parsing.normalise_time(text) == padded


@pytest.mark.parametrize("data", [None, [], {}, "", {"count_list": None}, {"count_list": "x"}, {"count_list": [None]}])
def test_a_response_without_content_is_empty(data: Any) -> None:
    assert not parsing.has_content(data)
    assert parsing.parse_trend(data) == []
    assert parsing.merge_ages(data, data) == []
    assert parsing.parse_latest(data) == NOTHING


def test_rows_are_in_order_and_unknown_ages_have_no_name() -> None:
    rows = [{"time": f"2019-12-01 {hour}:00", "total_count": hour} for hour in (10, 9, 2)]
    assert [row["total"] for row in parsing.parse_trend({"count_list": rows})] == [2, 9, 10]
    [row] = parsing.merge_ages({"count_list": [{"age_range": "0", "stranger_count": "4"}]}, None)
    assert (row["age_range"], row["age"], row["new"], row["men"]) == (0, None, 4, None)
    assert parsing.sum_ages([row]) == {"new": 4, "repeat": None, "members": None}
