"""The whole provisioning of simulated cameras, and every reason for which it can fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.scan import ScanResult
from gateway.errors import Conflict, InvalidRequest, NotFound, VendorRefused
from gateway.runtime.supervisor import TaskReport
from gateway.simulator.camera_state import SimulatedAccessPoint

Bench = Any  # the fixture of conftest.py, which cannot be imported
SN = "FS101D8BS00106"
NUMBER = "8000000000000000000042"
SSID, PASSWORD = "SunmiStore", "plenty-of-coffee"
WHOLE = ProvisioningRequest(
    ssid=SSID, password=PASSWORD, activation_number=NUMBER, confirm_erase=True, name="Door"
)  # fmt: skip
WIFI = ProvisioningRequest(ssid=SSID, password=PASSWORD)
ACTIVATION = ProvisioningRequest(activation_number=NUMBER, confirm_erase=True)
NOTHING = ProvisioningRequest()
TIMEOUTS = StepTimeouts(
    reach_s=0.3, networks_s=0.3, rejoin_s=3, leave_s=1, activate_s=0.6, verify_s=0.5, probe_s=0.05, person_s=10
)


class Lab:
    """Provisioning over simulated cameras; `visible` is where the gateway's host is: at home, or in the hotspot."""

    def __init__(self, bench: Bench, timeouts: StepTimeouts = TIMEOUTS) -> None:
        self.bench = bench
        self.table = ProvisioningJobTable(bench.database)
        self.visible: Callable[[Any], bool] = lambda camera: True
        self.published: list[tuple[str, str, str | None]] = []
        self.moves = 0
        self.provisioning = self.make(timeouts)

    def make(
        self,
        timeouts: StepTimeouts = TIMEOUTS,
        cameras: Cameras | None = None,
        scan: Callable[[], Awaitable[ScanResult]] | None = None,
    ) -> Provisioning:
        bench = self.bench
        made = Provisioning(
            cameras or bench.cameras,
            bench.registry,
            self.table,
            bench.supervisor,
            scan=scan or self.scan,
            timeouts=timeouts,
        )
        made.subscribe(lambda job: self.published.append((job.step, job.state, job.reason)))
        return made

    async def scan(self) -> ScanResult:
        devices = [
            DiscoveredDevice(
                address=camera.address,
                interface="lo",
                found_by="broadcast",
                sn=camera.sn,
                model=camera.state.model,
                mac=camera.state.mac,
                hotspot=camera.state.hotspot,
            )
            for camera in self.bench.simulated
            if camera.on_network and self.visible(camera)
        ]
        for device in devices:
            self.bench.registry.record_device(device)
        return ScanResult(sightings=devices, unidentified=[], methods={})

    async def camera(self, **options: Any) -> Any:
        """Start a factory-new camera in hotspot mode, which moves when it joins."""
        return await self.bench.simulate(**{"hotspot": True, "on_wifi": self.move, "rejoin_s": 0.15, **options})

    def move(self, camera: Any, ssid: str) -> str:
        self.moves += 1
        return f"127.22.0.{self.moves}"

    async def until(self, is_so: Callable[[ProvisioningJob], bool], sn: str = SN) -> ProvisioningJob:
        while not is_so(job := self.provisioning.get(sn)):
            await asyncio.sleep(0.005)
        return job

    async def end(self, sn: str = SN) -> ProvisioningJob:
        return await self.until(lambda job: not job.is_active, sn)

    async def run(self, request: ProvisioningRequest, sn: str = SN) -> ProvisioningJob:
        await self.provisioning.start(sn, request)
        return await self.end(sn)

    async def fails(self, request: ProvisioningRequest, step: str, reason: str, sn: str = SN) -> ProvisioningJob:
        job = await self.run(request, sn)
        assert (job.state, job.step, job.reason) == ("failed", step, reason), job.describe()
        assert job.get_step(job.step).state == "failed"
        assert job.detail
        assert await self.table.load_all() == {}
        return job


@pytest.fixture
async def lab(bench: Bench) -> AsyncIterator[Lab]:
    lab = Lab(bench)
    await lab.scan()
    yield lab
    await lab.provisioning.close()


def outcome(job: ProvisioningJob) -> list[str]:
    return [f"{step.name} {step.state}" for step in job.steps]


ALL_DONE = ["reach done", "networks done", "wifi done", "rejoin done", "activate done", "verify done"]


# The whole way


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
    assert camera.state.groups == ["stranger", "regular"]


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
    camera.faults.clock_offset_s = 3 * 7 * 86400
    await lab.scan()
    assert (await lab.run(WHOLE)).state == "done"
    assert camera.request_paths.count("device/activate") == 1


# With a person's help


async def test_a_sealed_camera_from_a_laptop(lab: Lab) -> None:
    """The laptop is at home, in the hotspot, and at home again; nobody has ever seen the camera before."""
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
    await lab.camera()
    await lab.scan()
    lab.visible = lambda camera: False
    lab.bench.registry.get(SN).hotspot = True
    await lab.provisioning.start(SN, WIFI)
    job = await lab.until(lambda job: job.state == "waiting")
    assert "SUNMI_4512" in job.detail


async def test_nobody_joins_the_hotspot(lab: Lab) -> None:
    lab.provisioning = lab.make(StepTimeouts(reach_s=0.1, person_s=0.2, probe_s=0.05))
    await lab.fails(WIFI, "reach", "not_reachable")
    assert ("reach", "waiting", "join_hotspot") in lab.published


async def test_a_camera_that_does_not_come_back(lab: Lab) -> None:
    lab.provisioning = lab.make(StepTimeouts(reach_s=0.1, rejoin_s=0.3, leave_s=0.2, person_s=10, probe_s=0.05))
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


# Failures, by reason


async def test_not_reachable(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    await camera.stop()
    job = await lab.fails(ACTIVATION, "reach", "not_reachable")
    assert camera.address in job.detail


async def test_network_not_seen(lab: Lab) -> None:
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
    other = await lab.bench.simulate("SS101D8BS00001", activated=True)
    lab.visible = lambda camera: False
    await lab.bench.registry.manage(SN, other.address)
    job = await lab.fails(ACTIVATION, "reach", "wrong_serial_number")
    assert "SS101D8BS00001" in job.detail


async def test_no_internet_is_tried_again_until_the_limit(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, internet=False)
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "no_internet")
    assert camera.request_paths.count("device/activate") > 2


async def test_internet_that_comes_late(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False, internet=False)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: camera.request_paths.count("device/activate") >= 1)
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
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    camera.faults.latency_s = 0.1
    lab.visible = lambda camera: False
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.bench.registry.forget(SN)
    job = await lab.end()
    assert (job.state, job.reason) == ("failed", "not_reachable")


# An activation is sent once


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "silent", "garbage"])
async def test_an_activation_whose_answer_is_lost_is_sent_once(lab: Lab, kind: Any) -> None:
    camera = await lab.camera()
    camera.faults.add(kind, path="device/activate")
    await lab.scan()
    job = await lab.run(WHOLE)
    if kind == "reset_after":
        assert outcome(job) == ALL_DONE
        assert "the answer had been lost" in job.get_step("activate").detail
    else:
        assert (job.state, job.step, job.reason) == ("failed", "activate", "activation_unknown")
    assert camera.request_paths.count("device/activate") == 1


async def test_a_person_decides_about_an_unknown_activation(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("silent", path="device/activate")
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "activation_unknown")
    await lab.fails(NOTHING, "activate", "activation_unknown")  # asked again, not sent again
    assert camera.request_paths.count("device/activate") == 1
    camera.state.activate("EF3OG8R5B32X0")  # it had been slow
    assert (await lab.run(NOTHING)).state == "done"
    assert camera.request_paths.count("device/activate") == 1


async def test_a_person_sends_an_activation_again(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("reset_before", path="device/activate")
    await lab.scan()
    await lab.fails(ACTIVATION, "activate", "activation_unknown")
    assert (await lab.run(ACTIVATION)).state == "done"
    assert camera.request_paths.count("device/activate") == 2


# Requests

BAD = {
    "no confirmation": (ProvisioningRequest(activation_number=NUMBER), "confirm_erase"),
    "a blank number": (ProvisioningRequest(activation_number=" ", confirm_erase=True), "activation_number"),
    "a long number": (ProvisioningRequest(activation_number="1" * 65, confirm_erase=True), "activation_number"),
    "a password alone": (ProvisioningRequest(password=PASSWORD), "ssid"),
    "a long network name": (ProvisioningRequest(ssid="x" * 33, password=PASSWORD), "ssid"),
    "a short password": (ProvisioningRequest(ssid=SSID, password="short"), "password"),
    "a long name": (ProvisioningRequest(name="x" * 37), "name"),
}


@pytest.mark.parametrize(("request_", "parameter"), BAD.values(), ids=BAD)
async def test_bad_requests(lab: Lab, request_: ProvisioningRequest, parameter: str) -> None:
    camera = await lab.camera()
    await lab.scan()
    with pytest.raises(InvalidRequest) as caught:
        await lab.provisioning.start(SN, request_)
    assert [fault.parameter for fault in caught.value.field_errors] == [parameter]
    assert not lab.bench.registry.get(SN).managed
    assert camera.handshakes == 0


async def test_one_job_per_camera(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.latency_s = 0.1
    await lab.scan()
    job = await lab.provisioning.start(SN, WHOLE)
    assert await lab.provisioning.start(SN, WHOLE) is job
    assert await lab.provisioning.start(SN, NOTHING) is job
    with pytest.raises(Conflict, match="cancel"):
        await lab.provisioning.start(SN, WIFI)
    assert (await lab.end()).state == "done"


async def test_two_starts_at_the_same_moment_are_one_job(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.scan()
    first, second = await asyncio.gather(*(lab.provisioning.start(SN, WHOLE) for _ in range(2)))
    assert first is second
    assert (await lab.end()).state == "done"
    assert camera.request_paths.count("config/setWifiConfWithoutAuth") == 1


async def test_several_cameras_at_once(lab: Lab) -> None:
    cameras = [await lab.camera(sn=f"SS101D8BS{number:05}", model="FM010") for number in range(4)]
    await lab.scan()
    for camera in cameras:
        await lab.provisioning.start(camera.sn, WHOLE)
    for camera in cameras:
        assert (await lab.end(camera.sn)).state == "done"
    assert len({camera.address for camera in cameras}) == 4


@pytest.mark.parametrize("step", ["reach", "networks", "rejoin", "activate"])
async def test_a_job_can_be_cancelled(lab: Lab, step: str) -> None:
    camera = await lab.camera()
    camera.faults.latency_s = 0.1
    await lab.scan()
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.step == step)
    job = await lab.provisioning.cancel(SN)
    assert (job.state, job.reason, job.step) == ("cancelled", "cancelled", step)
    assert await lab.table.load_all() == {}
    with pytest.raises(Conflict, match="ended"):
        await lab.provisioning.cancel(SN)
    with pytest.raises(InvalidRequest, match="activation_number: is not kept"):
        await lab.provisioning.start(SN, NOTHING)


async def test_there_is_nothing_to_cancel(lab: Lab) -> None:
    with pytest.raises(NotFound):
        await lab.provisioning.cancel(SN)


# Secrets


def everything_on_disk(bench: Bench) -> bytes:
    return b"".join(file.read_bytes() for file in bench.folder.glob("gateway.db*"))


@pytest.mark.parametrize("ending", ["done", "failed", "cancelled"])
async def test_secrets_are_on_the_disk_no_longer_than_needed(lab: Lab, ending: str) -> None:
    camera = await lab.camera()
    camera.faults.latency_s = 0.05
    await lab.scan()
    if ending == "failed":
        camera.faults.add("refuse", path="device/activate", code=9)
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.step == "networks")
    assert PASSWORD.encode() in everything_on_disk(lab.bench)
    if ending == "cancelled":
        await lab.provisioning.cancel(SN)
    job = await lab.end()
    assert job.state == ending
    for secret in (PASSWORD, NUMBER):
        assert secret.encode() not in everything_on_disk(lab.bench)
        assert secret not in repr(job)
        assert secret not in str(job.describe())


async def test_no_secret_is_logged(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await lab.camera()
    await lab.scan()
    await lab.run(WHOLE)
    assert PASSWORD not in caplog.text
    assert NUMBER not in caplog.text


MALFORMED = {
    "no JSON": "{",
    "no object": "[1, 2]",
    "an unknown request": '{"request": {"unknown": 1}}',
    "an unknown step": """{"request": {}, "step": "dance", "steps": [], "via_hotspot": false, "wifi_address": "",
        "activation_sent": false, "had_password": false, "had_number": false}""",
}


@pytest.mark.parametrize("state", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_stored_job_is_deleted_and_the_others_are_resumed(
    lab: Lab, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.provisioning.close()
    async with lab.bench.database.write() as connection:
        await connection.execute("INSERT INTO provisioning_job (sn, state) VALUES ('BAD', ?)", (state,))
    lab.provisioning = lab.make()
    await lab.provisioning.resume()
    assert "The stored provisioning of the camera BAD cannot be read" in caplog.text
    assert (await lab.end()).state == "done"
    assert camera.state.activated
    assert await lab.table.load_all() == {}


async def test_a_malformed_stored_job_is_replaced_by_a_new_one(lab: Lab) -> None:
    await lab.camera(hotspot=False)
    await lab.scan()
    await lab.table.save(SN, {"request": None})
    assert (await lab.run(ACTIVATION)).state == "done"


async def test_a_job_that_breaks_fails_and_is_reported_and_the_next_ones_run(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    is_broken = True

    async def scan() -> ScanResult:
        if is_broken:
            raise RuntimeError("out of order")
        return await lab.scan()

    async def report() -> TaskReport:
        await lab.provisioning.wait_until_ended(SN)
        reports: list[TaskReport] = lab.bench.supervisor.reports()
        return next(one for one in reports if one.name == "camera provisioning")

    await lab.camera()
    await lab.scan()
    lab.provisioning = lab.make(scan=scan)
    for count in range(1, 4):  # however often it fails
        await lab.fails(WIFI, "reach", "internal")
        assert ((await report()).state, (await report()).failures) == ("failing", count)
    assert (await report()).last_failure == "RuntimeError: out of order"
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    is_broken = False
    assert (await lab.run(WIFI)).state == "done"
    assert ((await report()).state, (await report()).failures) == ("running", 3)


async def test_a_failing_subscriber_hinders_nobody(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    def fail(job: ProvisioningJob) -> None:
        raise RuntimeError("no")

    lab.provisioning.subscribe(fail)
    await lab.camera()
    await lab.scan()
    assert (await lab.run(WIFI)).state == "done"
    assert "subscriber failed" in caplog.text


# Waiting for the end


async def test_who_waits_for_the_end_learns_what_made_it_fail(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    await lab.scan()
    await lab.provisioning.start(SN, ProvisioningRequest(activation_number="4711471147114711", confirm_erase=True))
    job = await lab.provisioning.wait_until_ended(SN)
    assert isinstance(job.problem, VendorRefused)
    assert job.problem.vendor_code == 9
    await lab.provisioning.start(SN, ACTIVATION)
    assert (await lab.provisioning.wait_until_ended(SN)).problem is None
    assert camera.state.activated
    with pytest.raises(NotFound):
        await lab.provisioning.wait_until_ended("SS101D8BS00001")


async def test_a_stored_job_that_nothing_has_resumed_goes_on_with_the_next_start(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.latency_s = 0.1
    await lab.scan()
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.step == "networks")
    await lab.provisioning.close()  # as a crash does, it leaves the job in the store
    lab.provisioning = lab.make(TIMEOUTS)
    await lab.provisioning.start(SN, NOTHING)
    assert outcome(await lab.end())[4:] == ["activate done", "verify done"]
    assert camera.state.name == "Door"
