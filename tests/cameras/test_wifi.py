"""Access points and Wi-Fi settings of simulated cameras."""

from typing import Any

import pytest

from gateway.cameras.cameras import AccessPoint, AccessPointListUnsupported
from gateway.errors import (
    InvalidRequest,
    NotManaged,
)
from gateway.settings import CameraSettings
from tests.cameras.conftest import NUMBER, Bench

WIFI = ("SunmiStore", "plenty-of-coffee")


NETWORKS = [
    AccessPoint("SunmiStore", "WPA-PSK"),
    AccessPoint("Cafe Guests", "NONE"),
    AccessPoint("OldRouter", "WEP"),
]


@pytest.mark.parametrize("managed", [False, True])
async def test_access_points_before_activation_need_no_signature(bench: Bench, managed: bool) -> None:
    camera = await bench.simulate()
    bench.record_device(camera)
    if managed:
        await bench.registry.manage(camera.sn)
    assert await bench.cameras.list_access_points(camera.sn) == NETWORKS
    assert camera.request_paths == ["config/getApListWithoutAuth"]
    assert not camera.requests[0].fields
    assert bench.registry.get(camera.sn).activation == "not_activated"


async def test_access_points_after_activation_are_signed(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate(activated=True))
    assert await bench.cameras.list_access_points(camera.sn) == NETWORKS
    assert await bench.cameras.list_access_points(camera.sn) == NETWORKS
    assert camera.request_paths.count("config/getApListWithoutAuth") == 1  # its state is known then


async def test_an_activated_camera_that_nobody_manages_is_not_asked_with_signatures(bench: Bench) -> None:
    camera = await bench.simulate(activated=True)
    bench.record_device(camera)
    with pytest.raises(NotManaged, match=f"cameras add {camera.sn}"):
        await bench.cameras.list_access_points(camera.sn)
    assert not bench.registry.get(camera.sn).certificate_sha256


async def test_firmware_without_the_unsigned_list(bench: Bench) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.add("status", path="config/getApListWithoutAuth", status=404, times=None)
    with pytest.raises(AccessPointListUnsupported, match="type the network's name"):
        await bench.cameras.list_access_points(camera.sn)
    assert await bench.cameras.probe_activation(camera.sn) == "unknown"
    assert await bench.cameras.set_wifi(camera.sn, *WIFI)
    await camera.wait_until_back()
    await bench.cameras.activate(camera.sn, NUMBER)
    assert await bench.cameras.list_access_points(camera.sn) == NETWORKS


@pytest.mark.parametrize("activated", [False, True])
async def test_wifi_is_set_unsigned_before_activation_and_signed_after(bench: Bench, activated: bool) -> None:
    camera = await bench.manage(await bench.simulate(activated=activated))
    assert await bench.cameras.set_wifi(camera.sn, *WIFI)
    await camera.wait_until_back()
    assert camera.state.wifi == WIFI[0]
    wifi = next(request for request in camera.requests if "password" in request.fields)
    assert ("sign" in wifi.fields) is activated


@pytest.mark.parametrize("fault", [("reset_after", {}), ("silent", {})])
async def test_a_camera_that_is_gone_before_it_answers(bench: Bench, fault: tuple[Any, dict[str, Any]]) -> None:
    camera = await bench.manage(await bench.simulate())
    camera.faults.add(fault[0], path="config/setWifiConfWithoutAuth")
    cameras = bench.calls(CameraSettings(timeout_s=0.5))
    assert await cameras.set_wifi(camera.sn, *WIFI) is False
    assert camera.request_paths.count("config/setWifiConfWithoutAuth") == 1
    await cameras.close()


BAD_WIFI = {
    "a long name": ("x" * 33, "password"),
    "no name": ("", "password"),
    "a short password": ("SunmiStore", "1234567"),
    "a long password": ("SunmiStore", "x" * 65),
    "WEP": ("OldRouter", "password"),
}


@pytest.mark.parametrize(("ssid", "password"), BAD_WIFI.values(), ids=BAD_WIFI)
async def test_bad_wifi_never_reaches_the_camera(bench: Bench, ssid: str, password: str) -> None:
    camera = await bench.manage(await bench.simulate())
    with pytest.raises(InvalidRequest) as caught:
        await bench.cameras.set_wifi(camera.sn, ssid, password)
    assert "password" not in str(caught.value.__cause__)
    assert "config/setWifiConfWithoutAuth" not in camera.request_paths
