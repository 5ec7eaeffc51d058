"""A simulated store whose time is fixed, and a gateway that the cloud has told it."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from gateway import RELEASED_AT
from gateway.app import Gateway
from gateway.simulator.store import SimulatedStore

NOW: Final = int(RELEASED_AT) + 100 * 86400
"""The time, in Unix seconds."""


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=3, clock=lambda: NOW) as simulated:
        yield simulated


@pytest.fixture(autouse=True)
def clock(gateway: Gateway) -> None:
    """Let the cloud have told the gateway the time."""
    gateway.cloud.clock.set(NOW)
