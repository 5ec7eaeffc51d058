"""The mirror: what a list says comes into effect at the cloud, once, whatever happens in between."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.errors import Conflict
from gateway.products.list_check import ListKind
from gateway.products.mirror import ProductMirror
from gateway.products.product_table import SettledChange
from gateway.settings import load_settings
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.store import SimulatedStore

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def product(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"{number:04}", "name": f"Cola {number}", "price": Decimal("3.20"), **fields}


class Shop:
    """A gateway beside a simulated cloud; it can be started again."""

    def __init__(self, store: SimulatedStore, file: Path) -> None:
        self.store = store
        self._file = file
        self.gateway: Gateway

    async def open(self) -> None:
        self.gateway = await Gateway.open(load_settings(self._file))
        self.gateway.outbox_worker.start()
        self.gateway.system_events.start()
        self.gateway.products.start()

    async def close(self) -> None:
        await self.gateway.close()

    @property
    def database(self) -> Path:
        return self.gateway.directory.database

    @property
    def mirror(self) -> ProductMirror:
        return self.gateway.products

    @property
    def cloud(self) -> SimulatedCloud:
        return self.store.cloud

    @property
    def products(self) -> dict[str, dict[str, Any]]:
        """What the cloud has."""
        return self.cloud.state.shops[self.store.shop_id].products

    async def take(self, *products: dict[str, Any], kind: ListKind = "complete", confirmed: bool = True) -> None:
        await self.mirror.take(products, kind, source="till", confirmed=confirmed)

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while (await self.mirror.table.count()).keys() & {"open", "sent"}:
            await asyncio.sleep(0.01)

    async def count_items(self, path: str) -> int:
        """Return how many outbox items an endpoint was given."""
        return sum(one.items for one in await self.gateway.outbox.counts() if one.path == path)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with SimulatedStore(cameras=1) as store:
        file = tmp_path / "gateway.toml"
        file.write_text(
            f'{store.settings_toml(tmp_path)}\n[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8"
        )
        shop = Shop(store, file)
        await shop.open()
        yield shop
        await shop.close()


async def test_a_first_list_is_created_and_a_second_changes_what_differs(shop: Shop) -> None:
    await shop.take(*(product(number) for number in range(1200)))
    await shop.settle()
    assert len(shop.products) == 1200
    assert shop.products["0007"]["name"] == "Cola 7"
    await shop.take(
        *(product(number, price=Decimal("2.90") if number < 12 else Decimal("3.20")) for number in range(1200))
    )
    await shop.settle()
    assert str(shop.products["0007"]["price"]) == "2.90"
    assert await shop.count_items("product/update") == 12


async def test_products_that_a_complete_list_leaves_out_are_deleted(shop: Shop) -> None:
    await shop.take(product(1), product(2))
    await shop.take(product(2), kind="partial")
    await shop.settle()
    assert set(shop.products) == {"0001", "0002"}
    await shop.take(product(2), kind="complete")
    await shop.settle()
    assert set(shop.products) == {"0002"}
    assert await shop.mirror.table.get("0001") is None


async def test_fields_that_are_not_named_stay_in_a_change(shop: Shop) -> None:
    await shop.take(product(1, unit="can", brand="SUNMI"))
    await shop.take({"id": "0001", "price": Decimal("9.90"), "brand": ""}, kind="fields")
    await shop.settle()
    kept = shop.products["0001"]
    assert (kept["unit"], str(kept["price"]), kept.get("brand", "")) == ("can", "9.90", "")
    stored = await shop.mirror.table.get("0001")
    assert stored is not None
    assert stored.confirmed == {"id": "0001", "name": "Cola 1", "unit": "can", "price": Decimal("9.90")}


async def test_a_product_that_was_deleted_at_the_vendors_site_comes_back_whole_with_a_new_name(shop: Shop) -> None:
    await shop.take(product(1, unit="can", brand="SUNMI"))
    await shop.settle()
    shop.products.pop("0001")
    await shop.take(product(1, unit="can", brand="SUNMI", name="Cola light"))
    await shop.settle()
    assert shop.products["0001"]["brand"] == "SUNMI", "the update with a name has created it"
    assert shop.products["0001"]["name"] == "Cola light"


async def test_a_list_that_deletes_many_or_changes_prices_by_much_is_confirmed_first(shop: Shop) -> None:
    await shop.take(*(product(number) for number in range(10)))
    with pytest.raises(Conflict, match="would delete products: 1 of 10"):
        await shop.take(*(product(number) for number in range(9)), confirmed=False)
    with pytest.raises(Conflict, match=r"0003 from 3.20 to 0.32"):
        await shop.take(product(3, price=Decimal("0.32")), kind="partial", confirmed=False)
    await shop.take(product(3, price=Decimal("4.80")), kind="partial", confirmed=False)
    await shop.settle()
    assert (len(shop.products), str(shop.products["0003"]["price"])) == (10, "4.80")


async def test_only_the_newest_of_many_lists_is_sent_after_the_cloud_was_away(shop: Shop) -> None:
    await shop.take(product(1))
    await shop.settle()
    await shop.cloud.stop()
    for cents in range(50):
        await shop.take(product(1, price=Decimal(cents) / 100))
    await shop.cloud.start()
    await shop.settle()
    assert str(shop.products["0001"]["price"]) == "0.49"
    assert 1 <= await shop.count_items("product/update") <= 2


async def test_a_refused_product_says_why_and_is_sent_again_with_the_next_list(shop: Shop) -> None:
    await shop.take(product(1), product(2, seq_num="x"))
    await shop.settle()
    del shop.products["0001"]
    await shop.take(product(1, price=Decimal(4)), product(2, seq_num="x"))
    await shop.settle()
    assert str(shop.products["0001"]["price"]) in ("4", "4.00")  # the cloud did not know it: it was created again


async def test_what_was_on_its_way_is_taken_up_after_a_restart(shop: Shop) -> None:
    await shop.cloud.stop()
    await shop.take(product(1), product(2))
    await shop.close()
    await shop.open()
    await shop.take(product(1, price=Decimal(5)))
    await shop.close()
    await shop.cloud.start()
    await shop.open()
    await shop.settle()
    assert set(shop.products) == {"0001"}
    assert Decimal(shop.products["0001"]["price"]) == 5


async def test_a_creation_that_may_have_arrived_leaves_no_field_behind(shop: Shop) -> None:
    """A crash between outbox and mirror, and then a list without one of the product's fields."""
    await shop.cloud.stop()
    await shop.take(product(1, unit="can", promote_price=Decimal(2)))
    while (await shop.mirror.table.count()).get("sent") != 1:
        await asyncio.sleep(0.01)
    await shop.close()
    with contextlib.closing(sqlite3.connect(shop.database)) as connection, connection:
        connection.execute("UPDATE product SET item = NULL, wanted = json_remove(wanted, '$.unit', '$.promote_price')")
    await shop.cloud.start()
    await shop.open()
    await shop.settle()
    assert shop.products["0001"].get("unit", "") == ""
    assert Decimal(shop.products["0001"]["promote_price"]) == Decimal("3.20")


async def test_what_the_outbox_may_have_is_handed_over_again(shop: Shop) -> None:
    """A crash between outbox and mirror: the product is in the outbox, and the mirror does not know it."""
    await shop.cloud.stop()
    await shop.take(product(1), product(2))
    while (await shop.mirror.table.count()).get("sent") != 2:
        await asyncio.sleep(0.01)
    await shop.close()
    with contextlib.closing(sqlite3.connect(shop.database)) as connection, connection:
        connection.execute("UPDATE product SET item = NULL")
    await shop.cloud.start()
    await shop.open()
    await shop.take(product(1))
    await shop.settle()
    assert set(shop.products) == {"0001"}
    assert await shop.mirror.table.get("0002") is None


async def test_a_list_that_comes_while_a_product_is_settled_is_not_forgotten(shop: Shop) -> None:
    await shop.take(product(1))
    await shop.settle()
    stored = await shop.mirror.table.get("0001")
    assert stored is not None
    await shop.take()  # it is to be deleted; meanwhile a list brings it back
    gone = SettledChange(stored.number, stored.revision + 1, "settled", None, {})
    await shop.take(product(1, price=Decimal(4)))
    await shop.mirror.table.store_settled([gone], now=0)
    shop.mirror.resume()
    await shop.settle()
    assert Decimal(shop.products["0001"]["price"]) == 4


async def test_prices_that_came_into_effect_are_kept(shop: Shop) -> None:
    for price in ("1.00", "2.00", "3.00"):
        await shop.take(product(1, price=Decimal(price)))
        await shop.settle()
    stored = await shop.mirror.table.get("0001")
    assert stored is not None
    prices = await shop.mirror.table.list_prices(stored.number)
    assert [str(entry.value) for entry in prices] == ["3.00", "2.00", "1.00"]
