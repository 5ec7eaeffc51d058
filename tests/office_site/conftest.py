"""One chain for all tests of a file, and a head office that serves it."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import SHOPS_OF_CHAIN, Visitor, connect_shops, enrol_all, visit


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HeadOffice]:
    office = HeadOffice(tmp_path_factory.mktemp("office"), *SHOPS_OF_CHAIN, nodes=1)
    try:
        await office.start()
        await enrol_all(office)
        yield office
    finally:
        await office.stop()


@pytest.fixture(scope="module")
async def shops(office: HeadOffice) -> AsyncIterator[dict[str, Client]]:
    async with connect_shops(office) as clients:
        yield clients


@pytest.fixture(scope="module")
async def visitor(office: HeadOffice, shops: dict[str, Client]) -> AsyncIterator[Visitor]:
    """Give a visitor of a head office to which the shops are connected."""
    async with visit(office) as made:
        yield made
