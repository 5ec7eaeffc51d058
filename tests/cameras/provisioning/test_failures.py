"""Every reason for which a provisioning can fail."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from gateway.cameras.provisioning import ProvisioningRequest
from gateway.discovery.scan import ScanResult
from gateway.errors import Conflict, InvalidRequest
from gateway.settings import CameraSettings
from gateway.simulator.camera_state import SimulatedAccessPoint
from tests.cameras.provisioning.conftest import (
    ACTIVATION,
    ALL_DONE,
    NOTHING,
    PASSWORD,
    SN,
    SSID,
    TIMEOUTS,
    WHOLE,
    WIFI,
    Lab,
    outcome,
)


async def test_not_reachable(lab: Lab) -> None:
    lab.shorten(reach_s=0.3)
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    await camera.stop()
    job = await lab.fails(ACTIVATION, "reach", "not_reachable")
    assert camera.address in job.detail


async def test_answers_that_cannot_be_read(lab: Lab) -> None:
    lab.shorten(reach_s=0.3)
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    camera.faults.add("html", times=None)
    job = await lab.fails(ACTIVATION, "reach", "malformed_response")
    assert "an HTML page" in job.detail


async def test_network_not_seen(lab: Lab) -> None:
    lab.shorten(networks_s=0.3)
    await lab.camera()
    await lab.scan()
    job = await lab.fails(ProvisioningRequest(ssid="Elsewhere", password=PASSWORD), "networks", "network_not_seen")
    assert "'SunmiStore'" in job.detail


async def test_a_network_that_appears_in_a_later_scan(lab: Lab) -> None:
    camera = await lab.camera(wifi_networks=())
    await lab.scan()
    await lab.provisioning.start(SN, WIFI)
    await asyncio.sleep(0.1)
    camera.state.access_points = (SimulatedAccessPoint(SSID, "WPA-PSK"),)
    assert (await lab.end()).state == "done"


async def test_wep(lab: Lab) -> None:
    await lab.camera()
    await lab.scan()
    await lab.fails(ProvisioningRequest(ssid="OldRouter", password=PASSWORD), "networks", "wep_not_supported")


async def test_no_password_for_a_network_that_needs_one(lab: Lab) -> None:
    await lab.camera()
    await lab.scan()
    await lab.fails(ProvisioningRequest(ssid=SSID), "networks", "wrong_wifi_password")


@pytest.mark.parametrize("away_s", [0.15, 0.001], ids=["seen leaving", "back at once"])
async def test_wrong_wifi_password(lab: Lab, away_s: float) -> None:
    lab.shorten(leave_s=0.5)
    await lab.camera(rejoin_s=away_s)
    await lab.scan()
    request = ProvisioningRequest(ssid=SSID, password="not-this-one")
    job = await lab.fails(request, "rejoin", "wrong_wifi_password")
    assert "not-this-one" not in str(job.describe())
    with pytest.raises(InvalidRequest, match="password: is not kept"):
        await lab.provisioning.start(SN, NOTHING)
    assert (await lab.run(WHOLE)).state == "done"


async def test_a_password_that_the_camera_refuses(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.add("refuse", path="config/setWifiConfWithoutAuth", code=101)
    await lab.scan()
    await lab.fails(WIFI, "wifi", "wrong_wifi_password")


async def test_wrong_activation_number(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    request = ProvisioningRequest(activation_number="4711471147114711", confirm_erase=True)
    job = await lab.fails(request, "activate", "wrong_activation_number")
    assert "4711471147114711" not in str(job.describe())
    assert camera.request_paths.count("device/activate") == 1
    with pytest.raises(InvalidRequest, match="activation_number: is not kept"):
        await lab.provisioning.start(SN, NOTHING)
    assert (await lab.run(ACTIVATION)).state == "done"


@pytest.mark.parametrize(
    ("code", "reason"), [(8, "wrong_serial_number"), (10, "app_id_rejected"), (1, "refused"), (2, "refused")]
)
async def test_other_refusals_of_an_activation(lab: Lab, code: int, reason: str) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("refuse", path="device/activate", code=code)
    await lab.scan()
    job = await lab.fails(ACTIVATION, "activate", reason)
    assert f"code {code}" in job.detail


async def test_another_camera_at_the_address(lab: Lab) -> None:
    lab.shorten(reach_s=0.3)
    other = await lab.bench.simulate("SS101D8BS00001", activated=True)
    lab.visible = lambda camera: False
    await lab.bench.registry.manage(SN, other.address)
    job = await lab.fails(ACTIVATION, "reach", "wrong_serial_number")
    assert "SS101D8BS00001" in job.detail


async def test_no_internet_until_the_limit(lab: Lab) -> None:
    lab.shorten(activate_s=0.3)
    await lab.camera(hotspot=False, internet=False)
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "no_internet")


async def test_internet_that_comes_late(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, internet=False)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: camera.request_paths.count("device/activate") >= 3)
    camera.state.internet = True
    assert (await lab.end()).state == "done"


async def test_another_owner(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, app_id="SOMEBODY", secret_key="else", activated=True)
    await lab.scan()
    await lab.fails(WHOLE, "reach", "other_owner")
    assert "device/activate" not in camera.request_paths


async def test_a_changed_certificate(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, activated=True)
    await lab.scan()
    assert (await lab.run(NOTHING)).state == "done"
    camera.faults.changed_certificate = True
    await lab.fails(ACTIVATION, "reach", "certificate_changed")
    await lab.bench.cameras.trust(SN, await lab.bench.cameras.fetch_certificate_sha256(SN))
    assert (await lab.run(ACTIVATION)).state == "done"


async def test_a_name_needs_activation(lab: Lab) -> None:
    await lab.camera(hotspot=False)
    await lab.scan()
    await lab.fails(ProvisioningRequest(name="Door"), "verify", "not_activated")


async def test_credentials_are_asked_for_before_anything_is_done(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    cameras = lab.bench.calls(credentials=("", ""))
    provisioning = lab.make(cameras=cameras)
    with pytest.raises(Conflict, match=r"cloud\.app_id"):
        await provisioning.start(SN, WHOLE)
    assert camera.handshakes == 0
    await provisioning.start(SN, WIFI)
    lab.provisioning = provisioning
    assert (await lab.end()).state == "done"
    await provisioning.close()
    await cameras.close()


async def test_credentials_that_are_missing_for_an_activated_camera(lab: Lab) -> None:
    await lab.camera(hotspot=False, activated=True)
    await lab.scan()
    cameras = lab.bench.calls(credentials=("", ""))
    lab.provisioning = lab.make(cameras=cameras)
    await lab.fails(WIFI, "reach", "no_credentials")
    await lab.provisioning.close()
    await cameras.close()


async def test_a_camera_forgotten_meanwhile(lab: Lab) -> None:
    lab.shorten(reach_s=0.3)
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    camera.faults.latency_s = 0.1
    lab.visible = lambda camera: False
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.bench.registry.forget(SN)
    job = await lab.end()
    assert (job.state, job.reason) == ("failed", "not_reachable")


# An activation is sent once


async def test_an_activation_whose_answer_is_lost_is_sent_once(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.add("reset_after", path="device/activate")
    await lab.scan()
    job = await lab.run(WHOLE)
    assert outcome(job) == ALL_DONE
    assert "the answer had been lost" in job.get_step("activate").detail
    assert camera.request_paths.count("device/activate") == 1


@pytest.mark.parametrize("kind", ["reset_before", "silent", "garbage"])
async def test_an_activation_of_unknown_outcome_is_sent_once(lab: Lab, kind: Any) -> None:
    impatient = lab.bench.calls(CameraSettings(timeout_s=1))
    lab.provisioning = lab.make(replace(TIMEOUTS, activate_s=0.6), impatient)
    camera = await lab.camera()
    camera.faults.add(kind, path="device/activate")
    await lab.scan()
    await lab.fails(WHOLE, "activate", "activation_unknown")
    await impatient.close()
    assert camera.request_paths.count("device/activate") == 1


async def test_a_person_decides_about_an_unknown_activation(lab: Lab) -> None:
    lab.shorten(activate_s=0.6)
    camera = await lab.camera(hotspot=False)
    camera.faults.add("reset_before", path="device/activate")
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "activation_unknown")
    await lab.fails(NOTHING, "activate", "activation_unknown")  # asked again, not sent again
    assert camera.request_paths.count("device/activate") == 1
    camera.state.activate("EF3OG8R5B32X0")  # it had been slow
    assert (await lab.run(NOTHING)).state == "done"
    assert camera.request_paths.count("device/activate") == 1


async def test_a_person_sends_an_activation_again(lab: Lab) -> None:
    lab.shorten(activate_s=0.6)
    camera = await lab.camera(hotspot=False)
    camera.faults.add("reset_before", path="device/activate")
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "activation_unknown")
    assert (await lab.run(ACTIVATION)).state == "done"
    assert camera.request_paths.count("device/activate") == 2


async def test_an_activation_that_failed_before_it_was_sent_is_not_taken_for_sent(lab: Lab) -> None:
    """The number may then be used again: nothing has gone out."""
    camera = await lab.camera(hotspot=False)
    camera.faults.latency_s = 0.2
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: job.step == "activate")
    while camera.request_paths.count("config/getApListWithoutAuth") < 3:
        assert not lab.provisioning.get(SN).activation_sent
        await asyncio.sleep(0.01)
    await lab.restart()  # while the camera is asked for its state, right before the activation
    assert (await lab.end()).state == "done"
    assert camera.request_paths.count("device/activate") == 1


async def test_a_person_sends_an_interrupted_activation_again(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("silent", path="device/activate")
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: "device/activate" in camera.request_paths)
    await lab.restart(in_service=False)
    assert lab.provisioning.get(SN).activation_sent
    assert (await lab.run(ACTIVATION)).state == "done"
    assert camera.request_paths.count("device/activate") == 2


async def test_only_a_lost_answer_is_called_lost(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("refuse", path="device/activate", code=4)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: "device/activate" in camera.request_paths)
    camera.state.activate("EF3OG8R5B32X0")  # by somebody else of this account
    job = await lab.end()
    assert job.get_step("activate").detail == "activated, as the camera says"


async def test_a_camera_that_loses_its_power_while_it_is_told_the_network(lab: Lab) -> None:
    lab.shorten(leave_s=2)
    camera = await lab.camera()
    camera.faults.add("silent", path="config/setWifiConfWithoutAuth")
    await lab.scan()
    await lab.provisioning.start(SN, WIFI)
    while "config/setWifiConfWithoutAuth" not in camera.request_paths:
        await asyncio.sleep(0.005)
    await camera.stop()
    await camera.start()
    job = await lab.end()
    assert job.state == "done", job.describe()
    assert camera.state.wifi == SSID
    assert camera.request_paths.count("config/setWifiConfWithoutAuth") == 2


async def test_a_hotspot_that_is_gone_without_a_word_keeps_no_person_waiting(lab: Lab) -> None:
    """Radio waves end without a refusal: what is sent to the camera is lost, and nothing comes back."""
    camera = await lab.camera(rejoin_s=0)
    host, _, port = camera.address.rpartition(":")
    lost: list[socket.socket] = []

    async def look_once_it_is_gone() -> ScanResult:
        if lab.provisioning.get(SN).step == "rejoin" and not lost:
            while camera.address == f"{host}:{port}":
                await asyncio.sleep(0.005)
            lost.append(socket.create_server((host, int(port))))
        return await lab.scan()

    lab.provisioning = lab.make(
        replace(TIMEOUTS, reach_s=0.1, leave_s=0.2),
        cameras=lab.bench.calls(CameraSettings(timeout_s=300)),
        scan=look_once_it_is_gone,
    )
    lab.visible = lambda camera: bool(camera.state.hotspot)
    await lab.scan()
    await lab.provisioning.start(SN, WIFI)
    job = await lab.until(lambda job: job.state == "waiting")
    assert (job.step, job.reason) == ("rejoin", "return_to_lan")
    lost[0].close()
    lab.visible = lambda camera: True
    await lab.provisioning.start(SN, NOTHING)
    assert (await lab.end()).state == "done"


# The hotspot of another camera


@pytest.mark.parametrize("step", ["networks", "wifi"])
async def test_a_laptop_that_slips_into_another_hotspot_gives_nothing_away(lab: Lab, step: str) -> None:
    lab.shorten(reach_s=0.3, networks_s=0.3)
    camera, other = await lab.camera(), await lab.camera(sn="FS101D8BS00107")
    await other.stop()
    host, _, port = camera.address.rpartition(":")
    path = "config/getApListWithoutAuth" if step == "networks" else "config/setWifiConfWithoutAuth"
    await lab.scan()

    async def be_in_hotspot(joined: Any, left: Any) -> None:
        await left.stop()
        joined.set_address(host, int(port))
        await joined.start()

    camera.faults.latency_s = 0.3
    await lab.provisioning.start(SN, WIFI)
    await lab.until(lambda job: job.step == step)
    await be_in_hotspot(other, camera)
    job = await lab.until(lambda job: job.state == "waiting")
    assert (job.step, job.reason) == (step, "join_hotspot")
    assert "FS101D8BS00107" in job.detail
    await be_in_hotspot(camera, other)
    await lab.provisioning.start(SN, NOTHING)
    assert (await lab.end()).state == "done"
    assert path not in other.request_paths
    assert camera.state.wifi == SSID


# Networks


async def test_a_hidden_network(lab: Lab) -> None:
    lab.shorten(networks_s=0.3)
    points = (SimulatedAccessPoint("", "WPA-PSK"), SimulatedAccessPoint("Neighbour", "WPA-PSK"))
    camera = await lab.camera(wifi_networks=points)
    await lab.scan()
    job = await lab.fails(WIFI, "networks", "network_not_seen")
    assert job.detail.endswith("it sees 'Neighbour' and 1 that hides its name (if it is yours, say that it is hidden)")
    job = await lab.provisioning.start(SN, replace(WIFI, hidden=True))
    await lab.until(lambda job: camera.state.config.ssid == SSID)
    await lab.provisioning.cancel(SN)


async def test_a_hidden_network_that_was_not_joined_may_have_another_name(lab: Lab) -> None:
    lab.shorten(leave_s=0.5)
    await lab.camera(rejoin_s=0.15)
    await lab.scan()
    job = await lab.fails(replace(WIFI, ssid="Not there", hidden=True), "rejoin", "wrong_wifi_password")
    assert "a hidden network, its name or its password" in job.detail


async def test_a_neighbour_of_the_same_name_with_wep_hinders_nothing(lab: Lab) -> None:
    await lab.camera(wifi_networks=(SimulatedAccessPoint(SSID, "WPA-PSK"), SimulatedAccessPoint(SSID, "WEP")))
    await lab.scan()
    assert (await lab.run(WIFI)).state == "done"


async def test_a_name_that_is_spelled_otherwise_is_sent_as_the_camera_sees_it(lab: Lab) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    camera = await lab.camera(
        wifi_networks=(SimulatedAccessPoint(decomposed, "WPA-PSK"),), wifi_passwords={decomposed: PASSWORD}
    )
    await lab.scan()
    assert (await lab.run(ProvisioningRequest(ssid=composed, password=PASSWORD))).state == "done"
    assert camera.state.wifi == decomposed
