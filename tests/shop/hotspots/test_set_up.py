"""A sealed camera is set up through its hotspot: simulated cameras, and a NetworkManager on a bus."""

import asyncio

import pytest

from gateway.shop.hotspots import Hotspot, HotspotJoinFailed, Hotspots
from gateway.shop.hotspots.set_up import provision_in_hotspot
from tests.cameras.conftest import bench  # noqa: F401  a fixture
from tests.cameras.provisioning.conftest import ALL_DONE, SN, WHOLE, Lab, lab, outcome  # noqa: F401  a fixture
from tests.shop.hotspots.conftest import BSSID
from tests.shop.hotspots.network_manager import SHOP, SimulatedNetworkManager

HOTSPOT = Hotspot("SUNMI_4512", "4512", BSSID, 60, "wlan0")


@pytest.fixture
def radio(lab: Lab, network_manager: SimulatedNetworkManager) -> SimulatedNetworkManager:  # noqa: F811
    """Let a camera's hotspot be reached only by who has joined it, and the shop by its cable all the time."""
    lab.visible = lambda camera: not camera.state.hotspot or network_manager.connected_to == "SUNMI_4512"
    return network_manager


async def test_a_sealed_camera_is_set_up(lab: Lab, radio: SimulatedNetworkManager, hotspots: Hotspots) -> None:  # noqa: F811
    camera = await lab.camera()
    job = await provision_in_hotspot(hotspots, HOTSPOT, lab.provisioning, SN, WHOLE)
    assert (job.state, outcome(job)) == ("done", ALL_DONE)
    assert camera.state.activated
    assert not camera.state.hotspot
    assert "waiting" not in {state for _, state, _ in lab.published}, "nobody had to do anything"
    assert (radio.connected_to, radio.state, radio.checkpoints) == (SHOP, 100, {})


async def test_another_camera_is_in_the_hotspot(lab: Lab, radio: SimulatedNetworkManager, hotspots: Hotspots) -> None:  # noqa: F811
    await lab.camera(sn="FS101D8BS00999")
    lab.shorten(reach_s=0.2)
    with pytest.raises(HotspotJoinFailed, match="it may be the hotspot of another camera"):
        await provision_in_hotspot(hotspots, HOTSPOT, lab.provisioning, SN, WHOLE)
    assert lab.provisioning.get(SN).state == "cancelled"
    assert await lab.table.load_all() == {}
    assert (radio.connected_to, radio.state) == (SHOP, 100)


async def test_a_camera_fails_in_its_hotspot(lab: Lab, radio: SimulatedNetworkManager, hotspots: Hotspots) -> None:  # noqa: F811
    await lab.camera(wifi_networks=())
    lab.shorten(networks_s=0.1)
    job = await provision_in_hotspot(hotspots, HOTSPOT, lab.provisioning, SN, WHOLE)
    assert (job.state, job.step, job.reason) == ("failed", "networks", "network_not_seen")
    assert (radio.connected_to, radio.state) == (SHOP, 100)


async def test_cancelled_in_the_hotspot(lab: Lab, radio: SimulatedNetworkManager, hotspots: Hotspots) -> None:  # noqa: F811
    await lab.camera(wifi_networks=())
    work = asyncio.create_task(provision_in_hotspot(hotspots, HOTSPOT, lab.provisioning, SN, WHOLE))
    while not (job := lab.published) or job[-1][0] != "networks":
        await asyncio.sleep(0.005)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (radio.connected_to, radio.state) == (SHOP, 100)
