"""A simulated cloud, and clients of it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.cloud.client import CloudClient
from gateway.runtime.clock import PeerClock
from gateway.settings import CloudSettings
from gateway.simulator.account import ACCOUNTS, SHOPS
from gateway.simulator.cloud import SimulatedCloud

MakeClient = Callable[..., CloudClient]


@pytest.fixture
async def simulated() -> AsyncIterator[SimulatedCloud]:
    cloud = SimulatedCloud()
    await cloud.start()
    yield cloud
    await cloud.stop()


@pytest.fixture
async def make_client(tmp_path: Path) -> AsyncIterator[MakeClient]:
    """Make clients of a simulated cloud; settings may be changed by name."""
    made: list[CloudClient] = []

    def make(
        simulated: SimulatedCloud, *, timeout_s: float = 5, clock: PeerClock | None = None, **changed: str
    ) -> CloudClient:
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(simulated.ca_pem)
        app_id, secret_key = next(iter(ACCOUNTS.items()))
        given = {"base_url": simulated.base_url, "ca_file": str(ca_file), "app_id": app_id, "secret_key": secret_key}
        settings = CloudSettings.model_validate(given | {"shop_id": next(iter(SHOPS))} | changed)
        made.append(CloudClient(settings, clock or PeerClock(), timeout_s=timeout_s))
        return made[-1]

    yield make
    for one in made:
        await one.close()
