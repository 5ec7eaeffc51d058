"""The simulated store: what the demo starts."""

import ssl
import sys
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import StateError
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore

Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]


async def test_a_store_has_both_models_and_one_activated_camera(post: Post, signed: Signed) -> None:
    async with SimulatedStore(cameras=3) as store:
        assert [camera.state.activated for camera in store.cameras] == [True, False, False]
        assert {camera.state.model for camera in store.cameras} == {"FM010", "FM020"}
        assert set(store.activation_numbers) == {camera.sn for camera in store.cameras[1:]}
        assert {camera.address for camera in store.cameras} == {
            f"127.20.0.{last}:{store.camera_port}" for last in (2, 3, 4)
        }
        account = {"app_id": store.app_id, "key": store.secret_key}
        info = await post(store.cameras[0], "device/getInfo", signed(**account))
        assert info["data"]["sn"] == store.cameras[0].sn
        seen = await post(store.cameras[1], "config/getApListWithoutAuth")
        assert sorted(point["key_mgmt"] for point in seen["data"]["ap_list"]) == ["NONE", "WEP", "WPA-PSK"]


async def test_a_camera_is_put_on_wifi_and_activated(post: Post, signed: Signed) -> None:
    async with SimulatedStore(cameras=2) as store:
        camera = store.cameras[1]
        before = camera.address
        wifi = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}
        assert await post(camera, "config/setWifiConfWithoutAuth", wifi) == {"code": 0}
        await camera.wait_until_back()
        assert camera.address != before
        assert camera.address.endswith(f":{store.camera_port}")
        number = store.activation_numbers[camera.sn]
        fields = signed({"sn": camera.sn}, app_id=store.app_id, key=number)
        assert await post(camera, "device/activate", fields) == {"code": 0}
        assert store.camera(camera.sn).state.wifi == WIFI_SSID


async def test_a_gateway_reaches_the_store_with_its_settings(tmp_path: Path, signed: Signed) -> None:
    async with SimulatedStore(cameras=1) as store:
        settings = tomllib.loads(store.settings_toml(tmp_path))
        assert settings["cameras"] == {"port": store.camera_port}
        assert settings["discovery"] == {"interfaces": ["lo"], "broadcast_port": store.broadcast_port}
        cloud = settings["cloud"]
        context = ssl.create_default_context(cafile=cloud["ca_file"])
        fields = signed({"shop_id": cloud["shop_id"]}, app_id=cloud["app_id"], key=cloud["secret_key"])
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.post(f"{cloud['base_url']}/device/ipc/getList", data=fields) as response,
        ):
            answer = await response.json()
        assert [row["ipc_sn"] for row in answer["data"]["ipc_list"]] == [store.cameras[0].sn]


async def test_two_stores_run_at_once() -> None:
    async with SimulatedStore(cameras=2) as one, SimulatedStore(cameras=2) as other:
        assert one.camera_port != other.camera_port
        assert one.broadcast_port != other.broadcast_port


async def test_a_store_that_cannot_start_leaves_nothing_behind() -> None:
    async with SimulatedStore(cameras=1) as store:
        port = store.camera_port
        with pytest.raises(OSError, match="in use"):
            await SimulatedStore(cameras=1, camera_port=port).__aenter__()


async def test_other_systems_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(StateError, match="only Linux"):
        await SimulatedStore().__aenter__()


@pytest.mark.parametrize("cameras", [0, 101])
def test_the_number_of_cameras_is_limited(cameras: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        SimulatedStore(cameras=cameras)
