"""Cameras that only their hotspots offer are set up one after the other, without a person."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import Gateway
from gateway.cameras.provisioning import StepTimeouts
from gateway.errors import GatewayError
from gateway.shop.hotspot_walk import MAX_VISITS, HotspotWalk
from gateway.shop.hotspots import Hotspot, HotspotSupport
from gateway.simulator.store import WIFI_PASSWORD, SimulatedStore
from tests.shop.conftest import PLAN, Site, failures, open_site


class SimulatedHotspots:
    """Hotspots of the store's cameras: a camera answers only while its hotspot is joined, or once it is on the LAN."""

    def __init__(
        self,
        store: SimulatedStore,
        *,
        other_interfaces: tuple[str, ...] = ("eth0",),
        scan_s: float = 0,
        join_s: float = 0,
        return_s: float = 0,
    ) -> None:
        self.store = store
        self.other_interfaces = other_interfaces
        self.scan_s = scan_s
        self.join_s = join_s
        self.return_s = return_s
        self.reboots = False
        """Whether each camera restarts in the middle of its first visit."""
        self.began_at = 0.0
        """When hotspots were searched for first, on the monotonic clock."""
        self.joined: list[str] = []
        self.visits: list[tuple[float, float, float]] = []
        """When each visit began, when the way back began, and when it ended, on the monotonic clock."""

    async def describe(self) -> HotspotSupport:
        return HotspotSupport(
            interface="wlan0", network="Shop", other_interfaces=self.other_interfaces, effect="wlan0 leaves Shop."
        )

    async def scan(self) -> tuple[Hotspot, ...]:
        self.began_at = self.began_at or asyncio.get_running_loop().time()
        await asyncio.sleep(self.scan_s)
        return tuple(
            Hotspot(f"SUNMI_{digits}", digits, camera.state.mac, 80, "wlan0")
            for camera in self.store.cameras
            if camera.state.hotspot
            for digits in [camera.state.mac.replace(":", "")[-4:]]
        )

    @asynccontextmanager
    async def join(self, hotspot: Hotspot) -> AsyncIterator[None]:
        camera = next(one for one in self.store.cameras if one.state.mac == hotspot.bssid)
        if self.reboots and camera.sn not in self.joined:
            camera.state.pending_restart = "reboot"  # with the answer to its first call
        self.joined.append(camera.sn)
        clock = asyncio.get_running_loop()
        began = clock.time()
        await asyncio.sleep(self.join_s)
        await camera.start()
        try:
            yield
        finally:
            leaves = clock.time()
            await asyncio.sleep(self.return_s)
            await camera.wait_until_back()  # it may have left for the shop's network
            if camera.state.hotspot:
                await camera.stop()
            self.visits.append((began, leaves, clock.time()))


async def hide(store: SimulatedStore) -> None:
    """Let the new cameras be in their hotspots alone."""
    for camera in store.cameras:
        if camera.state.hotspot:
            await camera.stop()


async def test_hotspots_are_joined_until_every_camera_is_on_the_network(site: Site) -> None:
    await hide(site.store)
    hotspots = SimulatedHotspots(site.store)
    site.gateway.shop.use_hotspots(hotspots)
    assert (await site.rest("PUT", PLAN, site.plan())).status == 200
    document = await site.run(confirm_erase=2)
    assert document["state"] == "done", failures(document)
    assert sorted(hotspots.joined) == sorted(site.store.activation_numbers)
    assert all(camera.state.activated and camera.state.wifi for camera in site.store.cameras[1:])
    assert document["wifi"]["password"] is None, "it is not needed any more"


async def test_one_interface_is_left_only_if_a_person_agrees(site: Site) -> None:
    await hide(site.store)
    site.gateway.shop.use_hotspots(SimulatedHotspots(site.store, other_interfaces=()))
    await site.rest("PUT", PLAN, site.plan())
    would = await site.rest("POST", f"{PLAN}/run", {"dry_run": True})
    assert would.body["hotspots"] == {"available": True, "interrupts_shop": True, "detail": "wlan0 leaves Shop."}
    refused = await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 2})
    assert refused.status == 400
    assert [one["parameter"] for one in refused.body["errors"]] == ["confirm_offline"]
    assert "wlan0 leaves Shop." in refused.body["detail"]


def hurry(site: Site, hotspots: SimulatedHotspots, monkeypatch: pytest.MonkeyPatch, *, leave_s: float = 60) -> None:
    """Let the walk use hotspots, and nothing be waited for long. A camera that joins leaves within `leave_s`."""
    shop, gateway = site.gateway.shop, site.gateway
    shop.use_hotspots(hotspots)
    walk = HotspotWalk(
        hotspots, gateway.registry, gateway.provisioning, scan=scan(gateway), search_interval_s=0.1, return_s=0.5
    )
    monkeypatch.setattr(shop, "_make_walk", lambda: walk)
    short = replace(StepTimeouts(), leave_s=leave_s, probe_s=0.2)
    monkeypatch.setattr(gateway.provisioning, "_timeouts", short)


def scan(gateway: Gateway) -> Callable[[], Awaitable[None]]:
    async def search() -> None:
        with suppress(GatewayError):
            await gateway.discovery.scan()

    return search


async def test_a_wrong_wifi_password_is_told_of_each_camera(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await hide(site.store)
    hotspots = SimulatedHotspots(site.store)
    hurry(site, hotspots, monkeypatch, leave_s=2)
    plan = site.plan()
    plan["wifi"]["password"] = "not the right one"
    assert (await site.rest("PUT", PLAN, plan)).status == 200
    document = await site.run(confirm_erase=2)
    failed = {
        camera["sn"]: [(one["name"], one["reason"]) for one in camera["steps"] if one["state"] == "failed"]
        for camera in document["cameras"]
    }
    reason = [("wifi", "wrong_wifi_password")]
    assert failed == dict.fromkeys(site.store.activation_numbers, reason) | {site.store.cameras[0].sn: []}
    assert max(Counter(hotspots.joined).values()) <= MAX_VISITS
    assert not any(camera.state.activated for camera in site.store.cameras[1:])

    plan["wifi"]["password"] = WIFI_PASSWORD
    assert (await site.rest("PUT", PLAN, plan)).status == 200
    again = await site.run(confirm_erase=2, only="failed")
    assert again["state"] == "done", failures(again)


async def test_a_camera_restarts_in_the_middle_of_its_visit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    await hide(site.store)
    hotspots = SimulatedHotspots(site.store)
    hotspots.reboots = True
    hurry(site, hotspots, monkeypatch)
    assert (await site.rest("PUT", PLAN, site.plan())).status == 200
    document = await site.run(confirm_erase=2)
    assert document["state"] == "done", failures(document)
    for camera in site.store.cameras[1:]:
        assert camera.state.wifi
        assert sum(one.path == "device/activate" for one in camera.requests) == 1
        assert hotspots.joined.count(camera.sn) <= MAX_VISITS


async def test_a_row_with_the_mac_address_of_another_sealed_camera_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hide(site.store)
    _, camera, other = site.store.cameras
    hurry(site, SimulatedHotspots(site.store), monkeypatch)
    monkeypatch.setattr(site.gateway.shop._bring_up, "_timeouts", replace(StepTimeouts(), probe_s=0.2))
    plan = site.plan()
    plan["cameras"] = [{**plan["cameras"][1], "mac": other.state.mac}]
    assert (await site.rest("PUT", PLAN, plan)).status == 200, "nothing is known of the cameras yet"
    document = await site.run(confirm_erase=1)
    assert f"the MAC address {other.state.mac} is that of the camera {other.sn}" in failures(document)[0]
    assert not any(one.state.activated or one.state.wifi for one in (camera, other))


async def test_a_camera_that_was_reset_is_found_in_its_hotspot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert failures(await site.run(confirm_erase=2)) == []
    camera = site.store.cameras[1]
    camera.state.factory_reset()
    camera.state.cable = False
    await camera.stop()
    site.gateway.registry.get(camera.sn).online = False  # it was missed for a while
    hurry(site, SimulatedHotspots(site.store), monkeypatch)
    monkeypatch.setattr(site.gateway.shop._bring_up, "_timeouts", replace(StepTimeouts(), reach_s=1, probe_s=0.2))
    put = await site.rest("PUT", PLAN, site.plan())
    assert put.body["counts"]["pending"] == 1
    document = await site.run()
    (failed,) = failures(document)[:1]
    assert "was taken for activated, and is not (any more)" in failed, "nobody has agreed to erase anything"
    again = await site.run(confirm_erase=1, only="failed")
    assert again["state"] == "done", failures(again)
    assert camera.state.activated
    assert camera.state.wifi


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_walk_takes_little_longer_than_the_joins(tmp_path: Path) -> None:
    """Joining and going back take what they took in the virtual machine; the cameras' answers are slow as well."""
    cameras = 12 if os.environ.get("FULL_PROOFS") == "1" else 4
    scan_s, join_s, return_s, latency_s = 2.0, 5.0, 3.0, 0.18
    async with open_site(tmp_path, cameras=cameras, latency_s=latency_s) as site:
        for camera in site.store.cameras:
            assert (camera.sn in site.store.activation_numbers) == camera.state.hotspot
        await hide(site.store)
        hotspots = SimulatedHotspots(site.store, scan_s=scan_s, join_s=join_s, return_s=return_s)
        site.gateway.shop.use_hotspots(hotspots)
        assert (await site.rest("PUT", PLAN, site.plan())).status == 200
        hidden = len(site.store.activation_numbers)
        document = await site.run(confirm_erase=hidden)
        assert document["state"] == "done", failures(document)
    assert len(hotspots.visits) == hidden, "each was joined once"
    walk_s = max(end for _, _, end in hotspots.visits) - hotspots.began_at
    joins_s = sum(end - start for start, _, end in hotspots.visits)
    inside_s = max(leaves - start for start, leaves, _ in hotspots.visits) - join_s
    times = f"{hidden} joins {joins_s:.1f} s, the walk {walk_s:.1f} s: {walk_s / joins_s:.2f} times"
    print(f"hotspots: {times}; at most {inside_s:.1f} s inside")  # noqa: T201 - shown in the summary
    assert walk_s <= 1.2 * joins_s
    assert inside_s <= 10, "no longer than telling it the network takes"
