"""The stored responses of customer flow: by account, shop and days, bounded in age and size."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.cloud.customer_flow.table import RETENTION_S, CachedResponse, FlowTable
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

SHOP = "shop_id=10096"


def kept(day: str, data: Any = None, *, fetched_s: float = 0, final: bool = True) -> CachedResponse:
    return CachedResponse(
        path="p", first_day=day, last_day=day, data=data or {"total_count": 3}, final=final, fetched_at=1795000000,
        fetched_s=fetched_s,
    )  # fmt: skip


async def days(table: FlowTable, shop: str = SHOP) -> list[str]:
    return sorted(one.first_day for one in await table.load(shop, "2000-01-01", "2100-12-31"))


async def test_responses_survive_a_restart(tmp_path: Path) -> None:
    given = kept("2026-11-20", {"total_count": "7", "share": Decimal("0.50"), "text": "小松"}, fetched_s=5.5)
    database = await Database.open(tmp_path / "gateway.db")
    await FlowTable(database, Uptime(0), account="a").save(SHOP, [given])
    await database.close()
    database = await Database.open(tmp_path / "gateway.db")
    try:
        assert await FlowTable(database, Uptime(0), account="a").load(SHOP, "2026-11-20", "2026-11-20") == [given]
    finally:
        await database.close()


async def test_only_days_within_the_range_are_found(database: Database) -> None:
    table = FlowTable(database, Uptime(0), account="a")
    present = CachedResponse(path="today", data={}, final=False, fetched_at=1, fetched_s=0)
    await table.save(SHOP, [kept("2026-11-01"), kept("2026-11-02"), kept("2026-11-03"), present])
    assert [one.first_day for one in await table.load(SHOP, "2026-11-02", "2026-11-02")] == ["2026-11-02"]
    assert await table.load(SHOP, "", "") == [present]


async def test_shops_and_accounts_are_kept_apart(database: Database) -> None:
    first, second = (FlowTable(database, Uptime(0), account=account) for account in ("uat one", "release one"))
    await first.save(SHOP, [kept("2026-11-01")])
    assert await days(first) == ["2026-11-01"]
    assert await days(first, "sunmi_shop_no=10096") == []
    assert await days(second) == []


async def test_newer_numbers_replace_older_ones(database: Database) -> None:
    table = FlowTable(database, Uptime(0), account="a")
    await table.save(SHOP, [kept("2026-11-01", final=False)])
    await table.save(SHOP, [kept("2026-11-01", {"total_count": 4})])
    [one] = await table.load(SHOP, "2026-11-01", "2026-11-01")
    assert (one.data, one.final) == ({"total_count": 4}, True)


async def test_damaged_responses_are_left_out(database: Database) -> None:
    table = FlowTable(database, Uptime(0), account="a")
    await table.save(SHOP, [kept(f"2026-11-0{number}") for number in range(1, 5)])
    await database.execute("UPDATE customer_flow SET data = '{\"count' WHERE first_day = '2026-11-01'")
    await database.execute("UPDATE customer_flow SET data = CAST(x'ff22' AS TEXT) WHERE first_day = '2026-11-02'")
    await database.execute("UPDATE customer_flow SET path = CAST(x'ff' AS TEXT) WHERE first_day = '2026-11-03'")
    assert await days(table) == ["2026-11-04"]
    await table.save(SHOP, [kept("2026-11-01")])
    assert await days(table) == ["2026-11-01", "2026-11-04"]


async def test_age_is_uptime(database: Database) -> None:
    table = FlowTable(database, Uptime(0), account="a")
    await table.save(SHOP, [kept("2024-01-01"), kept("2026-11-01", fetched_s=1000)])
    table.uptime = Uptime(RETENTION_S + 500)
    await table.save(SHOP, [kept("2026-11-02", fetched_s=RETENTION_S + 500)])
    assert await days(table) == ["2026-11-01", "2026-11-02"]


async def test_the_oldest_make_room(database: Database) -> None:
    table = FlowTable(database, Uptime(0), account="a", max_bytes=3000)
    for number in range(1, 21):
        await table.save(SHOP, [kept(f"2026-11-{number:02}", {"text": "ü" * 100}, fetched_s=number)])
    left = await days(table)
    assert left == [f"2026-11-{number:02}" for number in range(21 - len(left), 21)]
    size = sum(len("".join(one.data["text"]).encode()) for one in await table.load(SHOP, "2000-01-01", "2100-01-01"))
    assert 1000 < size < 3000
