"""A shop with two products and shelf labels, and its console."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.labels.label import StoredLabel
from gateway.products.list_intake import ListOptions
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console

CHINESE = {"Accept-Language": "zh-CN"}


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture(scope="module")
async def gateway(store: SimulatedStore, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("shelf")
    file = folder / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    opened.outbox_worker.start()
    opened.system_events.start()
    opened.products.start()
    opened.labels.start()
    rows = "id,name,price,bar_code\nL-1,Lemonade 柠檬,3.2,6901234567892\nL-2,Ginger ale <b>,2,6901234567893\n"
    await opened.product_lists.take(rows.encode(), ListOptions(kind="complete", confirmed=True))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def console(gateway: Gateway) -> AsyncIterator[Console]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Console(gateway, urls[0], http)


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
