"""Somebody on the network forges the frames by which cameras announce themselves. No camera gets lost."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.protocol.discovery_frames import Announcement, encode_announcement
from gateway.simulator.store import SimulatedStore
from tests.api.test_cameras import found


@pytest.fixture
async def known(store: SimulatedStore, installer: Any) -> SimulatedStore:
    """Return a store whose cameras have been found, and tried by a sweep."""
    await found(installer)
    await found(installer)
    return store


async def scan_beside(store: SimulatedStore, installer: Any, forged: Iterable[tuple[str, Announcement]]) -> Any:
    """Return the response of a discovery in which these announcements arrive first, each from its address."""
    store.responder.faults.silent = True
    before = store.responder.request_count
    scanning = asyncio.create_task(installer("POST", "/api/v1/discovery", {"timeout_s": 2}))
    while store.responder.request_count == before:
        await asyncio.sleep(0.01)
    for source, announcement in forged:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind((source, 0))
            forger.sendto(encode_announcement(announcement), ("127.0.0.1", store.broadcast_port))
        await asyncio.sleep(0)  # the gateway reads one at a time
    store.responder.faults.silent = False
    answer = await scanning
    assert answer.status == 200
    return answer.body


def invent(number: int) -> Announcement:
    return Announcement(sn=f"FS101D8BF{number:05}", ip="127.0.0.66", model="FM020")


async def test_one_source_pushes_no_camera_out(known: SimulatedStore, installer: Any) -> None:
    await scan_beside(known, installer, (("127.0.0.66", invent(number)) for number in range(1200)))
    listed = {camera["sn"] for camera in (await installer("GET", "/api/v1/cameras")).body["cameras"]}
    assert {camera.sn for camera in known.cameras} <= listed
    assert 0 < len(listed) - len(known.cameras) <= 4, "one address is one camera, or a few"


async def test_many_forged_sources_push_no_camera_out(
    known: SimulatedStore, installer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.discovery.scan._MAX_DEVICES", 100)
    sources = [f"127.9.9.{low}" for low in range(1, 101)]
    forged = ((source, invent(number * 4 + one)) for number, source in enumerate(sources) for one in range(4))
    answer = await scan_beside(known, installer, forged)
    real = {camera.sn for camera in known.cameras}
    assert real <= {camera["sn"] for camera in answer["cameras"]}
    assert real <= {camera["sn"] for camera in (await installer("GET", "/api/v1/cameras")).body["cameras"]}


@pytest.mark.parametrize("model", ["FM020", "D2"])
async def test_frames_from_a_cameras_own_address_push_it_not_out(
    known: SimulatedStore, installer: Any, model: str
) -> None:
    camera = known.cameras[0]
    source = camera.address.partition(":")[0]
    forged = ((source, Announcement(sn=f"FS101D8BF{number:05}", ip=source, model=model)) for number in range(20))
    answer = await scan_beside(known, installer, forged)
    assert camera.sn in {found["sn"] for found in answer["cameras"]}
    listed = {one["sn"]: one for one in (await installer("GET", "/api/v1/cameras")).body["cameras"]}
    assert listed[camera.sn]["address"] == camera.address
    assert listed[camera.sn]["online"] is True
