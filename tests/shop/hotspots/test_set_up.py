"""A sealed camera is set up through its hotspot: simulated cameras, and a NetworkManager on a bus."""

import asyncio

import pytest

from gateway.shop.hotspots import Hotspot, HotspotJoinFailed, Hotspots
from gateway.shop.hotspots.set_up import HotspotSetUp
from tests.cameras.conftest import bench  # noqa: F401  a fixture
from tests.cameras.provisioning.conftest import ALL_DONE, SN, WHOLE, Lab, lab, outcome  # noqa: F401  a fixture
from tests.shop.hotspots.conftest import BSSID
from tests.shop.hotspots.network_manager import SimulatedNetworkManager
from tests.shop.hotspots.test_join import assert_restored
from tests.waiting import until

HOTSPOT = Hotspot("SUNMI_4512", "4512", BSSID, 60, "wlan0")


@pytest.fixture
def set_up(lab: Lab, network_manager: SimulatedNetworkManager, hotspots: Hotspots) -> HotspotSetUp:  # noqa: F811
    """Let a camera's hotspot be reached only by who has joined it, and the shop by its cable all the time."""
    lab.visible = lambda camera: not camera.state.hotspot or network_manager.connected_to == "SUNMI_4512"
    lab.interface = "wlan0"
    return make_set_up(lab, hotspots)


def make_set_up(lab: Lab, hotspots: Hotspots, find_s: float = 60) -> HotspotSetUp:  # noqa: F811
    return HotspotSetUp(hotspots, lab.provisioning, scan=lab.scan, find_s=find_s)


async def test_a_sealed_camera_is_set_up(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
) -> None:
    camera = await lab.camera()
    job = await set_up.provision(HOTSPOT, SN, WHOLE)
    assert (job.state, outcome(job)) == ("done", ALL_DONE)
    assert camera.state.activated
    assert not camera.state.hotspot
    assert_restored(network_manager)


async def test_a_job_that_waits_for_a_person_goes_on(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
    hotspots: Hotspots,
) -> None:
    await lab.camera()
    lab.shorten(reach_s=0.1)
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.reason == "join_hotspot")
    assert await make_set_up(lab, hotspots).visit(HOTSPOT) == SN
    assert (await lab.end()).state == "done"
    assert_restored(network_manager)


async def test_a_camera_that_nobody_waits_for_stays_as_it_is(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    hotspots: Hotspots,
    set_up: HotspotSetUp,
) -> None:
    camera = await lab.camera()
    assert await make_set_up(lab, hotspots, find_s=0.3).visit(HOTSPOT) == SN
    assert camera.request_paths == []
    assert_restored(network_manager)


async def test_another_camera_is_in_the_hotspot(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    hotspots: Hotspots,
    set_up: HotspotSetUp,
) -> None:
    camera = await lab.camera(sn="FS101D8BS00999")
    with pytest.raises(HotspotJoinFailed, match=f"in the hotspot SUNMI_4512 is the camera FS101D8BS00999, not {SN}"):
        await make_set_up(lab, hotspots, find_s=0.3).provision(HOTSPOT, SN, WHOLE)
    assert camera.request_paths == []
    await camera.stop()
    with pytest.raises(HotspotJoinFailed, match="no camera answers in the hotspot SUNMI_4512"):
        await make_set_up(lab, hotspots, find_s=0.3).provision(HOTSPOT, SN, WHOLE)
    assert lab.provisioning.get(SN).state == "cancelled"
    assert await lab.table.load_all() == {}
    assert_restored(network_manager)


async def test_a_camera_fails_in_its_hotspot(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    hotspots: Hotspots,
    set_up: HotspotSetUp,
) -> None:
    await lab.camera(wifi_networks=())
    lab.shorten(networks_s=0.1)
    job = await make_set_up(lab, hotspots).provision(HOTSPOT, SN, WHOLE)
    assert (job.state, job.step, job.reason) == ("failed", "networks", "network_not_seen")
    assert_restored(network_manager)


async def test_cancelled_in_the_hotspot(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
) -> None:
    await lab.camera(wifi_networks=())
    work = asyncio.create_task(set_up.provision(HOTSPOT, SN, WHOLE))
    await until(lambda: lab.published and lab.published[-1][0] == "networks")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert lab.provisioning.get(SN).state == "cancelled"
    assert_restored(network_manager)
