"""The shelf: a price change is on its labels, and nothing is pushed without need."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.labels.label import StoredLabel
from gateway.labels.label_table import LabelTable
from gateway.settings import load_settings
from gateway.simulator.cloud_state import ShelfLabel
from gateway.simulator.store import SimulatedStore

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def product(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"{number:04}", "name": f"Cola {number}", "price": Decimal("3.20"), **fields}


class Shelf:
    """A gateway beside a simulated cloud with shelf labels; it can be started again."""

    def __init__(self, store: SimulatedStore, file: Path) -> None:
        self.store = store
        self._file = file
        self.gateway: Gateway

    async def open(self) -> None:
        self.gateway = await Gateway.open(load_settings(self._file))
        self.gateway.outbox_worker.start()
        self.gateway.system_events.start()
        self.gateway.products.start()
        self.gateway.labels.start()

    @property
    def table(self) -> LabelTable:
        return self.gateway.labels.table

    @property
    def labels(self) -> dict[str, ShelfLabel]:
        """The labels of the shop at the cloud, by code."""
        return {label.code: label for label in self.store.cloud.state.shops[self.store.shop_id].labels.values()}

    async def take(self, *products: dict[str, Any]) -> None:
        await self.gateway.products.take(products, "complete", source="till", confirmed=True)

    async def show(self, code: str, number: int, *, model: str = "SL121", template: str = "price") -> None:
        await self.gateway.labels.updater.show_product(code, product_id=f"{number:04}", template=template, model=model)

    async def label(self, code: str) -> StoredLabel:
        label = await self.table.get(code)
        assert label is not None
        return label

    async def until(self, is_met: Callable[[list[StoredLabel]], bool]) -> list[StoredLabel]:
        while True:
            labels, _ = await self.table.search(limit=2000)
            if is_met(labels):
                return labels
            await asyncio.sleep(0.02)

    async def settle(self) -> list[StoredLabel]:
        return await self.until(
            lambda labels: all(label.state in ("shown", "failed", "vendor") and not label.is_stale for label in labels)
        )

    async def count_pushes(self) -> int:
        return sum(one.items for one in await self.gateway.outbox.counts() if one.path == "device/esl/pushImage")


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with SimulatedStore(cameras=1) as store:
        file = tmp_path / "gateway.toml"
        file.write_text(
            f'{store.settings_toml(tmp_path)}\n[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8"
        )
        shelf = Shelf(store, file)
        await shelf.open()
        yield shelf
        await shelf.gateway.close()


async def test_a_label_is_bound_drawn_pushed_and_confirmed(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show("SKDI39DN", 1)
    [label] = await shelf.settle()
    assert (label.state, label.problem, label.model) == ("shown", "", "SL121")
    assert label.esl_id == shelf.labels["SKDI39DN"].esl_id
    assert label.shown_at is not None


async def test_a_price_change_is_pushed_and_what_looks_the_same_is_not(shelf: Shelf) -> None:
    await shelf.take(product(1), product(2))
    await shelf.show("SKDI39DN", 1)
    await shelf.show("SKDI39DM", 2)
    first = {label.name: label.shown_hash for label in await shelf.settle()}
    assert await shelf.count_pushes() == 2
    await shelf.take(product(1, price=Decimal("2.90")), product(2, seq_num="7"))
    second = {label.name: label.shown_hash for label in await shelf.settle()}
    assert await shelf.count_pushes() == 3
    assert first["SKDI39DN"] != second["SKDI39DN"]
    assert first["SKDI39DM"] == second["SKDI39DM"]
