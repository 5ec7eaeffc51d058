"""Customer flow through the REST API: with the cloud and without it, and refusals."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.simulator.store import SimulatedStore

LAST_WEEK = datetime.now(UTC).date() - timedelta(days=7)
HISTORY = f"/api/v1/flow/history?from={LAST_WEEK}"


async def test_a_till_reads_today(store: SimulatedStore, pos: Any) -> None:
    answer = await pos("GET", "/api/v1/flow/today")
    assert answer.status == 200, answer.body
    assert (answer.body["shop_id"], answer.body["source"], answer.body["unavailable"]) == ("10096", "cloud", [])
    assert answer.body["total"] == sum(hour["total"] for hour in answer.body["hours"])
    again = await pos("GET", "/api/v1/flow/today?shop_id=10096")
    assert (again.body["source"], again.body["hours"]) == ("cache", answer.body["hours"])
    assert len(store.cloud.accepted) == 4


async def test_a_till_reads_past_days(pos: Any) -> None:
    day = await pos("GET", HISTORY)
    assert day.status == 200, day.body
    assert (day.body["from"], day.body["to"], day.body["final"]) == (str(LAST_WEEK), str(LAST_WEEK), True)
    assert len(day.body["hours"]) == 24
    two = await pos("GET", f"{HISTORY}&to={LAST_WEEK + timedelta(days=1)}")
    assert [row["time"] for row in two.body["days"]] == [str(LAST_WEEK), str(LAST_WEEK + timedelta(days=1))]
    assert two.body["days"][0] == day.body["days"][0]
    assert two.body["hours"] is None


async def test_the_cloud_is_away(store: SimulatedStore, pos: Any) -> None:
    before = await pos("GET", HISTORY)
    await store.cloud.stop()
    kept = await pos("GET", HISTORY)
    assert (kept.status, kept.body["source"], kept.body["days"]) == (200, "cache", before.body["days"])
    nothing = await pos("GET", "/api/v1/flow/today")
    assert (nothing.status, nothing.body["code"]) == (502, "cloud_unreachable")


@pytest.mark.parametrize(
    ("query", "parameter", "reason"),
    [
        ("history", "from", "is required"),
        ("history?from=", "from", "must be a date, YYYY-MM-DD"),
        ("history?from=2026-11-1", "from", "must be a date, YYYY-MM-DD"),
        ("history?from=2026-02-30", "from", "must be a date, YYYY-MM-DD"),
        ("history?from=2026-11-02&to=yesterday", "to", "must be a date, YYYY-MM-DD"),
        ("history?from=2020-11-02&to=2020-11-01", "to", "must not be before from"),
        ("history?from=2020-11-02&to=2021-11-03", "to", "must be at most 12 months after from"),
        ("history?from=2020-11-02&from=2020-11-03", "from", "is given twice"),
        ("history?from=2020-11-02&days=3", "days", "is not a parameter of this call"),
        ("history?from=2020-11-02&shop_id=1&sunmi_shop_no=1", "sunmi_shop_no", "give one of them"),
        ("today?from=2020-11-02", "from", "is not a parameter of this call"),
        (f"today?shop_id={'1' * 65}", "shop_id", "must have at most 64 characters"),
    ],
)
async def test_a_wrong_parameter_is_named(pos: Any, query: str, parameter: str, reason: str) -> None:
    answer = await pos("GET", f"/api/v1/flow/{query}")
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    [fault] = answer.body["errors"]
    assert fault["parameter"] == parameter
    assert reason in fault["reason"]


async def test_a_shop_that_the_cloud_does_not_know(pos: Any) -> None:
    for path in ("/api/v1/flow/today?shop_id=77", f"{HISTORY}&shop_id=77"):
        answer = await pos("GET", path)
        assert (answer.status, answer.body["code"], answer.body["vendor_code"]) == (422, "vendor_refused", 5041)


async def test_a_token_is_needed(session: Any) -> None:
    for path in ("/api/v1/flow/today", HISTORY):
        async with session.get(path) as response:
            assert response.status == 401


async def test_the_document_describes_every_member(pos: Any) -> None:
    document = (await pos("GET", "/openapi.json")).body
    operation = document["paths"]["/api/v1/flow/history"]["get"]
    given = {one["name"]: (one["required"], one["schema"].get("format")) for one in operation["parameters"]}
    assert given == {
        "from": (True, "date"), "to": (False, "date"), "shop_id": (False, None), "sunmi_shop_no": (False, None),
    }  # fmt: skip
    described = operation["responses"]["200"]["description"]
    answer = (await pos("GET", HISTORY)).body
    unnamed = {"shop_id", "sunmi_shop_no", "from", "to"}  # as they were asked for
    assert [name for name in answer if name not in unnamed and f"`{name}`" not in described] == []
