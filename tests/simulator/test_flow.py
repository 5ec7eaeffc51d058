"""The simulated cloud's customer flow: all endpoints count the same customers, at every call."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_handlers import HANDLERS
from gateway.simulator.cloud_state import CloudCall, CloudState

Post = Callable[..., Awaitable[dict[str, Any]]]
PAST = {"start_time": "2024-11-04", "end_time": "2024-11-10"}
KINDS = ("stranger_count", "regular_count", "member_count")


async def flow(cloud: SimulatedCloud, ask: Post, name: str, **given: str) -> Any:
    answer = await ask(cloud, f"passengerFlow/stat/{name}", **given)
    assert answer["code"] == 0, answer
    return answer["data"]


def total(data: Any, *names: str) -> int:
    return sum(row[name] for row in data["count_list"] for name in names)


@pytest.mark.parametrize("day", ["2024-11-04", "2024-11-09"])
async def test_every_history_endpoint_counts_the_same_customers(cloud: SimulatedCloud, ask: Post, day: str) -> None:
    one = {"start_time": day, "end_time": day}
    totals = await flow(cloud, ask, "history/groupByTag", **one)
    hours = await flow(cloud, ask, "history/getTrendByHour", **one)
    genders = await flow(cloud, ask, "history/groupByGender", **one)
    assert totals["total_count"] == sum(totals[kind] for kind in KINDS) > 100
    assert total(hours, "total_count") == total(genders, "male_count", "female_count") == totals["total_count"]
    assert total(genders, "male_member_count", "female_member_count") == totals["member_count"]
    curve = [row["total_count"] for row in hours["count_list"]]
    assert len(curve) == 24
    assert max(curve[10:20]) > 3 * max(curve[:5]), "the day is busier than the night"
    assert hours == await flow(cloud, ask, "history/getTrendByHour", **one)


async def test_periods_of_every_length_have_the_same_total(cloud: SimulatedCloud, ask: Post) -> None:
    whole = (await flow(cloud, ask, "history/groupByTag", **PAST))["total_count"]
    for step in ("Day", "Week", "Month"):
        assert total(await flow(cloud, ask, f"history/getTrendBy{step}", **PAST), "total_count") == whole, step


def call_at(now: int, name: str, **given: str) -> Any:
    """Return the data of an endpoint's response at a time."""
    endpoint = CATALOGUE.get("cloud", f"passengerFlow/stat/{name}")
    state = CloudState({"7948": "100000007948"})
    return HANDLERS[endpoint.path](CloudCall(state, endpoint, "", {"shop_id": "7948", **given}, {}, now))


def test_the_present_day_only_grows_and_becomes_history() -> None:
    begin = datetime(2024, 11, 4).astimezone()
    before: dict[Any, int] = {}
    latest = 0
    for minute in range(0, 1440, 13):
        now = int((begin + timedelta(minutes=minute)).timestamp())
        latest = int(call_at(now, "today/getLatest")["count"])
        hours, tags = call_at(now, "today/getTrendByHour"), call_at(now, "today/groupByTag")
        genders = call_at(now, "today/groupByGender")
        assert len(hours["count_list"]) == minute // 60 + 1
        assert total(hours, "total_count") == total(tags, *KINDS) == latest
        assert total(genders, "male_count", "female_count") == latest
        cells = {
            (row["age_range"], name): count
            for data in (tags, genders)
            for row in data["count_list"]
            for name, count in row.items()
        }
        assert all(count >= before.get(cell, 0) for cell, count in cells.items())
        before = cells
    day = {"start_time": "2024-11-04", "end_time": "2024-11-04"}
    tomorrow = int((begin + timedelta(hours=30)).timestamp())
    assert latest <= call_at(tomorrow, "history/groupByTag", **day)["total_count"] <= latest + 10


async def test_a_day_that_is_not_over_has_no_history(cloud: SimulatedCloud, ask: Post) -> None:
    tomorrow = f"{datetime.now().astimezone() + timedelta(days=1):%Y-%m-%d}"
    answer = await ask(cloud, "passengerFlow/stat/history/getTrendByDay", start_time=tomorrow, end_time=tomorrow)
    assert answer["code"] == 5013
