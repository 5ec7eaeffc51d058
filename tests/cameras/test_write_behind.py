"""Write-behind: when changes of cameras reach the database."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.cameras import write_behind
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.errors import StateError
from gateway.runtime.supervisor import Supervisor, TaskReport
from gateway.storage.database import Database
from tests.cameras.conftest import (
    ETHERNET,
    FS,
    HOTSPOT,
    PIN,
    SS,
    WIFI,
    Clocks,
    Reload,
    discover,
)
from tests.storage.databases import refused_writes

Written = Callable[[], Awaitable[list[tuple[str, int, int]]]]


@pytest.fixture
def written(tmp_path: Path, registry: Registry) -> Written:
    """Tell the state of the database's files, once all is stored."""

    async def files() -> list[tuple[str, int, int]]:
        await registry.flush()
        stats = [(name, (tmp_path / name).stat()) for name in ("gateway.db", "gateway.db-wal")]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]

    return files


async def storing(supervisor: Supervisor, state: str, *, failures: int) -> TaskReport:
    """Wait until the storage of cameras is in a state, having failed at least that often."""
    while True:
        (report,) = [report for report in supervisor.reports() if report.name == "camera storage"]
        if report.state == state and report.failures >= failures:
            return report
        await asyncio.sleep(0.005)


async def test_cameras_seen_again_write_nothing(
    registry: Registry, database: Database, clocks: Clocks, written: Written
) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI)
    discover(registry, FS, HOTSPOT)
    await registry.manage(FS)
    await registry.pin(FS, PIN)
    await registry.prefer(FS, HOTSPOT)
    before = await written()
    for _ in range(200):
        clocks.passed += 60
        for address, found_by in ((ETHERNET, "broadcast"), (WIFI, "mdns"), (ETHERNET, "sweep")):
            discover(registry, SS, address, found_by)  # type: ignore[arg-type]
        discover(registry, FS, HOTSPOT)
        discover(registry, FS, "10.0.0.9:443")
        registry.record_success(FS, HOTSPOT)
        for _ in range(4):
            registry.record_failure(SS, ETHERNET)
        registry.expire_unseen()
        await registry.prefer(FS, HOTSPOT)
        await registry.update(FS, model="FM010")
        await registry.pin(FS, PIN)
    assert await written() == before
    await registry.update(FS, name="Eingang")
    assert await written() != before


async def test_a_decision_that_cannot_be_stored_is_told_and_kept_for_later(
    registry: Registry, database: Database, stored: Reload
) -> None:
    discover(registry, SS, ETHERNET)
    await registry.flush()
    async with refused_writes(database):
        with pytest.raises(StateError, match="cannot be written"):
            await registry.manage(SS)
        assert registry.get(SS).managed
    assert (await stored()).get(SS).managed


async def test_discovered_devices_are_stored_soon_and_one_failure_is_made_up_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_behind, "STORE_INTERVAL_S", 0.01)
    supervisor = Supervisor(initial_delay_s=0.01)
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()
    async with refused_writes(database):
        discover(registry, SS, ETHERNET)
        await storing(supervisor, "failing", failures=1)
    while [camera.sn for camera in await CameraTable(database).load_all()] != [SS]:
        await asyncio.sleep(0.005)
    await storing(supervisor, "running", failures=1)
    await registry.close()


async def test_storage_that_fails_for_ever_is_reported_once_and_keeps_nothing_else_from_working(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(write_behind, "STORE_INTERVAL_S", 0.01)
    supervisor = Supervisor(initial_delay_s=0.01)
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()
    async with refused_writes(database):
        discover(registry, SS, ETHERNET)
        report = await storing(supervisor, "failing", failures=5)
        assert "cannot be written" in (report.last_failure or "")
        assert discover(registry, FS, WIFI).online
        assert len(registry.all()) == 2
        assert [record.levelname for record in caplog.records].count("ERROR") == 1
        with pytest.raises(StateError):
            await registry.close()
        assert (await storing(supervisor, "stopped", failures=5)).last_failure


async def test_closing_stores_what_is_left(database: Database, clocks: Clocks) -> None:
    registry = Registry(CameraTable(database), Supervisor(), now=clocks.unix, monotonic=clocks.monotonic)
    discover(registry, SS, ETHERNET)
    await registry.close()
    await registry.close()
    assert [camera.sn for camera in await CameraTable(database).load_all()] == [SS]
