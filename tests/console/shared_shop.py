"""A shop, and its console, that the tests of a module share: each has things of its own in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture(scope="module")
async def console(gateway: Gateway) -> AsyncIterator[Console]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Console(gateway, urls[0], http)


async def open_gateway(store: SimulatedStore, folder: Path) -> Gateway:
    """Return a gateway of the store that keeps products at the cloud as its lists want them."""
    file = folder / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    opened.outbox_worker.start()
    opened.products.start()
    return opened
