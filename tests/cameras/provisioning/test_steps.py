"""The whole provisioning of simulated cameras, alone and with a person's help."""

import pytest

from gateway.cameras.provisioning import ProvisioningRequest
from gateway.errors import InvalidRequest, NotFound
from tests.cameras.provisioning.conftest import ACTIVATION, ALL_DONE, NOTHING, SN, SSID, WHOLE, WIFI, Lab, outcome

# The whole way


@pytest.mark.parametrize("flaw", ["gbk", "quote", "null_entry", "truncated"])
async def test_a_camera_beside_a_malformed_name_is_provisioned(lab: Lab, flaw: str) -> None:
    camera = await lab.camera()
    await lab.scan()
    camera.faults.add("malformed_json", flaw=flaw, times=None)
    job = await lab.run(WHOLE)
    assert outcome(job) == ALL_DONE


async def test_from_the_box_to_work(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    job = await lab.run(WHOLE)
    assert job.describe()["state"] == "done", job.describe()
    assert outcome(job) == ALL_DONE
    assert camera.state.wifi == SSID
    assert camera.state.activated
    assert camera.state.name == "Door"
    assert camera.host == "127.22.0.1"
    record = lab.bench.registry.get(SN)
    assert (record.managed, record.activation, record.name) == (True, "activated", "Door")
    assert record.address == record.verified_address == camera.address
    assert camera.request_paths.count("device/activate") == 1
    steps = list(dict.fromkeys(step for step, _, _ in lab.published))
    assert steps == ["reach", "networks", "wifi", "rejoin", "activate", "verify"]
    assert job.describe() == {
        "sn": SN, "state": "done", "step": "verify", "reason": None, "detail": "",
        "steps": [{"name": step.name, "state": "done", "detail": step.detail} for step in job.steps],
    }  # fmt: skip


async def test_a_camera_on_a_cable_is_only_activated(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    job = await lab.run(ACTIVATION)
    assert outcome(job) == [
        "reach done", "networks skipped", "wifi skipped", "rejoin skipped", "activate done", "verify done",
    ]  # fmt: skip
    assert list(camera.state.groups) == ["stranger", "regular"]


async def test_whether_a_camera_on_a_cable_joins_a_network_is_not_promised(lab: Lab) -> None:
    await lab.camera(hotspot=False, wifi_passwords={SSID: "another one"})
    await lab.scan()
    lab.shorten(leave_s=0.1)
    job = await lab.run(WIFI)
    assert job.state == "done"
    assert f"whether it joins '{SSID}' shows only without it" in job.get_step("rejoin").detail


async def test_a_camera_that_is_ours_already_is_not_activated_again(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, activated=True)
    await lab.scan()
    job = await lab.run(WHOLE)
    assert job.state == "done"
    assert job.get_step("activate").state == "skipped"
    assert "device/activate" not in camera.request_paths
    assert camera.state.name == "Door"


async def test_wifi_alone_leaves_a_camera_that_is_not_activated(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    job = await lab.run(WIFI)
    assert (job.state, job.get_step("activate").state) == ("done", "skipped")
    assert not camera.state.activated
    assert camera.state.wifi == SSID


async def test_an_open_network(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    assert (await lab.run(ProvisioningRequest(ssid="Cafe Guests"))).state == "done"
    assert camera.state.wifi == "Cafe Guests"


async def test_a_camera_that_drops_the_connection_at_the_wifi_change(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.add("reset_after", path="config/setWifiConfWithoutAuth")
    await lab.scan()
    job = await lab.run(WHOLE)
    assert outcome(job) == ALL_DONE
    assert "before it answered" in job.get_step("wifi").detail


async def test_a_camera_that_was_reset_is_provisioned_again(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    assert (await lab.run(WHOLE)).state == "done"
    camera.state.factory_reset()
    assert (await lab.run(WHOLE)).state == "done"
    assert camera.request_paths.count("device/activate") == 2


async def test_a_camera_with_a_clock_of_its_own(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.clock_offset_s = 25 * 3600
    await lab.scan()
    assert (await lab.run(WHOLE)).state == "done"
    assert camera.request_paths.count("device/activate") == 1


# With a person's help


async def test_a_sealed_camera_from_a_laptop(lab: Lab) -> None:
    """The laptop is at home, in the hotspot, and at home again; nobody has ever seen the camera before."""
    lab.shorten(reach_s=0.3)
    camera = await lab.camera()
    lab.visible = lambda camera: False
    job = await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.state == "waiting")
    assert (job.step, job.reason) == ("reach", "join_hotspot")
    assert SN in job.detail
    assert "SUNMI_XXXX" in job.detail
    assert job.get_step("reach").detail == job.detail
    assert (await lab.provisioning.start(SN, NOTHING)).state == "running"  # too early: the person is asked again
    await lab.until(lambda job: job.state == "waiting")
    lab.visible = lambda camera: bool(camera.state.hotspot)
    assert await lab.provisioning.start(SN, NOTHING) is job
    await lab.until(lambda job: job.reason == "return_to_lan")
    assert job.step == "rejoin"
    assert lab.bench.registry.get(SN).managed
    lab.visible = lambda camera: not camera.state.hotspot
    assert await lab.provisioning.start(SN, NOTHING) is job
    await lab.end()
    assert outcome(job) == ALL_DONE
    assert camera.state.activated


async def test_the_hotspots_name_is_told_when_the_mac_is_known(lab: Lab) -> None:
    lab.shorten(reach_s=0.3)
    await lab.camera()
    await lab.scan()
    lab.visible = lambda camera: False
    lab.bench.registry.get(SN).hotspot = True
    await lab.provisioning.start(SN, WIFI)
    job = await lab.until(lambda job: job.state == "waiting")
    assert "SUNMI_4512" in job.detail


async def test_nobody_joins_the_hotspot(lab: Lab) -> None:
    lab.shorten(reach_s=0.1, person_s=0.2)
    await lab.fails(WIFI, "reach", "not_reachable")
    assert ("reach", "waiting", "join_hotspot") in lab.published


async def test_a_camera_that_does_not_come_back(lab: Lab) -> None:
    lab.shorten(reach_s=0.1, rejoin_s=0.3, leave_s=0.2)
    await lab.camera(rejoin_s=100)
    await lab.scan()
    await lab.provisioning.start(SN, WHOLE)
    job = await lab.until(lambda job: job.state == "waiting")
    await lab.provisioning.start(SN, NOTHING)
    await lab.end()
    assert (job.step, job.reason) == ("rejoin", "not_reachable")
    assert SSID in job.detail
    with pytest.raises(InvalidRequest, match="activation_number"):
        await lab.provisioning.start(SN, NOTHING)


async def test_an_unknown_camera_without_wifi_is_a_typing_mistake(lab: Lab) -> None:
    for request in (NOTHING, ACTIVATION):
        with pytest.raises(NotFound, match="discovery"):
            await lab.provisioning.start(SN, request)
    with pytest.raises(InvalidRequest, match="sn"):
        await lab.provisioning.start("../etc", WIFI)
    with pytest.raises(NotFound):
        lab.provisioning.get(SN)
