"""Any sequence of lists, changes, failures and restarts ends with every label right; unchanged ones are left alone."""

import os
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from gateway.labels.draw import draw_label
from gateway.labels.fonts import load_fonts
from gateway.labels.models import LABEL_MODELS
from gateway.labels.product_content import make_content
from gateway.labels.template import load_included_templates
from tests.labels.shelf import Shelf, product

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

FULL = os.environ.get("FULL_PROOFS") == "1"
RUNS, STEPS = (100, 40) if FULL else (4, 25)
LABELS, ACCESS_POINTS = (1000, 20) if FULL else (100, 5)
MODELS = sorted(LABEL_MODELS)
PRODUCTS = 6


class Run:
    """One sequence of steps against a gateway."""

    def __init__(self, shelf: Shelf, seed: int) -> None:
        self.shelf = shelf
        self.random = random.Random(seed)
        self.is_up = True
        self.products = {number: product(number) for number in range(PRODUCTS)}
        self.bound: dict[str, tuple[int, str]] = {}
        self.steps: tuple[Callable[[], Any], ...] = (
            self.change_prices, self.change_prices, self.bind, self.restart, self.turn_cloud, self.fail, self.verify,
            self.wait,
        )  # fmt: skip
        shop = shelf.store.cloud.state
        shop.add_access_point(shelf.store.shop_id, sn="B201E95D00001")
        self.models = {f"SLMODEL{number}": MODELS[number % len(MODELS)] for number in range(8)}
        for code, model in self.models.items():
            shop.add_label(shelf.store.shop_id, code=code, model=model)

    async def change_prices(self) -> None:
        for number in self.random.sample(range(PRODUCTS), 2):
            self.products[number] = product(number, price=Decimal(self.random.randrange(100, 999)) / 100)
        await self.shelf.take(*self.products.values())

    async def bind(self) -> None:
        code = self.random.choice(sorted(self.models))
        number, template = self.random.randrange(PRODUCTS), self.random.choice(["price", "sold_out"])
        await self.shelf.show(code, number, model=self.random.choice(["", self.models[code]]), template=template)
        self.bound[code] = number, template

    async def restart(self) -> None:
        await self.shelf.restart()

    async def turn_cloud(self) -> None:
        await (self.shelf.store.cloud.stop() if self.is_up else self.shelf.store.cloud.start())
        self.is_up = not self.is_up

    async def fail(self) -> None:
        """Let the next pictures of a label fail."""
        for label in self.shelf.labels.values():
            label.failures = int(label.code == self.random.choice(sorted(self.models)))

    async def verify(self) -> None:
        await self.shelf.gateway.labels.updater.verify()

    async def wait(self) -> None:
        if self.is_up:
            await self.settle()

    async def settle(self) -> None:
        await self.shelf.until(lambda labels: all(label.state == "shown" and not label.is_stale for label in labels))

    async def play(self, steps: int) -> None:
        await self.change_prices()
        for _ in range(steps):
            await self.random.choice(self.steps)()
        if not self.is_up:
            await self.turn_cloud()
        await self.settle()
        expected = {
            code: draw_label(
                load_included_templates()[template],
                LABEL_MODELS[self.models[code]],
                make_content(self.products[number]),
                load_fonts(),
            ).pixel_hash
            for code, (number, template) in self.bound.items()
        }
        assert {code: self.shelf.labels[code].shown_hash for code in self.bound} == expected


@pytest.mark.timeout(7200 if FULL else 300)
@pytest.mark.parametrize("seed", range(1, RUNS + 1))
async def test_every_label_ends_right(shelf: Shelf, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.labels.confirmation.CLOUD_RETRY_S", 0.05)
    await Run(shelf, seed).play(STEPS)


@pytest.mark.timeout(1800)
async def test_a_whole_shop_follows_a_price_list(shelf: Shelf) -> None:
    cloud = shelf.store.cloud.state
    for number in range(ACCESS_POINTS):
        cloud.add_access_point(shelf.store.shop_id, sn=f"B201E95D{number:05}")
    codes = {cloud.add_label(shelf.store.shop_id, model=MODELS[number % 5]).code: number for number in range(LABELS)}
    await shelf.take(*(product(number) for number in range(LABELS)))
    for code, number in codes.items():
        await shelf.show(code, number, model="")
    first = {one.name: one.shown_hash for one in await shelf.settle()}
    changed = set(range(0, LABELS, 2))
    pushed = await shelf.count_pushes()
    await shelf.take(
        *(product(number, price=Decimal("1.99") if number in changed else Decimal("3.20")) for number in range(LABELS))
    )
    labels = await shelf.settle()
    assert {one.state for one in labels} == {"shown"}
    assert {codes[one.name] for one in labels if one.shown_hash != first[one.name]} == changed
    assert await shelf.count_pushes() == pushed + len(changed), "what looks the same is not pushed"
    assert {one.esl_code: one.shown_hash for one in labels} == {code: shelf.labels[code].shown_hash for code in codes}
    print(f"shelf: {LABELS} labels at {ACCESS_POINTS} access points followed a list, {len(changed)} of them pushed")  # noqa: T201
