"""When cameras go online and offline."""

import pytest

from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from tests.cameras.conftest import (
    ETHERNET,
    FS,
    SS,
    START,
    WIFI,
    Changes,
    Clocks,
    discover,
)


async def test_offline_only_after_three_misses_in_a_row(registry: Registry, changes: Changes) -> None:
    discover(registry, SS, ETHERNET)
    changes.clear()
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    registry.record_success(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    assert registry.get(SS).online
    registry.record_failure(SS, ETHERNET)
    registry.record_failure(SS, ETHERNET)
    assert not registry.get(SS).online
    registry.record_success(SS, ETHERNET)
    assert changes == [("offline", SS), ("online", SS)]


async def test_a_second_address_keeps_it_online(registry: Registry) -> None:
    discover(registry, SS, ETHERNET)
    discover(registry, SS, WIFI)
    for _ in range(5):
        registry.record_failure(SS, ETHERNET)
    assert registry.get(SS).online
    for _ in range(3):
        registry.record_failure(SS, WIFI)
    assert not registry.get(SS).online


@pytest.mark.parametrize("interval_s", [None, 60, 1])
async def test_offline_when_unseen_for_more_than_three_intervals(
    database: Database, clocks: Clocks, interval_s: float | None
) -> None:
    options = {} if interval_s is None else {"interval_s": interval_s}
    registry = Registry(CameraTable(database), Supervisor(), now=clocks.unix, monotonic=clocks.monotonic, **options)
    await registry.manage(FS, WIFI)
    discover(registry, SS, ETHERNET)
    clocks.passed += 3 * (interval_s or 60)
    registry.expire_unseen()
    assert registry.get(SS).online
    clocks.passed += 0.1
    registry.expire_unseen()
    assert not registry.get(SS).online
    await registry.close()


async def test_calls_at_addresses_that_it_does_not_have_say_nothing_about_a_camera(registry: Registry) -> None:
    await registry.manage(SS, ETHERNET)
    registry.record_success(SS, WIFI)
    assert not registry.get(SS).online
    registry.record_success(SS, ETHERNET)
    for _ in range(3):
        registry.record_failure(SS, WIFI)
    assert registry.get(SS).online


async def test_a_camera_goes_offline_once(registry: Registry, changes: Changes, clocks: Clocks) -> None:
    discover(registry, SS, ETHERNET)
    clocks.passed += 600
    registry.expire_unseen()
    registry.expire_unseen()
    assert changes == [("found", SS), ("online", SS), ("offline", SS)]


async def test_a_jump_of_the_clock_makes_nobody_offline(registry: Registry, changes: Changes, clocks: Clocks) -> None:
    clocks.jumped = -START
    discover(registry, SS, ETHERNET)
    clocks.jumped = 0
    clocks.passed += 60
    registry.expire_unseen()
    assert registry.get(SS).online
    assert registry.get(SS).describe()["last_seen"] == "1970-01-01T00:00:00Z"


async def test_without_rounds_nobody_goes_offline_unseen(database: Database, clocks: Clocks) -> None:
    registry = Registry(CameraTable(database), Supervisor(), now=clocks.unix, monotonic=clocks.monotonic, interval_s=0)
    discover(registry, SS, ETHERNET)
    clocks.passed += 100_000
    registry.expire_unseen()
    assert registry.get(SS).online
    await registry.close()
