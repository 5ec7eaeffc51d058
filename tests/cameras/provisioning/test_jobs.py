"""Provisioning jobs: requests, their end, their secrets, and what is stored."""

import asyncio

import pytest

from gateway.cameras.provisioning import ProvisioningJob, ProvisioningRequest
from gateway.discovery.scan import ScanResult
from gateway.errors import Conflict, InvalidRequest, NotFound, VendorRefused
from gateway.runtime.supervisor import TaskReport
from tests.cameras.conftest import NUMBER, Bench
from tests.cameras.provisioning.conftest import (
    ACTIVATION,
    NOTHING,
    PASSWORD,
    SN,
    SSID,
    WHOLE,
    WIFI,
    Lab,
    outcome,
)

# Requests

BAD = {
    "no confirmation": (ProvisioningRequest(activation_number=NUMBER), "confirm_erase"),
    "a blank number": (ProvisioningRequest(activation_number=" ", confirm_erase=True), "activation_number"),
    "a long number": (ProvisioningRequest(activation_number="1" * 65, confirm_erase=True), "activation_number"),
    "a password alone": (ProvisioningRequest(password=PASSWORD), "ssid"),
    "a long network name": (ProvisioningRequest(ssid="x" * 33, password=PASSWORD), "ssid"),
    "a short password": (ProvisioningRequest(ssid=SSID, password="short"), "password"),
    "a network name of too many bytes": (ProvisioningRequest(ssid="网" * 11, password=PASSWORD), "ssid"),
    "a line break in a network name": (ProvisioningRequest(ssid="Shop\n2", password=PASSWORD), "ssid"),
    "a line break in a password": (ProvisioningRequest(ssid=SSID, password="plenty\nof coffee"), "password"),
    "a key that is not hexadecimal": (ProvisioningRequest(ssid=SSID, password="x" * 64), "password"),
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
    await lab.restart(in_service=False)
    await lab.provisioning.start(SN, NOTHING)
    assert outcome(await lab.end())[4:] == ["activate done", "verify done"]
    assert camera.state.name == "Door"


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
    await lab.bench.database.execute("INSERT INTO provisioning_job (sn, state) VALUES ('BAD', ?)", (state,))
    await lab.restart()
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


# Who goes on after an interruption


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_a_camera_that_was_not_managed_is_not_managed_after_a_job_that_ends_badly(lab: Lab, ending: str) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("refuse", path="device/activate", code=9)
    camera.faults.latency_s = 0.05
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    if ending == "cancelled":
        await lab.until(lambda job: job.step == "activate")
        await lab.provisioning.cancel(SN)
    assert (await lab.end()).state == ending
    assert not lab.bench.registry.get(SN).managed
    assert not lab.bench.registry.get(SN).certificate_sha256
    camera.faults.clear()
    assert (await lab.run(ACTIVATION)).state == "done"
    assert lab.bench.registry.get(SN).managed


async def test_a_managed_camera_stays_managed(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.add("refuse", path="device/activate", code=9)
    await lab.scan()
    await lab.bench.registry.manage(SN)
    assert (await lab.run(ACTIVATION)).state == "failed"
    assert lab.bench.registry.get(SN).managed


async def test_a_commands_job_waits_for_a_person_after_the_command_has_ended(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.latency_s = 0.1
    await lab.restart(in_service=False)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: job.step == "activate")
    await lab.restart()
    job = lab.provisioning.get(SN)
    assert (job.state, job.reason) == ("waiting", "interrupted")
    assert "the camera has received nothing, and not the activation" in job.detail
    assert "cameras provision FS101D8BS00106 --resume" in caplog.text
    await lab.restart()
    assert lab.provisioning.get(SN).state == "waiting"
    assert await lab.provisioning.start(SN, NOTHING) is lab.provisioning.get(SN)
    assert (await lab.end()).state == "done"
    assert camera.request_paths.count("device/activate") == 1


async def test_a_commands_job_goes_on_in_the_service_once_its_camera_was_changed(lab: Lab) -> None:
    camera = await lab.camera()
    await lab.restart(in_service=False)
    await lab.scan()
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.step == "rejoin")
    await lab.restart()
    assert (await lab.end()).state == "done"
    assert camera.state.activated


async def test_an_interrupted_job_can_be_cancelled(lab: Lab) -> None:
    camera = await lab.camera(hotspot=False)
    camera.faults.latency_s = 0.1
    await lab.restart(in_service=False)
    await lab.scan()
    await lab.provisioning.start(SN, ACTIVATION)
    await lab.until(lambda job: job.step == "activate")
    await lab.restart(in_service=False)
    job = await lab.provisioning.cancel(SN)
    assert (job.state, job.detail) == (
        "cancelled",
        "cancelled; the camera has received nothing, and not the activation",
    )
    assert await lab.table.load_all() == {}
    assert not lab.bench.registry.get(SN).managed


async def test_a_cancelled_job_says_what_the_camera_has_received(lab: Lab) -> None:
    camera = await lab.camera()
    camera.faults.add("slow", path="device/activate", seconds=30)
    await lab.scan()
    await lab.provisioning.start(SN, WHOLE)
    await lab.until(lambda job: job.activation_sent)
    job = await lab.provisioning.cancel(SN)
    assert job.detail == (
        f"cancelled; the camera has received the Wi-Fi network {SSID!r} and an activation whose outcome is not known, "
        "and not the name 'Door'"
    )


async def test_a_start_that_is_under_way_can_be_cancelled(lab: Lab) -> None:
    lab.provisioning = lab.make(scan=lambda: asyncio.sleep(0.2, ScanResult([], [], {}, [])))
    starting = asyncio.create_task(lab.provisioning.start(SN, WIFI))
    await asyncio.sleep(0)
    assert (await lab.provisioning.cancel(SN)).state == "cancelled"
    assert (await starting).state == "cancelled"


async def test_starts_of_several_cameras_do_not_wait_for_each_other(lab: Lab) -> None:
    scans: list[asyncio.Event] = []

    async def scan() -> ScanResult:
        scans.append(asyncio.Event())
        await scans[-1].wait()
        return ScanResult([], [], {}, [])

    lab.provisioning = lab.make(scan=scan)
    numbers = [f"{SN[:-1]}{last}" for last in "ABC"]
    starting = [asyncio.create_task(lab.provisioning.start(sn, WIFI)) for sn in numbers]
    while len(scans) < len(numbers):  # each has asked for a scan, though the first has not ended
        await asyncio.sleep(0)
    for one in scans:
        one.set()
    assert [job.sn for job in await asyncio.gather(*starting)] == numbers
    for sn in numbers:
        await lab.provisioning.cancel(sn)
