"""Limits on the time between two parameters."""

from datetime import date, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.period_limit import PeriodLimit

Unit = Literal["seconds", "hours", "days", "weeks", "months"]


@pytest.mark.parametrize(
    ("max_units", "unit", "start", "end"),
    [
        (30, "days", "2020-01-01", "2020-01-01"),
        (30, "days", "2020-01-01", "2020-01-31"),
        (30, "days", "2020-02-01", "2020-03-02"),
        (24, "hours", "2020-01-01", "2020-01-01"),
        (24, "hours", "2020-02-28", "2020-02-29"),
        (12, "weeks", "2020-01-01", "2020-03-25"),
        (12, "months", "2020-01-31", "2021-01-31"),
        (12, "months", "2020-02-29", "2021-02-28"),
        (12, "months", "2020-01-01", "2020-12-31"),
        (3600, "seconds", "1578969264", "1578969264"),
        (3600, "seconds", "1578969264", "1578972864"),
    ],
)
def test_a_period_within_the_limit(max_units: int, unit: Unit, start: str, end: str) -> None:
    assert PeriodLimit("a", "b", max_units, unit).check({"a": start, "b": end}) is None


@pytest.mark.parametrize(
    ("max_units", "unit", "start", "end"),
    [
        (30, "days", "2020-01-01", "2020-02-01"),
        (30, "days", "2020-02-01", "2020-03-03"),
        (24, "hours", "2020-01-01", "2020-01-03"),
        (12, "weeks", "2020-01-01", "2020-03-26"),
        (12, "months", "2020-01-30", "2021-01-31"),
        (12, "months", "2020-02-29", "2021-03-01"),
        (12, "months", "2020-01-31", "2021-02-01"),
        (3600, "seconds", "1578969264", "1578972865"),
    ],
)
def test_a_period_beyond_the_limit(max_units: int, unit: Unit, start: str, end: str) -> None:
    assert PeriodLimit("a", "b", max_units, unit).check({"a": start, "b": end}) == (
        "b",
        f"must be at most {max_units} {unit} after a",
    )


@pytest.mark.parametrize(
    ("unit", "start", "end"),
    [("days", "2020-01-02", "2020-01-01"), ("months", "2020-01-02", "2020-01-01"), ("seconds", "2", "1")],
)
def test_a_period_backwards(unit: Unit, start: str, end: str) -> None:
    assert PeriodLimit("a", "b", 12, unit).check({"a": start, "b": end}) == ("b", "must not be before a")


def test_half_a_period_is_no_span() -> None:
    assert PeriodLimit("a", "b", 1, "days").check({"a": "2020-01-01"}) is None


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 800), st.integers(1, 24))
def test_months_grow_with_the_calendar(first: date, days: int, max_units: int) -> None:
    last = first + timedelta(days=days)
    wrong = PeriodLimit("a", "b", max_units, "months").check({"a": first.isoformat(), "b": last.isoformat()})
    if days <= max_units * 28:
        assert wrong is None
    if days > max_units * 31:
        assert wrong is not None
