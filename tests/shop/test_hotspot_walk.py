"""Cameras that only their hotspots offer are set up one after the other, without a person."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.shop.hotspots import Hotspot, HotspotSupport
from gateway.simulator.store import SimulatedStore
from tests.shop.conftest import PLAN, Site, failures


class SimulatedHotspots:
    """Hotspots of the store's cameras: a camera answers only while its hotspot is joined, or once it is on the LAN."""

    def __init__(self, store: SimulatedStore, *, other_interfaces: tuple[str, ...] = ("eth0",)) -> None:
        self.store = store
        self.other_interfaces = other_interfaces
        self.joined: list[str] = []

    async def describe(self) -> HotspotSupport:
        return HotspotSupport(
            interface="wlan0", network="Shop", other_interfaces=self.other_interfaces, effect="wlan0 leaves Shop."
        )

    async def scan(self) -> tuple[Hotspot, ...]:
        return tuple(
            Hotspot(f"SUNMI_{digits}", digits, camera.state.mac, 80, "wlan0")
            for camera in self.store.cameras
            if camera.state.hotspot
            for digits in [camera.state.mac.replace(":", "")[-4:]]
        )

    @asynccontextmanager
    async def join(self, hotspot: Hotspot) -> AsyncIterator[None]:
        camera = next(one for one in self.store.cameras if one.state.mac == hotspot.bssid)
        self.joined.append(camera.sn)
        await camera.start()
        try:
            yield
        finally:
            await camera.wait_until_back()  # it may have left for the shop's network
            if camera.state.hotspot:
                await camera.stop()


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
