"""Quiet on the card: what is merely seen, read or repeated writes nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore

FLOW = "/api/v1/flow/today"


def written(gateway: Gateway) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file of the state."""
    files = [one for one in gateway.directory.path.rglob("*") if one.is_file() and not one.name.endswith("-shm")]
    return {str(one): (one.stat().st_size, one.stat().st_mtime_ns) for one in files}


async def settled(gateway: Gateway) -> None:
    """Wait, at most 20 seconds, until what was changed is stored: for seven seconds nothing was written."""
    while True:
        before = gateway.database.commits
        await asyncio.sleep(7)
        if gateway.database.commits == before:
            return


@pytest.fixture
async def calm(gateway: Gateway, ours: SimulatedCamera, pos: Any, admin: Any) -> Gateway:
    """Return a gateway that runs, has found its cameras, and has stored what it found."""
    await gateway.start(port=1, https_port=0)
    await gateway.discovery.scan(timeout_s=0.5)
    for one in (pos, admin):
        assert (await one("GET", "/api/v1/status")).status == 200
    assert (await pos("GET", FLOW)).status == 200
    await settled(gateway)
    return gateway


async def test_nothing_is_written_when_nothing_changes(
    calm: Gateway, store: SimulatedStore, ours: SimulatedCamera, pos: Any, admin: Any
) -> None:
    commits, files = calm.database.commits, written(calm)
    assert {Path(name).name for name in files} >= {"gateway.db", "gateway.db-wal"}
    for _ in range(4):
        found = await calm.discovery.scan(timeout_s=1.5)
        assert len({device.sn for device in found.devices}) == len(store.cameras)
        for one in (pos, admin):
            for path in ("status", "cameras", "events", "outbox", "catalogue", "webhooks"):
                assert (await one("GET", f"/api/v1/{path}")).status in (200, 403)
        assert (await pos("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})).status == 200
        assert (await pos("GET", FLOW)).status == 200
    await asyncio.sleep(6)  # changes of cameras are gathered for five seconds
    assert calm.database.commits == commits
    assert written(calm) == files
    renamed = await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/updateName", {"name": "By the door"})
    assert renamed.status == 200
    assert calm.database.commits > commits
    assert written(calm) != files
