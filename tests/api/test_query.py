"""The query of a call: what its model declares is read, and every field error is named at once."""

from datetime import date
from typing import Literal

import pytest
from multidict import MultiDict
from pydantic import Field

from gateway.api.query import Day, Query, WholeNumber, describe_query, read_query
from gateway.errors import InvalidRequest


class ItemsOfADayQuery(Query):
    first: Day = Field(alias="from", description="The first day.")
    state: Literal["waiting", "refused"] | None = Field(default=None, description="Only these.")
    limit: WholeNumber = Field(default=50, ge=1, le=500, description="How many.")
    path: str | None = Field(default=None, description="Which.")


def field_errors(*pairs: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_query(MultiDict(pairs), ItemsOfADayQuery)
    return {one.parameter: one.reason for one in caught.value.field_errors}


def test_values_are_what_they_stand_for() -> None:
    given = MultiDict({"from": "2026-11-22", "state": "refused", "limit": "500", "path": "order/update"})
    query = read_query(given, ItemsOfADayQuery)
    assert (query.first, query.state, query.limit, query.path) == (date(2026, 11, 22), "refused", 500, "order/update")
    query = read_query(MultiDict({"from": "2026-11-22"}), ItemsOfADayQuery)
    assert (query.state, query.limit, query.path) == (None, 50, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "must be greater than or equal to 1"),
        ("501", "must be less than or equal to 500"),
        *((text, "must be a whole number") for text in ("-1", "1.5", "", " 5", "1_0", "1e2", "٣", "9" * 5000)),
    ],
)
def test_a_number_out_of_range_is_refused(text: str, reason: str) -> None:
    assert field_errors(("from", "2026-11-22"), ("limit", text)) == {"limit": reason}


@pytest.mark.parametrize("text", ["", "2026-02-30", "20261122", "1795305600", "2026-11-22T00:00"])
def test_a_day_in_another_form_is_refused(text: str) -> None:
    assert field_errors(("from", text)) == {"from": "must be a date, YYYY-MM-DD"}


def test_every_field_error_is_named_at_once() -> None:
    found = field_errors(("state", "gone"), ("path", "a"), ("path", "b"), ("colour", "red"), ("colour", "blue"))
    assert found == {
        "colour": "is not a parameter of this call",
        "from": "is required: the first day",
        "state": "must be 'waiting' or 'refused'",
        "path": "is given twice",
    }


def test_openapi_says_what_is_taken() -> None:
    described = {one["name"]: one for one in describe_query(ItemsOfADayQuery)}
    assert [name for name, one in described.items() if one["required"]] == ["from"]
    assert described["path"]["description"] == "Which."
    assert {name: one["schema"] for name, one in described.items()} == {
        "from": {"type": "string", "format": "date"},
        "state": {"type": "string", "enum": ["waiting", "refused"]},
        "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
        "path": {"type": "string"},
    }
