"""A head office for the tests of a file, and gateways that are linked to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.api.fleet_actions import FleetActions
from gateway.app import Gateway
from gateway.fleet import desired_follower, link
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings, Settings, StorageSettings
from tests.fleet.cluster import HeadOffice
from tests.fleet.desired_shop import DesiredShop

SHOPS = tuple(f"shop-{number}" for number in range(1, 13))
Open = Callable[[FleetSettings], Awaitable[Gateway]]


@pytest.fixture(scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[HeadOffice]:
    """Run one node, or as many as the file wants with `NODES`. Each test takes a shop of its own."""
    nodes = getattr(request.module, "NODES", 1)
    office = HeadOffice(tmp_path_factory.mktemp("office"), *SHOPS, nodes=nodes)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()


@pytest.fixture
async def open_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Start gateways, one after the other, on the same state directory. They hear no other gateway of the shop."""
    monkeypatch.setattr(link, "LISTEN_S", 0.0)
    opened: list[Gateway] = []

    async def start(fleet: FleetSettings) -> Gateway:
        settings = Settings(
            storage=StorageSettings(directory=str(tmp_path / "state")),
            discovery=DiscoverySettings(interfaces=["lo"], interval_s=0),
            fleet=fleet,
        )
        gateway = await Gateway.open(settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05))
        opened.append(gateway)
        await gateway.start(port=1, https_port=0)
        if fleet.servers:
            gateway.start_fleet_link(FleetActions(gateway))
        return gateway

    yield start
    for gateway in opened:
        await gateway.close()


@pytest.fixture
async def shop(
    office: HeadOffice, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DesiredShop]:
    """Make the shop that `for_shop` names. It follows the head office without the pauses of a real one."""
    monkeypatch.setattr(link, "LISTEN_S", 0.0)
    monkeypatch.setattr(desired_follower, "MIN_RUN_S", 0.0)
    monkeypatch.setattr(desired_follower, "SPREAD_S", 0.01)
    monkeypatch.setattr(desired_follower, "SPREAD_OF_MANY_S", 0.01)
    made = DesiredShop(tmp_path, office, *request.param)
    yield made
    await made.stop()
