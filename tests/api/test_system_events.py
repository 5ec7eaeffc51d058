"""System events through REST: what the parts of the gateway report is in the event log, once, in order."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest

EVENTS = "/api/v1/events"


@pytest.fixture
def log_has(pos: Rest) -> Callable[..., Any]:
    """Wait until the event log has these types in this order; return their events."""

    async def look(*kinds: str, types: str = "") -> list[Any]:
        while True:
            events: list[Any] = (await pos("GET", f"{EVENTS}?limit=1000&types={types}")).body["events"]
            if [event["type"] for event in events][-len(kinds) :] == list(kinds):
                return events[-len(kinds) :]
            await asyncio.sleep(0.02)

    return look


async def test_what_becomes_of_a_camera(
    store: SimulatedStore, gateway: Gateway, installer: Rest, ours: SimulatedCamera, log_has: Any
) -> None:
    one = f"{EVENTS}?camera={ours.sn}"
    found, online = (await installer("GET", one)).body["events"][:2]
    assert (found["type"], online["type"]) == ("camera.found", "camera.online")
    assert (found["source"], found["camera"], found["data"]["model"]) == ("gateway", ours.sn, ours.state.model)
    path = f"/api/v1/cameras/{ours.sn}/openapi/config/getName"
    assert (await installer("POST", path, {})).status == 200
    ours.faults.changed_certificate = True
    for _ in range(3):
        assert (await installer("POST", path, {})).body["code"] == "camera_untrusted"
    [changed] = await log_has("camera.certificate_changed", types="camera.certificate_changed")
    assert changed["data"]["shown"] != changed["data"]["remembered"]
    every = (await installer("GET", f"{one}&types=camera.certificate_changed")).body["events"]
    assert len(every) == 1, "the same certificate is reported once"
    trust = {"certificate_sha256": changed["data"]["shown"]}
    assert (await installer("POST", f"/api/v1/cameras/{ours.sn}/trust", trust)).status == 200
    await log_has("camera.trusted", types="camera.*")


async def test_one_missed_answer_is_not_offline_and_three_are(
    installer: Rest, ours: SimulatedCamera, log_has: Any
) -> None:
    path = f"/api/v1/cameras/{ours.sn}/openapi/config/getName"
    kinds = "camera.online,camera.offline"
    assert (await installer("POST", path, {})).status == 200
    await ours.stop()
    assert (await installer("POST", path, {})).status == 502
    await log_has("camera.online", types=kinds)
    while (await installer("GET", f"/api/v1/cameras/{ours.sn}")).body["online"]:
        assert (await installer("POST", path, {})).status == 502
    await log_has("camera.online", "camera.offline", types=kinds)
    await ours.start()
    assert (await installer("POST", path, {})).status == 200
    await log_has("camera.online", "camera.offline", "camera.online", types=kinds)


async def test_the_cloud_is_lost_and_back_and_refuses(store: SimulatedStore, pos: Rest, log_has: Any) -> None:
    order = "/api/v1/cloud/order/update"
    await store.cloud.stop()
    assert (await pos("POST", order, {"order_list": [{"order_no": "1"}]}, headers={"Prefer": "wait=0"})).status == 202
    [lost] = await log_has("cloud.lost", types="cloud.*")
    assert "no connection" in lost["data"]["reason"]
    await store.cloud.start()
    await log_has("cloud.lost", "cloud.back", types="cloud.*")
    store.cloud.faults.add("refuse", code=5047, times=None)
    answer = await pos("POST", order, {"order_list": [{"order_no": "2"}]}, headers={"Prefer": "wait=10"})
    assert answer.status == 422
    [refused] = await log_has("outbox.refused", types="outbox.*")
    assert (refused["data"]["path"], refused["data"]["vendor_code"]) == ("order/update", 5047)
    item = await pos("GET", f"/api/v1/outbox/{refused['data']['outbox_id']}")
    assert (item.status, item.body["state"]) == (200, "refused")


async def test_a_wrong_clock_is_reported_once_and_when_it_is_right_again(gateway: Gateway, log_has: Any) -> None:
    await gateway.system_events.check_clock_and_disk()
    for moved_s in (86400.0, 86400.0, 0.0):
        gateway.cloud.clock.set(time.time() + moved_s)
        await gateway.system_events.check_clock_and_disk()
        await gateway.system_events.check_clock_and_disk()
    wrong, _ = await log_has("clock.wrong", "clock.right", types="clock.*")
    assert wrong["data"]["cloud_ahead_s"] == pytest.approx(86400, abs=300)


async def test_a_full_disk_is_reported_once_and_when_there_is_room_again(
    gateway: Gateway, log_has: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    for free in (10**6, 10**6, 10**11):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(total=10**12, free=free))
        await gateway.system_events.check_clock_and_disk()
    low, _ = await log_has("disk.low", "disk.ok", types="disk.*")
    assert low["data"]["free_bytes"] == 10**6
