"""A gateway with shelf labels beside a simulated cloud."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway import RELEASED_AT
from gateway.app import Gateway
from gateway.events.event import Event
from gateway.labels.label import StoredLabel
from gateway.labels.label_table import LabelTable
from gateway.outbox.item import OutboxItem
from gateway.products.schedule_table import TimedPrice
from gateway.settings import load_settings
from gateway.simulator.cloud_state import ShelfLabel
from gateway.simulator.store import SimulatedStore

START = int(RELEASED_AT) + 100 * 86400
HOUR, DAY = 3600, 86400
CODE = "SKDI39DN"


def product(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"{number:04}", "name": f"Cola {number}", "price": Decimal("3.20"), **fields}


class Shelf:
    """A gateway beside a simulated cloud with shelf labels; it can be started again, and the test tells the time."""

    def __init__(self, file: Path) -> None:
        self.store: SimulatedStore
        self.gateway: Gateway
        self.ahead_s = START - time.monotonic()
        self.file = file

    def clock(self) -> float:
        """Return the time at the cloud, in Unix seconds."""
        return time.monotonic() + self.ahead_s

    async def open(self) -> None:
        """Start the gateway, which does not know the time before the cloud has answered."""
        self.gateway = await Gateway.open(load_settings(self.file))
        self.gateway.outbox_worker.start()
        self.gateway.system_events.start()
        self.events: list[Event] = []
        self.gateway.event_log.subscribe(self.events.extend)
        self.gateway.products.start()
        self.gateway.labels.confirmation.first_delay_s = 0.05
        self.gateway.labels.confirmation.retry_delay_s = 0.1
        self.gateway.labels.start()

    async def restart(self) -> None:
        await self.gateway.close()
        await self.open()

    async def let_pass(self, seconds: float) -> None:
        """Let time pass, at the cloud and for the gateway."""
        self.ahead_s += seconds
        self.gateway.clock.set(self.clock())

    async def event(self, name: str) -> dict[str, Any]:
        """Return what the first event of a type says since the gateway was opened, once there is one."""
        while not (found := [one for one in self.events if one.type == name]):
            self.gateway.labels.updater.wake()
            await asyncio.sleep(0.02)
        data: dict[str, Any] = json.loads(found[0].data)
        return data

    async def picture(self, code: str) -> bytes:
        picture = await self.table.get_picture((await self.label(code)).number)
        assert picture is not None
        return picture

    @property
    def table(self) -> LabelTable:
        return self.gateway.labels.table

    @property
    def labels(self) -> dict[str, ShelfLabel]:
        """The labels of the shop at the cloud, by code."""
        return {label.code: label for label in self.store.cloud.state.shops[self.store.shop_id].labels.values()}

    async def take(self, *products: dict[str, Any], timed: Sequence[TimedPrice] = ()) -> None:
        await self.gateway.products.take(products, "complete", source="till", confirmed=True, timed=timed)

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
        """Wait until no label waits for anything but a person."""
        return await self.until(
            lambda labels: all(
                label.state == "failed" or (label.state in ("shown", "vendor") and not label.is_stale)
                for label in labels
            )
        )

    @property
    def database(self) -> Path:
        return self.gateway.directory.database

    async def count_pushes(self) -> int:
        """Return how many pictures the outbox was given."""
        return sum(one.items for one in await self.gateway.outbox.counts() if one.path == "device/esl/pushImage")


async def list_pushes(shelf: Shelf) -> list[OutboxItem]:
    items, _ = await shelf.gateway.outbox.list_items(limit=500)
    return [item for item in items if item.path == "device/esl/pushImage"]
