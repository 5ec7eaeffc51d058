"""A gateway whose products the tests of a module share: each has products of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.products.list_intake import ListOptions
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture(scope="module")
async def gateway(store: SimulatedStore, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("shop")
    file = folder / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    opened.outbox_worker.start()
    opened.products.start()
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def console(gateway: Gateway) -> AsyncIterator[Console]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Console(gateway, urls[0], http)


async def settle(gateway: Gateway) -> None:
    """Wait until the cloud has what the lists say, or has refused it."""
    while {"open", "sent"} & (await gateway.products.table.count()).keys():
        await asyncio.sleep(0.01)


async def take(gateway: Gateway, rows: str, source: str = "") -> None:
    """Take products as a list has them: what is in the mirror already stays."""
    options = ListOptions(kind="partial", source=source, confirmed=True)
    await gateway.product_lists.take(rows.encode(), options)
    await settle(gateway)
