"""A shop with two products and shelf labels, and its console."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.app import Gateway
from gateway.labels.label import StoredLabel
from gateway.products.list_intake import ListOptions
from gateway.simulator.store import SimulatedStore
from tests.console.shared_shop import console, open_gateway, store  # noqa: F401  fixtures

CHINESE = {"Accept-Language": "zh-CN"}


@pytest.fixture(scope="module")
async def gateway(
    store: SimulatedStore,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    opened = await open_gateway(store, tmp_path_factory.mktemp("shelf"))
    opened.system_events.start()
    opened.labels.start()
    rows = "id,name,price,bar_code\nL-1,Lemonade 柠檬,3.2,6901234567892\nL-2,Ginger ale <b>,2,6901234567893\n"
    await opened.product_lists.take(rows.encode(), ListOptions(kind="complete", confirmed=True))
    yield opened
    await opened.close()


async def show(gateway: Gateway, name: str, product_id: str, *, model: str = "") -> StoredLabel:
    """Have a label show a product, and wait until it does, or has failed."""
    await gateway.labels.updater.show_product(name, product_id=product_id, template="price", model=model)
    return await settle(gateway, name)


async def settle(gateway: Gateway, name: str) -> StoredLabel:
    while True:
        label = await gateway.labels.table.get(name)
        assert label is not None
        if label.state in ("shown", "failed") and not label.is_stale:
            return label
        await asyncio.sleep(0.02)
