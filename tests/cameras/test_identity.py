"""Which camera gets a secret: what is at the address now is asked who it is, however well it was known before."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.cameras.connection import CameraConnection
from gateway.errors import CameraUnreachable, CameraUntrusted
from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.camera import SimulatedCamera
from tests.cameras.conftest import NUMBER, Bench

SN, OTHER = "FS101D8BS00106", "FS101D8BS00107"
WIFI = ("SunmiStore", "plenty-of-coffee")
SECRETS = {
    "Wi-Fi": lambda bench: bench.cameras.set_wifi(SN, *WIFI),
    "activation": lambda bench: bench.cameras.activate(SN, NUMBER),
}


async def replace_camera(bench: Bench, camera: SimulatedCamera, **options: Any) -> SimulatedCamera:
    """Let another camera take the address, as when a laptop joins the next hotspot."""
    other = await bench.simulate(OTHER, hotspot=camera.state.hotspot, **options)
    await move_to(other, camera)
    return other


async def move_to(other: SimulatedCamera, camera: SimulatedCamera) -> None:
    """Stop a camera, and let another one take its address."""
    await other.stop()
    host, _, port = camera.address.rpartition(":")
    await camera.stop()
    other.set_address(host, int(port))
    await other.start()


@pytest.mark.parametrize("hotspot", [True, False])
@pytest.mark.parametrize("send", SECRETS.values(), ids=SECRETS)
async def test_another_camera_at_the_address_gets_no_secret(
    bench: Bench, hotspot: bool, send: Callable[[Bench], Awaitable[object]]
) -> None:
    camera = await bench.manage(await bench.simulate(SN, hotspot=hotspot))
    await bench.cameras.list_access_points(SN)
    other = await replace_camera(bench, camera)
    with pytest.raises(CameraUntrusted, match=OTHER):
        await send(bench)
    assert not {"config/setWifiConfWithoutAuth", "device/activate"} & set(other.request_paths)


async def test_an_activated_camera_at_the_address_is_not_reset_in_place_of_another(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.refresh(SN)
    other = await replace_camera(bench, camera, activated=True)
    with pytest.raises(CameraUntrusted, match=OTHER):
        await bench.cameras.call(SN, CATALOGUE.get("camera", "device/reset").encode({}))
    assert "device/reset" not in other.request_paths


async def test_another_camera_in_the_hotspot_says_nothing_of_this_one(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN, hotspot=True))
    await bench.cameras.probe_activation(SN)
    other = await replace_camera(bench, camera, activated=True)
    with pytest.raises(CameraUntrusted, match=OTHER):
        await bench.cameras.list_access_points(SN)
    with pytest.raises(CameraUntrusted, match=OTHER):
        await bench.cameras.probe_activation(SN)
    assert other.request_paths == []
    assert bench.registry.get(SN).activation == "not_activated"


async def test_a_camera_that_moved_gets_it_at_the_address_where_it_is_now(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN))
    await bench.cameras.list_access_points(SN)
    old = camera.address
    other = await replace_camera(bench, camera)
    camera.set_address("127.24.0.9", 0)
    await camera.start()
    bench.record_device(camera)
    assert bench.registry.get(SN).address == old
    assert await bench.cameras.set_wifi(SN, *WIFI)
    assert "config/setWifiConfWithoutAuth" in camera.request_paths
    assert "config/setWifiConfWithoutAuth" not in other.request_paths


@pytest.mark.parametrize("send", SECRETS.values(), ids=SECRETS)
async def test_what_does_not_say_who_it_is_gets_no_secret_in_a_hotspot(
    bench: Bench, send: Callable[[Bench], Awaitable[object]]
) -> None:
    camera = await bench.manage(await bench.simulate(SN, hotspot=True))
    await bench.cameras.list_access_points(SN)
    bench.responder.faults.silent = True
    with pytest.raises(CameraUnreachable, match="any camera may be"):
        await send(bench)
    assert set(camera.request_paths) == {"config/getApListWithoutAuth"}


async def test_a_silent_camera_at_an_address_of_its_own_is_set_up(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN))
    bench.responder.faults.silent = True
    await bench.cameras.activate(SN, NUMBER)
    assert camera.state.activated


async def test_a_secret_goes_over_the_connection_at_whose_end_the_camera_was_asked(bench: Bench) -> None:
    """The camera is replaced after it has said who it is: the request must not open another connection."""
    camera = await bench.manage(await bench.simulate(SN, hotspot=True))
    others: list[SimulatedCamera] = []

    async def replace() -> None:
        others.append(await replace_camera(bench, camera))

    with pytest.raises(CameraUnreachable, match="closed the connection"):
        await bench.cameras.activate(SN, NUMBER, before_sending=replace)
    assert others[0].request_paths == []


async def test_who_is_there_is_asked_again_before_a_secret_is_signed_by_another_clock(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera refuses the time of an activation, closes the connection, and is replaced."""
    camera = await bench.manage(await bench.simulate(SN, hotspot=True))
    camera.faults.date_offset_s = 8 * 3600
    other = await bench.simulate(OTHER, hotspot=True)
    connect = CameraConnection.open

    async def replace_after_the_refusal(connection: CameraConnection, *, timeout_s: float) -> None:
        if "device/activate" in camera.request_paths and not connection.is_open and other.address != connection.address:
            await move_to(other, camera)
        await connect(connection, timeout_s=timeout_s)

    monkeypatch.setattr(CameraConnection, "open", replace_after_the_refusal)
    with pytest.raises(CameraUntrusted, match=OTHER):
        await bench.cameras.activate(SN, NUMBER)
    assert camera.request_paths.count("device/activate") == 1
    assert "device/activate" not in other.request_paths


# An activated camera, replaced by another one that shows the same certificate


async def replace_by_impostor(bench: Bench, camera: SimulatedCamera, impostor: SimulatedCamera) -> None:
    """Let something else take the address that says in discovery that it is the camera."""
    host, _, port = camera.address.rpartition(":")
    await camera.stop()
    await impostor.stop()
    impostor.set_address(host, int(port))
    await impostor.start()
    bench.simulated.remove(camera)
    bench.responder.follow_devices()


@pytest.mark.parametrize("path", ["config/setWifiConf", "device/reset", "device/reboot", "config/formatMemoryCard"])
async def test_a_proved_camera_proves_itself_again_before_a_secret_and_what_cannot_be_undone(
    bench: Bench, path: str
) -> None:
    camera = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.refresh(SN)
    impostor = await bench.simulate(SN, activated=True, app_id="OTHERACCOUNT1", secret_key="another-secret-key")
    await replace_by_impostor(bench, camera, impostor)
    arguments = {"ssid": WIFI[0], "password": WIFI[1]} if path == "config/setWifiConf" else {}
    with pytest.raises(CameraUntrusted, match="does not prove to be it"):
        await bench.cameras.call(SN, CATALOGUE.get("camera", path).encode(arguments))
    assert path not in impostor.request_paths


async def test_a_camera_that_proves_itself_gets_the_secret_each_time(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(SN, activated=True))
    await bench.cameras.refresh(SN)
    proofs = camera.request_paths.count("device/getInfo")
    assert await bench.cameras.set_wifi(SN, *WIFI)
    await camera.wait_until_back()
    assert camera.request_paths.count("device/getInfo") == proofs + 1
    assert camera.request_paths[-1] == "config/setWifiConf"
