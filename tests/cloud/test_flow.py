"""Customer flow: fetched from a simulated cloud over real HTTPS, shared by callers, and cached in a real database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.client import CloudClient
from gateway.cloud.customer_flow import CustomerFlow
from gateway.cloud.customer_flow.queries import FINAL_AFTER
from gateway.cloud.customer_flow.table import FlowTable
from gateway.cloud.customer_flow.today import MAX_AGE_S, SAVE_INTERVAL_S
from gateway.errors import CloudUnreachable, Conflict, InvalidRequest, PeerTimeout, RateLimited, VendorRefused
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.cloud import SimulatedCloud
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

MakeClient = Callable[..., CloudClient]
SHOP = {"shop_id": "10096"}
TODAY = {f"passengerFlow/stat/today/{name}" for name in ("getLatest", "groupByTag", "groupByGender", "getTrendByHour")}
HISTORY = "passengerFlow/stat/history/"
NOON = datetime(2026, 11, 22, 12, 30).astimezone()
DAY = date(2026, 11, 16)
TIME_LIMIT_S = 300
"""No test runs longer, so no age is further from what it should be."""


class SettableClock:
    """The clock of cloud and machine. It stands still until it is set; the real one is never read."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now.timestamp()

    def client_clock(self) -> PeerClock:
        """Return the clock of a client whose machine is right, and which no peer has corrected yet."""
        return PeerClock(self)


@dataclass(kw_only=True)
class Store:
    """A customer flow with the parts around it."""

    flow: CustomerFlow
    table: FlowTable
    cloud: SimulatedCloud
    moment: SettableClock
    supervisor: Supervisor

    def asked(self) -> Counter[str]:
        """Return how often each endpoint has responded so far."""
        return Counter(request.path for request in self.cloud.accepted)

    async def writes(self) -> int:
        """Return how many rows were written so far."""
        return await self.table._database.inspect(lambda connection: connection.total_changes)

    async def history(self, first: date = DAY, last: date | None = None) -> dict[str, Any]:
        return await self.flow.history({}, first, last or first)


Open = Callable[..., Awaitable[Store]]


@pytest.fixture
def moment() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def simulated(moment: SettableClock) -> AsyncIterator[SimulatedCloud]:
    cloud = SimulatedCloud(clock=moment)
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
async def open_store(
    simulated: SimulatedCloud, make_client: MakeClient, moment: SettableClock, tmp_path: Path
) -> AsyncIterator[Open]:
    """Start the gateway again on the same database. Numbers are fetched each time."""
    lives: list[tuple[CustomerFlow, Supervisor, Database]] = []

    async def end() -> None:
        while lives:
            flow, supervisor, database = lives.pop()
            await flow.close()
            await supervisor.close()
            await database.close()

    async def begin(*, running_s: float = 0, min_interval_s: float = 0, max_wait_s: float = 5) -> Store:
        await end()
        database = await Database.open(tmp_path / "gateway.db")
        table = FlowTable(database, Uptime(running_s), account="account")
        client = make_client(simulated, clock=moment.client_clock())
        supervisor = Supervisor()
        flow = CustomerFlow(
            client, table, supervisor, default_shop=SHOP, min_interval_s=min_interval_s, max_wait_s=max_wait_s
        )
        lives.append((flow, supervisor, database))
        return Store(flow=flow, table=table, cloud=simulated, moment=moment, supervisor=supervisor)

    yield begin
    await end()


def codes(answer: dict[str, Any]) -> dict[str, str]:
    return {one["endpoint"]: one["code"] for one in answer["unavailable"]}


async def test_the_four_responses_of_today_are_merged(open_store: Open) -> None:
    store = await open_store()
    answer = await store.flow.today({})
    assert store.asked() == Counter(TODAY)
    assert (answer["shop_id"], answer["sunmi_shop_no"], answer["date"]) == ("10096", None, "2026-11-22")
    assert (answer["source"], answer["unavailable"]) == ("cloud", [])
    assert 0 <= answer["age_s"] < TIME_LIMIT_S
    assert [hour["time"] for hour in answer["hours"]] == [f"2026-11-22 {hour:02}:00" for hour in range(13)]
    assert answer["total"] == sum(hour["total"] for hour in answer["hours"]) > 50
    assert answer["total"] == answer["new"] + answer["repeat"] + answer["members"]
    assert answer["total"] == sum(row[one]["total"] for row in answer["ages"] for one in ("men", "women"))
    assert answer["ages"][3]["age"] == "19 to 28 years"


async def test_callers_at_the_same_time_share_one_fetch(open_store: Open) -> None:
    store = await open_store(min_interval_s=60)
    store.cloud.faults.latency_s = 0.2
    answers = await asyncio.gather(*(store.flow.today({}) for _ in range(20)))
    assert store.asked() == Counter(TODAY)
    assert len({answer["total"] for answer in answers}) == 1
    again = await store.flow.today({})
    assert (store.asked(), again["source"]) == (Counter(TODAY), "cache")
    assert again["total"] == answers[0]["total"]


async def test_after_the_pause_it_is_fetched_again(open_store: Open) -> None:
    store = await open_store(min_interval_s=0.3)
    await store.flow.today({})
    while (await store.flow.today({}))["source"] == "cache":  # asked as a till would
        await asyncio.sleep(0.02)
    assert set(store.asked().values()) == {2}


async def test_a_fetch_goes_on_when_one_of_its_callers_leaves(open_store: Open) -> None:
    store = await open_store(min_interval_s=60)
    store.cloud.faults.latency_s = 0.3
    leaving = asyncio.create_task(store.flow.today({}))
    staying = asyncio.create_task(store.flow.today({}))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying)["source"] == "cloud"
    assert store.asked() == Counter(TODAY)


async def test_today_is_cached_while_the_cloud_is_away(open_store: Open) -> None:
    store = await open_store(running_s=1000)
    fetched = await store.flow.today({})
    await store.cloud.stop()
    for restart in (False, True):
        store = await open_store(running_s=5000) if restart else store
        answer = await store.flow.today({})
        assert answer["source"] == "cache"
        assert codes(answer) == dict.fromkeys(TODAY, "cloud_unreachable")
        assert {name: answer[name] for name in ("total", "hours", "ages", "date", "fetched_at")} == {
            name: fetched[name] for name in ("total", "hours", "ages", "date", "fetched_at")
        }
    assert answer["age_s"] == pytest.approx(4000, abs=TIME_LIMIT_S)


async def test_yesterdays_numbers_are_not_todays(open_store: Open) -> None:
    store = await open_store()
    await store.flow.today({})
    await store.cloud.stop()
    store = await open_store(running_s=MAX_AGE_S + 10)
    with pytest.raises(CloudUnreachable):
        await store.flow.today({})


async def test_without_cached_numbers_the_problem_is_raised(open_store: Open) -> None:
    store = await open_store()
    await store.cloud.stop()
    with pytest.raises(CloudUnreachable):
        await store.flow.today({})
    with pytest.raises(CloudUnreachable):
        await store.history()


async def test_what_one_endpoint_refuses_is_null_and_reported(open_store: Open) -> None:
    store = await open_store()
    store.cloud.faults.add("refuse", path="passengerFlow/stat/today/groupByGender", code=5000)
    answer = await store.flow.today({})
    assert codes(answer) == {"passengerFlow/stat/today/groupByGender": "vendor_refused"}
    assert "database error" in answer["unavailable"][0]["detail"]
    assert [row["men"] for row in answer["ages"]] == [None] * 8
    assert answer["total"] == answer["new"] + answer["repeat"] + answer["members"]


async def test_a_shop_that_the_cloud_refuses_has_no_numbers(open_store: Open) -> None:
    store = await open_store()
    with pytest.raises(VendorRefused):
        await store.flow.today({"shop_id": "77"})
    await store.flow.today({})
    store.cloud.faults.add("refuse", code=5013, times=None)
    with pytest.raises(VendorRefused):  # remembered ones would be no answer: the cloud is there
        await store.flow.today({})


async def test_a_slow_cloud_is_not_waited_for_when_there_are_cached_numbers(open_store: Open) -> None:
    store = await open_store(max_wait_s=0.1)
    await store.flow.today({})
    store.cloud.faults.latency_s = 1
    answer = await store.flow.today({})
    assert (answer["source"], codes(answer)) == ("cache", dict.fromkeys(TODAY, "timeout"))
    while set(store.asked().values()) != {2}:  # the fetch goes on and arrives
        await asyncio.sleep(0.02)


async def test_today_is_stored_rarely_and_only_when_it_changed(open_store: Open) -> None:
    store = await open_store()
    await store.flow.today({})
    written = await store.writes()
    store.moment.now += timedelta(minutes=10)
    await store.flow.today({})
    assert await store.writes() == written, "it was written a moment ago"
    store.table.uptime = Uptime(SAVE_INTERVAL_S + 1)
    await store.flow.today({})
    changed = await store.writes()
    assert changed > written
    store.table.uptime = Uptime(3 * SAVE_INTERVAL_S)
    await store.flow.today({})
    assert await store.writes() == changed, "the numbers are the same"


async def test_a_day_is_merged_from_its_endpoints(open_store: Open) -> None:
    store = await open_store()
    answer = await store.history()
    assert store.asked() == Counter(
        HISTORY + name for name in ("groupByTag", "groupByGender", "getTrendByHour", "getTrendByDay")
    )
    assert (answer["from"], answer["to"], answer["source"], answer["final"]) == (str(DAY), str(DAY), "cloud", True)
    assert [hour["time"] for hour in answer["hours"]] == [f"{DAY} {hour:02}:00" for hour in range(24)]
    assert answer["total"] == answer["days"][0]["total"] == sum(hour["total"] for hour in answer["hours"]) > 100
    assert answer["total"] == sum(row[one]["total"] for row in answer["ages"] for one in ("men", "women"))
    assert (answer["weeks"], answer["months"], answer["ages"][0]["new"]) == (None, None, None)


async def test_a_final_day_is_fetched_once(open_store: Open) -> None:
    store = await open_store()
    fetched = await store.history()
    asked, written = store.asked(), await store.writes()
    again = await store.history()
    assert (again["source"], store.asked(), await store.writes()) == ("cache", asked, written)
    await store.cloud.stop()
    store = await open_store(running_s=3600)
    kept = await store.history()
    assert (kept["source"], kept["final"], kept["unavailable"]) == ("cache", True, [])
    assert kept["age_s"] == pytest.approx(3600, abs=TIME_LIMIT_S)
    assert kept["hours"] == fetched["hours"]
    assert await store.writes() == 0


async def test_a_day_is_final_when_the_next_one_is_over_everywhere(open_store: Open) -> None:
    store = await open_store()
    day = NOON.date()
    over = datetime(day.year, day.month, day.day, tzinfo=UTC) + FINAL_AFTER
    store.moment.now = over - timedelta(minutes=1)
    assert (await store.history(day))["final"] is False
    asked = store.asked()
    assert (await store.history(day))["source"] == "cache", "it hardly changes from one minute to the next"
    assert store.asked() == asked
    store = await open_store(running_s=100)
    assert (await store.history(day))["source"] == "cloud"
    assert await store.writes() == 0, "nothing has changed"
    store.moment.now = over + timedelta(minutes=1)
    store = await open_store(running_s=200)
    assert (await store.history(day))["final"] is True
    asked = store.asked()
    store = await open_store(running_s=300)
    assert (await store.history(day))["source"] == "cache"
    assert store.asked() == asked


async def test_only_missing_days_are_fetched(open_store: Open) -> None:
    store = await open_store()
    await store.history(date(2026, 11, 3), date(2026, 11, 6))
    answer = await store.history(date(2026, 11, 1), date(2026, 11, 10))
    spans = [
        (request.fields["start_time"], request.fields["end_time"])
        for request in store.cloud.accepted
        if request.path == HISTORY + "getTrendByDay"
    ]
    assert spans == [("2026-11-03", "2026-11-06"), ("2026-11-01", "2026-11-10")]
    assert answer["source"] == "mixed"
    await store.history(date(2026, 11, 1), date(2026, 11, 12))
    last = [one for one in store.cloud.accepted if one.path == HISTORY + "getTrendByDay"][-1]
    assert (last.fields["start_time"], last.fields["end_time"]) == ("2026-11-11", "2026-11-12")


async def test_cached_days_are_returned_while_the_cloud_is_away(open_store: Open) -> None:
    store = await open_store()
    known = await store.history(DAY, DAY + timedelta(days=1))
    await store.cloud.stop()
    answer = await store.history(DAY, DAY + timedelta(days=2))
    assert answer["days"][:2] == known["days"]
    assert (answer["days"][2]["total"], answer["total"], answer["final"]) == (None, None, False)
    assert codes(answer)[HISTORY + "getTrendByDay"] == "cloud_unreachable"


async def test_a_long_range_is_split(open_store: Open) -> None:
    store = await open_store()
    answer = await store.history(date(2026, 5, 1), date(2026, 7, 20))
    assert store.asked() == Counter(
        {HISTORY + "getTrendByDay": 3, HISTORY + "getTrendByWeek": 1, HISTORY + "getTrendByMonth": 1}
    )
    assert [day["time"] for day in answer["days"]] == [str(date(2026, 5, 1) + timedelta(days=n)) for n in range(81)]
    assert sum(day["total"] for day in answer["days"]) == sum(month["total"] for month in answer["months"])
    assert (answer["total"], answer["ages"], answer["hours"]) == (None, None, None)
    too_long = dict.fromkeys((HISTORY + "groupByTag", HISTORY + "groupByGender"), "range_too_long")
    assert codes(answer) == too_long


async def test_an_endpoint_in_development_delays_nothing(open_store: Open) -> None:
    store = await open_store(min_interval_s=60)
    store.cloud.faults.add("status", path=HISTORY + "getTrendByWeek", status=404, times=None)
    answer = await store.history(DAY - timedelta(days=7), DAY)
    assert codes(answer) == {HISTORY + "getTrendByWeek": "cloud_unreachable"}
    assert (answer["weeks"], answer["final"]) == (None, True)
    assert (await store.flow.today({}))["source"] == "cloud", "the cloud itself is not taken for away"


async def test_a_cloud_that_is_away_is_left_alone_for_a_while(open_store: Open) -> None:
    store = await open_store(min_interval_s=60)
    await store.cloud.stop()
    with pytest.raises(CloudUnreachable):
        await store.flow.today({})
    await store.cloud.start()
    with pytest.raises(CloudUnreachable):
        await store.history()
    assert store.asked() == Counter()


async def test_a_cloud_that_asks_for_fewer_calls_gets_none(open_store: Open) -> None:
    store = await open_store()
    store.cloud.faults.add("status", status=429, retry_after_s=30, times=4)
    with pytest.raises(RateLimited):
        await store.flow.today({})
    with pytest.raises(RateLimited):
        await store.flow.today({})
    assert store.asked() == Counter()


async def test_a_timeout_is_reported_as_one(open_store: Open, make_client: MakeClient) -> None:
    store = await open_store()
    store.cloud.faults.add("silent", times=None)
    client = make_client(store.cloud, timeout_s=0.3, clock=store.moment.client_clock())
    flow = CustomerFlow(client, store.table, store.supervisor, default_shop=SHOP)
    with pytest.raises(PeerTimeout):
        await flow.today({})
    await flow.close()


async def test_without_credentials_nothing_is_sent(open_store: Open, make_client: MakeClient) -> None:
    store = await open_store()
    client = make_client(store.cloud, secret_key="")
    flow = CustomerFlow(client, store.table, store.supervisor, default_shop=SHOP)
    with pytest.raises(Conflict, match="credentials"):
        await flow.today({})
    await flow.close()


async def test_days_that_no_response_can_cover_are_refused(open_store: Open) -> None:
    store = await open_store()
    refused = {
        (date(2026, 11, 2), date(2026, 11, 1)): "to: must not be before from",
        (date(2025, 1, 1), date(2026, 11, 1)): "to: must be at most 12 months after from",
        (date(1, 1, 1), date(1, 1, 1)): "from: must be a day of the years 2000 to 2100",
        (date(9999, 12, 31), date(9999, 12, 31)): "to: must be a day of the years 2000 to 2100",
    }
    for (first, last), reason in refused.items():
        with pytest.raises(InvalidRequest, match=reason):
            await store.history(first, last)
    await store.history()
    with pytest.raises(InvalidRequest, match="to: lies in the future"):
        await store.history(NOON.date(), NOON.date() + timedelta(days=2))


async def test_shops_are_checked_and_kept_apart(open_store: Open, make_client: MakeClient) -> None:
    store = await open_store(min_interval_s=60)
    newer = await store.flow.today({"sunmi_shop_no": "100000010096"})
    assert (newer["shop_id"], newer["sunmi_shop_no"]) == (None, "100000010096")
    assert (await store.flow.today({"shop_id": "", "sunmi_shop_no": ""}))["shop_id"] == "10096"
    with pytest.raises(InvalidRequest, match="give one of them"):
        await store.flow.today({"sunmi_shop_no": "1", "shop_id": "2"})
    with pytest.raises(InvalidRequest, match="shop_id: must have at most 64 characters"):
        await store.flow.today({"shop_id": "7" * 65})
    with pytest.raises(InvalidRequest, match="shop_id: is required"):
        await CustomerFlow(make_client(store.cloud), store.table, store.supervisor, default_shop={}).today({})


async def test_a_wrong_clock_changes_nothing_that_is_cached(open_store: Open) -> None:
    store = await open_store()
    fetched = await store.history()
    await store.cloud.stop()
    store.moment.now = datetime.fromtimestamp(0, UTC)
    store = await open_store(running_s=3600)  # a Pi in 1970, which no cloud has told the time
    kept = await store.history()
    assert (kept["source"], kept["days"], kept["final"]) == ("cache", fetched["days"], True)
    assert kept["age_s"] == pytest.approx(3600, abs=TIME_LIMIT_S)


async def test_callers_of_the_same_days_share_one_fetch(open_store: Open) -> None:
    store = await open_store(min_interval_s=60)
    store.cloud.faults.latency_s = 0.2
    answers = await asyncio.gather(*(store.history() for _ in range(10)))
    assert set(store.asked().values()) == {1}
    assert {answer["total"] for answer in answers} == {answers[0]["total"]}
