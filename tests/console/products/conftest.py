"""A gateway whose products the tests of a module share: each has products of its own."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.app import Gateway
from gateway.products.list_intake import ListOptions
from gateway.simulator.store import SimulatedStore
from tests.console.shared_shop import console, open_gateway, store  # noqa: F401  fixtures


@pytest.fixture(scope="module")
async def gateway(
    store: SimulatedStore,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Gateway]:
    opened = await open_gateway(store, tmp_path_factory.mktemp("shop"))
    yield opened
    await opened.close()


async def settle(gateway: Gateway) -> None:
    """Wait until the cloud has what the lists say, or has refused it."""
    while {"open", "sent"} & (await gateway.products.table.count()).keys():
        await asyncio.sleep(0.01)


async def take(gateway: Gateway, rows: str, source: str = "") -> None:
    """Take products as a list has them: what is in the mirror already stays."""
    options = ListOptions(kind="partial", source=source, confirmed=True)
    await gateway.product_lists.take(rows.encode(), options)
    await settle(gateway)
