"""Any sequence of lists, changes, refusals and restarts ends with the cloud equal to what was wanted last."""

import os
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator.store import SimulatedStore
from tests.products.test_mirror import Shop

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

FULL = os.environ.get("FULL_PROOFS") == "1"
FIELDS = ("unit", "brand", "spec")


def comparable(item: dict[str, Any]) -> dict[str, Any]:
    """Return a product in a form that does not depend on how numbers are written."""
    return {
        name: Decimal(str(value)) if "price" in name else str(value)
        for name, value in item.items()
        if value not in (None, "")
    }


class Model:
    """What the cloud has to have in the end."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.wanted: dict[str, dict[str, Any]] = {}

    def make_product(self) -> dict[str, Any]:
        choose = self.random
        made: dict[str, Any] = {
            "id": f"{choose.randrange(12):03}",
            "name": choose.choice(("Cola", "可乐", "Tee")),
            "price": Decimal(choose.randrange(1, 999)) / 100,
        }
        made.update({name: choose.choice("abc") for name in FIELDS if choose.random() < 0.4})
        return made

    def make_list(self) -> list[dict[str, Any]]:
        products = {made["id"]: made for made in (self.make_product() for _ in range(self.random.randrange(1, 9)))}
        return list(products.values())


class Run:
    """One sequence of steps against a gateway."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.model = Model(seed)
        self.is_up = True
        self.steps: dict[str, Callable[[], Any]] = {
            "complete": self.complete,
            "partial": self.partial,
            "fields": self.change_fields,
            "restart": self.restart,
            "cloud": self.turn_cloud,
            "lost": self.lose_product,
            "wait": self.wait,
        }

    async def complete(self) -> None:
        products = self.model.make_list()
        await self.shop.take(*products)
        self.model.wanted = {one["id"]: one for one in products}

    async def partial(self) -> None:
        products = self.model.make_list()
        await self.shop.take(*products, kind="partial")
        self.model.wanted.update({one["id"]: one for one in products})

    async def change_fields(self) -> None:
        if not self.model.wanted:
            return
        product_id = self.model.random.choice(sorted(self.model.wanted))
        change = {"id": product_id, "price": Decimal(self.model.random.randrange(1, 999)) / 100, "brand": ""}
        await self.shop.take(change, kind="fields")
        merged = {**self.model.wanted[product_id], **change}
        self.model.wanted[product_id] = {name: value for name, value in merged.items() if value != ""}

    async def restart(self) -> None:
        await self.shop.close()
        await self.shop.open()

    async def turn_cloud(self) -> None:
        await (self.shop.cloud.stop() if self.is_up else self.shop.cloud.start())
        self.is_up = not self.is_up

    async def lose_product(self) -> None:
        """Somebody deletes a product at the vendor's site; its next change finds out."""
        if self.shop.products:
            product_id = self.model.random.choice(sorted(self.shop.products))
            self.shop.products.pop(product_id)
            if product_id in self.model.wanted:
                price = Decimal(self.model.random.randrange(1000, 2000)) / 100
                await self.shop.take({"id": product_id, "price": price}, kind="fields")
                self.model.wanted[product_id]["price"] = price

    async def wait(self) -> None:
        if self.is_up:
            await self.shop.settle()

    async def play(self, steps: int) -> None:
        for _ in range(steps):
            await self.steps[self.model.random.choice(list(self.steps))]()
        if not self.is_up:
            await self.turn_cloud()
        await self.shop.settle()
        reconciler = self.shop.gateway.reconciler
        result = {product_id: comparable(item) for product_id, item in self.shop.products.items()}
        assert result == {product_id: comparable(item) for product_id, item in self.model.wanted.items()}
        assert reconciler.last.state == "never"


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 300)
async def test_the_cloud_ends_as_the_last_lists_want_it(tmp_path: Path) -> None:
    runs, steps = (300, 40) if FULL else (8, 25)
    first = int(os.environ.get("PROOF_SEED", "1"))
    for seed in range(first, first + runs):
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with SimulatedStore(cameras=1) as store:
            file = folder / "gateway.toml"
            file.write_text(
                f'{store.settings_toml(folder)}\n[storage]\ndirectory = "{folder}/state"\n', encoding="utf-8"
            )
            shop = Shop(store, file)
            await shop.open()
            try:
                await Run(shop, seed).play(steps)
            finally:
                await shop.close()
    print(f"products: {runs} sequences of {steps} lists, changes, losses and restarts ended as wanted")  # noqa: T201
