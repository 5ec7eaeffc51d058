"""Prices for a time begin and end by themselves, by the cloud's time, and none that has ended goes out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway import RELEASED_AT
from gateway.app import Gateway
from gateway.events.event import Event
from gateway.products.product import Product
from gateway.products.schedule_table import TimedPrice
from gateway.products.timed_prices import split_times
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

START = int(RELEASED_AT) + 100 * 86400
HOUR, DAY = 3600, 86400
COLA = {"id": "1", "name": "Cola", "price": Decimal("3.20")}
ZONE = ZoneInfo("Europe/Berlin")


def cheap(begin: int, end: int | None, price: str = "2.50", field: str = "promote_price") -> TimedPrice:
    return TimedPrice("1", {field: Decimal(price)}, begin, end)


class Shop:
    """A gateway and a cloud, whose time the test tells."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = START
        self.store: SimulatedStore
        self.gateway: Gateway

    async def open(self) -> None:
        """Start the gateway, which does not know the time yet."""
        self.gateway = await Gateway.open(load_settings(self.file))
        self.gateway.outbox_worker.start()
        self.gateway.system_events.start()
        self.gateway.products.start()

    def tell(self, now: int) -> None:
        """Let it be a time, and the gateway know."""
        self.now = now
        self.gateway.clock.set(now)

    async def take(self, *timed: TimedPrice, **fields: Any) -> None:
        await self.gateway.products.take([COLA | fields], "complete", source="", confirmed=True, timed=timed)

    @property
    def prices(self) -> dict[str, str]:
        """What the cloud has."""
        product = self.store.cloud.state.shops[self.store.shop_id].products.get("1", {})
        return {name: str(product[name]) for name in ("price", "promote_price") if name in product}

    async def shows(self, price: str, promote_price: str | None = None) -> None:
        wanted = {"price": price} | ({} if promote_price is None else {"promote_price": promote_price})
        while self.prices != wanted:
            await asyncio.sleep(0.01)

    async def settle(self) -> None:
        while (await self.gateway.products.table.count()).keys() & {"open", "sent"}:
            await asyncio.sleep(0.01)

    async def wanted(self) -> dict[str, str]:
        product = await self.gateway.products.table.get("1")
        assert product is not None
        assert product.wanted is not None
        return {name: str(value) for name, value in product.wanted.items() if name.endswith("price")}

    async def waits(self) -> None:
        """Wait until a change of the product is in the outbox, and stays there."""
        while True:
            product = await self.gateway.products.table.get("1")
            if product is not None and product.state == "sent" and product.item is not None:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path / "gateway.toml")
    async with SimulatedStore(cameras=1, clock=lambda: shop.now) as shop.store:
        shop.file.write_text(
            f'{shop.store.settings_toml(tmp_path)}\n[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8"
        )
        await shop.open()
        yield shop
        await shop.gateway.close()


async def test_a_promotion_begins_and_ends_by_itself(shop: Shop) -> None:
    shop.tell(START)
    await shop.take(cheap(START + HOUR, START + DAY))
    await shop.shows("3.20")
    await shop.settle()  # else the response that is on its way tells the old time after the new one
    shop.tell(START + HOUR)
    await shop.shows("3.20", "2.50")
    await shop.settle()
    await shop.take(cheap(START + HOUR, START + DAY), price=Decimal("3.30"))
    await shop.shows("3.30", "2.50")
    assert len(await shop.gateway.products.schedule.table.list_of("1")) == 1, "the same list adds nothing"
    await shop.settle()
    shop.tell(START + DAY)
    await shop.shows("3.30", "3.30")  # the vendor knows no way to take a price away
    assert not await shop.gateway.products.schedule.table.has_any()


async def test_a_price_that_never_ends_becomes_the_usual_one(shop: Shop) -> None:
    shop.tell(START)
    await shop.take()
    await shop.gateway.products.take(
        [{"id": "1"}], "fields", source="", confirmed=True, timed=[cheap(START + 5, None, "4.00", "price")]
    )
    shop.tell(START + 60)
    await shop.shows("4.00")
    assert not await shop.gateway.products.schedule.table.has_any()
    assert '"price":4.00' in (await shop.gateway.products.table.load_wanted())["1"]


async def test_where_several_are_in_force_the_newest_wins(shop: Shop) -> None:
    shop.tell(START)
    await shop.take(cheap(0, START + DAY, "2.00"), cheap(0, START + HOUR, "1.00"))
    await shop.shows("3.20", "1.00")
    await shop.settle()  # else the response that is on its way tells the old time after the new one
    shop.tell(START + HOUR)
    await shop.shows("3.20", "2.00")
    [entry] = await shop.gateway.products.schedule.table.list_of("1")
    assert await shop.gateway.products.schedule.delete("1", entry.number)
    await shop.shows("3.20", "3.20")
    assert not await shop.gateway.products.schedule.delete("1", entry.number)


async def test_nothing_begins_before_the_cloud_has_told_the_time(shop: Shop) -> None:
    await shop.store.cloud.stop()
    await shop.take(cheap(0, START + DAY))
    for _ in range(3):
        shop.gateway.products.schedule.wake()
        await asyncio.sleep(0.01)
    assert shop.gateway.products.schedule.now is None
    assert await shop.wanted() == {"price": "3.20"}
    shop.gateway.clock.set(86400)  # 1970
    await asyncio.sleep(0.02)
    assert shop.gateway.products.schedule.now is None
    assert await shop.wanted() == {"price": "3.20"}
    await shop.store.cloud.start()
    await shop.shows("3.20", "2.50")


async def test_a_promotion_that_ended_while_the_power_was_off_never_goes_out(shop: Shop) -> None:
    shop.tell(START)
    await shop.take()
    await shop.shows("3.20")
    await shop.settle()
    await shop.store.cloud.stop()
    await shop.take(cheap(0, START + DAY))
    await shop.waits()
    assert await shop.wanted() == {"price": "3.20", "promote_price": "2.50"}
    await shop.gateway.close()
    shop.now = START + 3 * DAY
    await shop.open()
    assert await shop.wanted() == {"price": "3.20"}
    await shop.store.cloud.start()
    shop.tell(shop.now)
    await shop.settle()
    sent = [one.fields.get("product_list", "") for one in shop.store.cloud.accepted]
    assert not any("2.50" in one for one in sent)
    assert not await shop.gateway.products.schedule.table.has_any()


async def test_a_promotion_that_has_not_ended_goes_out_after_the_power_was_off(shop: Shop) -> None:
    shop.tell(START)
    await shop.take(cheap(START + DAY, START + 9 * DAY))
    await shop.shows("3.20")
    await shop.settle()
    await shop.gateway.close()
    shop.now = START + 3 * DAY
    await shop.open()
    await shop.shows("3.20", "2.50")  # it asks the cloud for the time by itself


async def test_what_ends_while_it_waits_for_the_cloud_is_taken_back(shop: Shop) -> None:
    shop.tell(START)
    await shop.take()
    await shop.shows("3.20")
    await shop.settle()
    await shop.store.cloud.stop()
    await shop.take(cheap(0, START + DAY), name="Cola 1 l")
    await shop.waits()
    shop.tell(START + DAY)
    while (await shop.wanted()) != {"price": "3.20"}:
        await asyncio.sleep(0.01)
    await shop.store.cloud.start()
    await shop.settle()
    sent = [one.fields.get("product_list", "") for one in shop.store.cloud.accepted]
    assert not any("2.50" in one for one in sent)
    assert any("Cola 1 l" in one for one in sent)


async def test_an_expired_price_that_cannot_be_replaced_is_an_alarm(shop: Shop) -> None:
    seen: list[Event] = []
    shop.gateway.event_log.subscribe(seen.extend)
    shop.tell(START)
    await shop.take(cheap(0, START + DAY))
    await shop.shows("3.20", "2.50")
    await shop.settle()
    await shop.store.cloud.stop()
    shop.gateway.products.schedule.alarm_s = 0
    shop.tell(START + DAY)
    while not (found := [one for one in seen if one.type == "products.prices_expired"]):
        shop.gateway.products.schedule.wake()
        await asyncio.sleep(0.01)
    assert "Cola" in str(found[0])
    await shop.store.cloud.start()
    await shop.shows("3.20", "3.20")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("begin", "end", "in_utc"),
    [
        ("2027-03-27T00:00", "2027-03-29T00:00", ("2027-03-26T23:00", "2027-03-28T22:00")),
        ("2027-03-28T02:30", "2027-03-28T04:00", ("2027-03-28T01:30", "2027-03-28T02:00")),
        ("2027-10-31T02:30", "2027-10-31T04:00", ("2027-10-31T00:30", "2027-10-31T03:00")),
        ("2027-10-31T02:30+08:00", "2027-10-31T04:00+08:00", ("2027-10-30T18:30", "2027-10-30T20:00")),
    ],
)
def test_times_are_those_of_the_zone_also_where_clocks_change(begin: str, end: str, in_utc: tuple[str, str]) -> None:
    product = Product(id="1", price=Decimal("2.50"), valid_from=local(begin), valid_until=local(end))
    [entry] = split_times([product], [2], ZONE).prices
    assert entry.ends_at is not None
    times = [datetime.fromtimestamp(at, UTC).isoformat()[:16] for at in (entry.begins_at, entry.ends_at)]
    assert tuple(times) == in_utc


def test_a_row_says_which_price_has_times() -> None:
    both = Product(
        id="1", name="Cola", price=Decimal("3.20"), promote_price=Decimal("2.50"), valid_until=local("2027-01-01")
    )
    split = split_times([both], [2], ZONE)
    assert split.items == [{"id": "1", "name": "Cola", "price": Decimal("3.20")}]
    assert split.prices[0].prices == {"promote_price": Decimal("2.50")}
    assert split.prices[0].begins_at == 0
    faults = split_times([both, Product(id="2", valid_from=local("2027-01-01T00:00+08:00"))], [2, 3], None).faults
    assert [(one.row, one.field) for one in faults] == [(2, "valid_until"), (3, "price")]
    assert "has no zone" in faults[0].reason
