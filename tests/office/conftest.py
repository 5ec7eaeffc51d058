"""A head office with one server for the tests of a file."""

from collections.abc import AsyncIterator

import pytest

from tests.fleet.cluster import HeadOffice


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[HeadOffice]:
    office = HeadOffice(tmp_path_factory.mktemp("office"), "shop-1", "shop-2", "shop-3", nodes=1)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()
