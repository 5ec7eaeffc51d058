"""The query of a call: what a route declares is read, and every fault is named at once."""

from datetime import date

import pytest
from multidict import MultiDict

from gateway.api.query import QueryParameter, read_query
from gateway.errors import InvalidRequest

DECLARED = (
    QueryParameter("from", "The first day.", required=True, day=True),
    QueryParameter("state", "Only these.", choices=("waiting", "refused")),
    QueryParameter("limit", "How many.", numbers=range(1, 501), default=50),
    QueryParameter("path", "Which."),
)


def faults(*pairs: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_query(MultiDict(pairs), DECLARED)
    return {fault.parameter: fault.reason for fault in caught.value.field_errors}


def test_values_are_what_they_stand_for() -> None:
    given = MultiDict({"from": "2026-11-22", "state": "refused", "limit": "500", "path": "order/update"})
    assert read_query(given, DECLARED) == {
        "from": date(2026, 11, 22), "state": "refused", "limit": 500, "path": "order/update",
    }  # fmt: skip
    assert read_query(MultiDict({"from": "2026-11-22"}), DECLARED) == {"from": date(2026, 11, 22), "limit": 50}


@pytest.mark.parametrize("text", ["0", "501", "-1", "1.5", "", "1e2", "٣", "9" * 5000])
def test_a_number_out_of_range_is_refused(text: str) -> None:
    assert faults(("from", "2026-11-22"), ("limit", text)) == {"limit": "must be a whole number from 1 to 500"}


def test_every_fault_is_named_at_once() -> None:
    found = faults(("state", "gone"), ("path", "a"), ("path", "b"), ("colour", "red"), ("colour", "blue"))
    assert found == {
        "colour": "is not a parameter of this call",
        "from": "is required: the first day",
        "state": "must be one of waiting, refused",
        "path": "is given twice",
    }
    assert list(faults(("from", "2026-02-30"))) == ["from"]


def test_openapi_says_what_is_taken() -> None:
    described = {one.name: one.describe() for one in DECLARED}
    assert described["from"]["required"]
    assert {name: one["schema"] for name, one in described.items()} == {
        "from": {"type": "string", "format": "date"},
        "state": {"type": "string", "enum": ["waiting", "refused"]},
        "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
        "path": {"type": "string"},
    }
