"""A sealed camera is set up through its hotspot: simulated cameras, and a NetworkManager on a bus."""

from dataclasses import replace

import pytest

from gateway.errors import InvalidRequest
from gateway.shop.hotspots import HotspotJoinFailed, Hotspots
from gateway.shop.hotspots.set_up import HotspotSetUp
from tests.cameras.conftest import bench  # noqa: F401  a fixture
from tests.cameras.provisioning.conftest import ALL_DONE, SN, WHOLE, Lab, lab, outcome  # noqa: F401  a fixture
from tests.shop.hotspots.network_manager import SimulatedNetworkManager
from tests.shop.hotspots.test_join import assert_restored
from tests.waiting import until


@pytest.fixture
def set_up(lab: Lab, network_manager: SimulatedNetworkManager, hotspots: Hotspots) -> HotspotSetUp:  # noqa: F811
    """Let a camera's hotspot be reached only by who has joined it, and the shop by its cable all the time."""
    lab.visible = lambda camera: not camera.state.hotspot or network_manager.connected_to == "SUNMI_4512"
    lab.interface = "wlan0"
    return make_set_up(lab, hotspots)


def make_set_up(lab: Lab, hotspots: Hotspots, find_s: float = 60) -> HotspotSetUp:  # noqa: F811
    return HotspotSetUp(hotspots, lab.provisioning, lab.bench.supervisor, scan=lab.scan, find_s=find_s)


async def test_a_sealed_camera_is_set_up(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
) -> None:
    camera = await lab.camera()
    await set_up.start("4512", SN, WHOLE)
    job = await lab.end()
    assert (job.state, outcome(job)) == ("done", ALL_DONE)
    assert camera.state.activated
    assert not camera.state.hotspot
    await until(lambda: not network_manager.checkpoints)
    assert_restored(network_manager)


async def test_the_command_that_asked_for_it_ends(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
) -> None:
    await lab.camera(wifi_networks=())
    await set_up.start("4512", SN, WHOLE)
    await lab.until(lambda job: job.step == "networks")
    assert network_manager.connected_to == "SUNMI_4512"
    await lab.bench.supervisor.close()
    assert_restored(network_manager)


async def test_another_camera_is_in_the_hotspot(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    hotspots: Hotspots,
    set_up: HotspotSetUp,
) -> None:
    camera = await lab.camera(sn="FS101D8BS00999")
    with pytest.raises(HotspotJoinFailed, match=f"in the hotspot SUNMI_4512 is the camera FS101D8BS00999, not {SN}"):
        await make_set_up(lab, hotspots, find_s=0.3).start("4512", SN, WHOLE)
    assert camera.request_paths == []
    assert_restored(network_manager)
    await camera.stop()
    with pytest.raises(HotspotJoinFailed, match="no camera answers in the hotspot SUNMI_4512"):
        await make_set_up(lab, hotspots, find_s=0.3).start("4512", SN, WHOLE)
    assert await lab.table.load_all() == {}
    assert_restored(network_manager)


async def test_there_is_no_such_hotspot(
    network_manager: SimulatedNetworkManager,
    set_up: HotspotSetUp,
) -> None:
    with pytest.raises(HotspotJoinFailed, match="there is no hotspot SUNMI_00FF near"):
        await set_up.start("00ff", SN, WHOLE)
    with pytest.raises(InvalidRequest):
        await set_up.start("4512", SN, replace(WHOLE, confirm_erase=False))
    assert network_manager.profiles == []


async def test_a_camera_fails_in_its_hotspot(
    lab: Lab,  # noqa: F811
    network_manager: SimulatedNetworkManager,
    hotspots: Hotspots,
    set_up: HotspotSetUp,
) -> None:
    await lab.camera(wifi_networks=())
    lab.shorten(networks_s=0.1)
    await make_set_up(lab, hotspots).start("4512", SN, WHOLE)
    job = await lab.end()
    assert (job.state, job.step, job.reason) == ("failed", "networks", "network_not_seen")
    await until(lambda: not network_manager.checkpoints)
    assert_restored(network_manager)
