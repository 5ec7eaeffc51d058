"""Cameras that do not answer, are not who they should be, or have a wrong clock; client certificates good and bad."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from gateway.app import Gateway
from gateway.discovery.device import DiscoveredDevice
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.search import find

PASSWORD = "p12-password"


@pytest.fixture
async def cameras(gateway: Gateway, store: SimulatedStore) -> list[SimulatedCamera]:
    """Return the store's cameras, all managed; the first is activated by this account."""
    await find(gateway, store.cameras)
    for camera in store.cameras:
        await gateway.registry.manage(camera.sn)
        await gateway.cameras.confirm_certificate(camera.sn)
        await gateway.cameras.probe_activation(camera.sn)
    return store.cameras


async def test_all_answer(resident: Any, cameras: list[SimulatedCamera]) -> None:
    found = await resident("cameras", "camera_clocks")
    assert [one.status for one in found["cameras"]] == ["ok"]
    assert "2 of 2" in found["cameras"][0].what
    assert [one.status for one in found["camera_clocks"]] == ["ok"]


async def test_an_account_for_cameras_alone_is_recommended(resident: Any, with_settings: Callable[..., Any]) -> None:
    found = await resident.one("camera_account")
    assert found.status == "ok"
    assert "cameras.app_id" in found.what_to_do
    own = await with_settings(cameras__app_id="CAMERASONLY", cameras__secret_key="of-their-own").one("camera_account")
    assert (own.status, own.what_to_do) == ("ok", "")


async def test_two_devices_with_one_serial_number_are_named(resident: Any, gateway: Gateway) -> None:
    assert (await resident.one("serial_numbers")).status == "ok"
    for address, mac in (("10.0.0.7:443", "0C:25:76:AA:BB:CC"), ("10.0.0.8:443", "0C:25:76:11:22:33")):
        gateway.registry.record_device(
            DiscoveredDevice(address=address, interface="eth0", found_by="broadcast", sn="FS101D8BS00777", mac=mac)
        )
    found = await resident.one("serial_numbers")
    assert (found.status, found.what) == ("warning", "two devices say that they are FS101D8BS00777")
    assert "10.0.0.7:443 and 10.0.0.8:443" in found.evidence


async def test_none_is_managed(resident: Any) -> None:
    assert (await resident.one("cameras")).status == "skipped"


@pytest.mark.parametrize("number", [0, 1], ids=["activated", "factory-new"])
async def test_a_changed_certificate_names_what_to_compare(
    resident: Any, cameras: list[SimulatedCamera], number: int
) -> None:
    camera = cameras[number]
    camera.faults.changed_certificate = True
    bad, good = (await resident("cameras"))["cameras"]
    assert (bad.status, good.status) == ("failed", "ok")
    assert f"{camera.sn} is not trusted" in bad.what
    assert f"cameras trust {camera.sn} --certificate " in bad.what_to_do
    assert len(bad.what_to_do.split()[-1]) == 64


async def test_a_camera_of_another_owner_and_one_that_is_not_activated(
    resident: Any, cameras: list[SimulatedCamera]
) -> None:
    new, ours = (await resident("activation"))["activation"]
    assert (new.status, new.what) == ("warning", f"{cameras[1].sn} is managed, but not activated")
    assert f"cameras provision {cameras[1].sn}" in new.what_to_do
    assert (ours.status, ours.what) == ("ok", "managed cameras of this account: 1 of 2")
    cameras[0].state.owner = "ANOTHER"
    lost, new = (await resident("activation"))["activation"]
    assert (lost.status, lost.what) == ("failed", f"{cameras[0].sn} belongs to another account")


@pytest.mark.parametrize("known_address", [True, False], ids=["connected", "after-a-restart"])
async def test_a_camera_that_was_reset_is_to_be_provisioned_again(
    resident: Any, gateway: Gateway, cameras: list[SimulatedCamera], known_address: bool
) -> None:
    sn = cameras[0].sn
    cameras[0].state.factory_reset()
    if not known_address:
        gateway.registry.get(sn).verified_address = ""
    found = await resident("cameras", "activation")
    assert found["cameras"][0].what == f"{sn} is not activated for this account"
    assert f"cameras provision {sn}" in found["cameras"][0].what_to_do
    assert f"{sn} is managed, but not activated" in [one.what for one in found["activation"]]
    assert gateway.registry.get(sn).activation == "not_activated", "the list of cameras shows it, too"


async def test_a_camera_that_is_gone(resident: Any, cameras: list[SimulatedCamera]) -> None:
    await cameras[0].stop()
    bad, good = (await resident("cameras"))["cameras"]
    assert (bad.status, good.status) == ("failed", "ok")
    assert cameras[0].sn in bad.what


async def test_a_camera_that_cannot_be_read(resident: Any, cameras: list[SimulatedCamera]) -> None:
    cameras[0].faults.add("html", times=None)
    bad, good = (await resident("cameras"))["cameras"]
    assert (bad.status, good.status) == ("failed", "ok")
    assert f"{cameras[0].sn} answers" in bad.what
    assert f"cameras capture {cameras[0].sn}" in bad.what_to_do


async def test_a_wrong_clock(resident: Any, cameras: list[SimulatedCamera]) -> None:
    cameras[0].faults.clock_offset_s = -86400
    await resident("cameras")
    found = await resident.one("camera_clocks")
    assert found.status == "warning"
    assert f"{cameras[0].sn} -8640" in found.evidence
    assert "uses that time" in found.evidence


@pytest.mark.parametrize(
    ("days", "advice"), [(-30, "work anyway"), (30, "no call is signed for a time 26 hours ahead")]
)
async def test_a_clock_that_is_days_away(resident: Any, cameras: list[SimulatedCamera], days: int, advice: str) -> None:
    cameras[0].faults.clock_offset_s = days * 86400
    await resident("cameras")
    assert advice in (await resident.one("camera_clocks")).what_to_do


async def test_a_camera_that_refuses_the_time_has_power_and_a_network(
    resident: Any, cameras: list[SimulatedCamera]
) -> None:
    cameras[0].faults.clock_offset_s = 400 * 86400
    found = (await resident("cameras"))["cameras"][0]
    assert (found.status, found.what) == ("failed", f"{cameras[0].sn} answers, but refuses the call")
    assert "clock" in found.what_to_do
    assert "power" not in found.what_to_do


async def test_a_date_that_is_not_the_cameras_clock(resident: Any, cameras: list[SimulatedCamera]) -> None:
    cameras[0].faults.date_offset_s = 8 * 3600
    await resident("cameras")
    found = await resident.one("camera_clocks")
    assert found.status == "warning"
    assert f"{cameras[0].sn} +28" in found.evidence
    assert "uses this machine's clock" in found.evidence


def container(path: Path, begin: datetime, end: datetime) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string("CN=openapi")
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, begin, end).sign(key, hashes.SHA256())
    encryption = BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"openapi", key, made, None, encryption))
    return path


@pytest.mark.parametrize(
    ("days", "status", "word"),
    [(400, "ok", "valid until"), (10, "warning", "expires soon"), (-1, "failed", "not valid now")],
)
async def test_a_client_certificate_has_an_end(
    with_settings: Callable[..., Any], tmp_path: Path, days: int, status: str, word: str
) -> None:
    now = datetime.now(UTC)
    file = container(tmp_path / "openapi.p12", now - timedelta(days=500), now + timedelta(days=days))
    doctor = with_settings(cameras__client_certificate=file, cameras__client_certificate_password=PASSWORD)
    found = await doctor.one("client_certificate")
    assert found.status == status
    assert word in found.what + found.evidence
    assert PASSWORD not in str(found)


async def test_a_wrong_password_and_a_missing_file(with_settings: Callable[..., Any], tmp_path: Path) -> None:
    now = datetime.now(UTC)
    file = container(tmp_path / "openapi.p12", now, now + timedelta(days=400))
    doctor = with_settings(cameras__client_certificate=file, cameras__client_certificate_password="wrong-word")
    found = await doctor.one("client_certificate")
    assert found.status == "failed"
    assert "client_certificate_password is wrong" in found.what
    assert "wrong-word" not in str(found)
    file.unlink()
    assert "cannot be read" in (await doctor.one("client_certificate")).what


async def test_whether_pictures_can_be_shown(resident: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    [found] = (await resident("pictures"))["pictures"]
    assert (found.status, found.evidence) == ("ok", str(program))
    program.unlink()
    [found] = (await resident("pictures"))["pictures"]
    assert (found.status, found.what_to_do) == ("warning", "install it: apt install ffmpeg")
