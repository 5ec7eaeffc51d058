"""Quiet on the card: what is merely seen, read or repeated writes nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cameras import write_behind
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.search import find

FLOW = "/api/v1/flow/today"
STORE_INTERVAL_S = 0.05


def written(gateway: Gateway) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file of the state."""
    files = [one for one in gateway.directory.path.rglob("*") if one.is_file() and not one.name.endswith("-shm")]
    return {str(one): (one.stat().st_size, one.stat().st_mtime_ns) for one in files}


@pytest.fixture
def stored_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let changes of cameras wait for an instant only until they are stored."""
    monkeypatch.setattr(write_behind, "STORE_INTERVAL_S", STORE_INTERVAL_S)


@pytest.mark.usefixtures("stored_soon")
async def test_nothing_is_written_when_nothing_changes(
    gateway: Gateway, store: SimulatedStore, ours: SimulatedCamera, pos: Any, admin: Any
) -> None:
    async def see_read_and_repeat() -> None:
        await find(gateway, store.cameras)
        for one in (pos, admin):
            for path in ("status", "cameras", "events", "outbox", "catalogue", "webhooks"):
                assert (await one("GET", f"/api/v1/{path}")).status in (200, 403)
        assert (await pos("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})).status == 200
        assert (await pos("GET", FLOW)).status == 200
        await asyncio.sleep(2 * STORE_INTERVAL_S)

    await gateway.start(port=1, https_port=0)
    quiet_rounds = 0
    for _ in range(40):  # what is new at the start is written once, however long that takes
        commits, files = gateway.database.commits, written(gateway)
        await see_read_and_repeat()
        quiet_rounds = quiet_rounds + 1 if (gateway.database.commits, written(gateway)) == (commits, files) else 0
        if quiet_rounds == 4:
            break
    assert quiet_rounds == 4
    assert {Path(name).name for name in files} >= {"gateway.db", "gateway.db-wal"}
    renamed = await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/updateName", {"name": "By the door"})
    assert renamed.status == 200
    assert gateway.database.commits > commits
    assert written(gateway) != files
