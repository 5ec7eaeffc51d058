"""A simulated camera behaves as the vendor's documents say: state, return codes, life cycle."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from gateway.simulator.camera import SimulatedCamera

Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]
Make = Callable[..., Awaitable[SimulatedCamera]]

WORKED_EXAMPLE = {
    "app_id": "JO83UNV983U9OR",
    "random": "289192",
    "sn": "FS101D8BS00106",
    "timestamp": "1593029283",
    "sign": "72CB1C1031D3BA103D2FA1A57E171C2D",
}


async def test_the_worked_example_activates(make_camera: Make, post: Post) -> None:
    camera = await make_camera(clock=lambda: 1593029283.0)
    camera.state.groups |= {"my staff": 100}
    assert await post(camera, "device/activate", WORKED_EXAMPLE) == {"code": 0}
    assert camera.state.activated
    assert camera.state.owner == "JO83UNV983U9OR"
    assert list(camera.state.groups) == ["stranger", "regular"]
    assert await post(camera, "device/activate", WORKED_EXAMPLE) == {"code": 4}


@pytest.mark.parametrize(
    ("given", "key", "code"),
    [
        ({"sn": "FS101D8BS00107"}, "12345678", 8),
        ({"sn": "FS101D8BS00106"}, "12345679", 9),
        ({"sn": "FS101D8BS00106", "app_id": "SOMEBODY"}, "12345678", 10),
        ({"sn": "FS101D8BS00106", "timestamp": "1593029283"}, "12345678", 3),
        ({"sn": "FS101D8BS00106", "random": "12"}, "12345678", 3),
        ({}, "12345678", 2),
        ({"sn": "FS101D8BS00106", "app_id": ""}, "12345678", 2),
    ],
)
async def test_an_activation_is_refused(
    new_camera: SimulatedCamera, post: Post, signed: Signed, given: dict[str, str], key: str, code: int
) -> None:
    assert await post(new_camera, "device/activate", signed(given, key=key)) == {"code": code}
    assert not new_camera.state.activated


async def test_an_activation_needs_the_internet(make_camera: Make, post: Post, signed: Signed) -> None:
    for camera in [await make_camera(hotspot=True), await make_camera(internet=False)]:
        fields = signed({"sn": camera.sn}, key="12345678")
        assert await post(camera, "device/activate", fields) == {"code": 11}


async def test_another_account_may_activate(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(other_accounts={"OTHER": "other key"})
    fields = signed({"sn": camera.sn}, app_id="OTHER", key="12345678")
    assert await post(camera, "device/activate", fields) == {"code": 0}
    assert await post(camera, "device/getInfo", signed()) == {"code": 7}
    assert (await post(camera, "device/getInfo", signed(app_id="OTHER", key="other key")))["code"] == 0


async def test_before_activation_signed_calls_are_refused(
    new_camera: SimulatedCamera, post: Post, signed: Signed
) -> None:
    assert await post(new_camera, "device/getInfo", signed()) == {"code": 7}
    seen = await post(new_camera, "config/getApListWithoutAuth")
    assert seen["data"]["ap_list"][0] == {"ssid": "WeWork", "key_mgmt": "WPA-PSK"}
    assert seen["data"]["num"] == 3


async def test_after_activation_unsigned_calls_are_refused(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    assert await post(camera, "config/getApListWithoutAuth") == {"code": 12}
    fields = {"ssid": "WeWork", "password": "1234567890"}
    assert await post(camera, "config/setWifiConfWithoutAuth", fields) == {"code": 12}
    assert (await post(camera, "config/getApList", signed()))["code"] == 0


async def test_the_public_parameters_are_checked(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    now = int(time.time())
    good = signed({"timestamp": str(now - 280)})
    assert (await post(camera, "device/getInfo", good))["code"] == 0
    assert await post(camera, "device/getInfo", good) == {"code": 3}, "a call that came before"
    refused = {
        5: [signed(key="wrong"), {**signed(), "sign": "IDKNFLK392038KDS932K"}, {**signed(), "extra": "unsigned"}],
        3: [
            signed({"timestamp": str(now - 320)}),
            signed({"timestamp": str(now + 320)}),
            signed({"timestamp": "15930292837"}),
            signed({"random": "12345"}),
            signed({"random": "12345678901"}),
            signed({"random": "1234-678"}),
            {},
        ],
        7: [signed(app_id="SOMEBODY")],
    }
    for code, calls in refused.items():
        for fields in calls:
            assert await post(camera, "device/getInfo", fields) == {"code": code}, fields


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("config/setZoom", {"zoom": "501"}, 110),
        ("config/setZoom", {"zoom": "-1"}, 110),
        ("config/setZoom", {"zoom": "wide"}, 110),
        ("config/setZoom", {}, 110),
        ("config/manualFocus", {"focus": "781"}, 111),
        ("config/autoFocus", {"focus_x": "50", "focus_y": "101"}, 112),
        ("config/setIrMode", {"irmode": "3"}, 113),
        ("config/setRotation", {"rotation": "90"}, 120),
        ("config/setLedSwitch", {"led_switch": "2"}, 119),
        ("config/updateName", {"name": "x" * 37}, 118),
        ("config/setWifiConf", {"ssid": "x" * 33, "password": ""}, 100),
        ("config/setWifiConf", {"ssid": "WeWork", "password": "x" * 65}, 101),
        ("config/setWifiConf", {"password": "1234567890"}, 2),
    ],
)
async def test_invalid_values_have_a_code_of_the_endpoint(
    camera: SimulatedCamera, post: Post, signed: Signed, path: str, fields: dict[str, str], code: int
) -> None:
    assert await post(camera, path, signed(fields)) == {"code": code}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("motion_level", "4", 114),
        ("audio_level", "4", 115),
        ("weekday", "256", 116),
        ("start_time", "1441", 117),
        ("stop_time", "-1", 117),
    ],
)
async def test_each_invalid_detection_value_has_its_own_code(
    camera: SimulatedCamera, post: Post, signed: Signed, name: str, value: str, code: int
) -> None:
    good = {"motion_level": "1", "audio_level": "1", "weekday": "128", "start_time": "1260", "stop_time": "540"}
    assert await post(camera, "config/setDynamicDetect", signed({**good, name: value})) == {"code": code}


@pytest.mark.parametrize(
    ("setter", "fields", "getter", "data"),
    [
        ("config/setIrMode", {"irmode": "0"}, "config/getIrMode", {"irmode": 0}),
        ("config/setLedSwitch", {"led_switch": "0"}, "config/getLedSwitch", {"led_switch": 0}),
        ("config/setRotation", {"rotation": "180"}, "config/getRotation", {"rotation": 180}),
        ("config/updateName", {"name": "Kasse 1 & Süd = 収銀台"}, "config/getName", {"name": "Kasse 1 & Süd = 収銀台"}),
        (
            "config/setDynamicDetect",
            {"motion_level": "1", "audio_level": "3", "weekday": "21", "start_time": "1260", "stop_time": "540"},
            "config/getDynamicDetect",
            {"motion_level": 1, "audio_level": 3, "weekday": 21, "start_time": 1260, "stop_time": 540},
        ),
    ],
)
async def test_what_is_set_is_read_again(
    camera: SimulatedCamera,
    post: Post,
    signed: Signed,
    setter: str,
    fields: dict[str, str],
    getter: str,
    data: dict[str, Any],
) -> None:
    assert await post(camera, setter, signed(fields)) == {"code": 0}
    assert await post(camera, getter, signed()) == {"code": 0, "data": data}


async def test_the_lens_keeps_its_state(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    for path, fields in [
        ("config/setZoom", {"zoom": "200"}),
        ("config/autoFocus", {"focus_x": "10", "focus_y": "90"}),
        ("config/manualFocus", {"focus": "333"}),
    ]:
        assert await post(camera, path, signed(fields)) == {"code": 0}
    lens = {"zoom": 200, "max_zoom": 500, "max_focus": 780, "focus": 333, "focused_x": 10, "focused_y": 90}
    assert await post(camera, "config/getZoomFocusConf", signed()) == {"code": 0, "data": lens}
    assert await post(camera, "config/resetZoomFocus", signed()) == {"code": 0}
    assert (await post(camera, "config/getZoomFocusConf", signed()))["data"]["zoom"] == 0


async def test_rotations_differ_by_model(make_camera: Make, post: Post, signed: Signed) -> None:
    face = await make_camera(activated=True)
    store = await make_camera(activated=True, model="FM010", sn="SS101D8BS00083")
    assert (await post(face, "config/getRotationAngles", signed()))["data"] == {"angles": ["0", "180"]}
    angles = ["0", "90", "180", "270"]
    assert (await post(store, "config/getRotationAngles", signed()))["data"] == {"angles": angles}
    assert (await post(store, "device/getInfo", signed()))["data"]["model_name"] == "SS"


async def test_a_memory_card_is_formatted(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    camera.state.card_status = 0
    assert await post(camera, "config/formatMemoryCard", signed()) == {"code": 220}
    camera.state.card_status = 1
    assert await post(camera, "config/formatMemoryCard", signed()) == {"code": 0}
    assert (await post(camera, "config/getMemoryCardStatus", signed()))["data"] == {"status": 2}


async def test_a_reset_restores_the_factory_state(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    await post(camera, "config/updateName", signed({"name": "front door"}))
    address = camera.address
    assert await post(camera, "device/reset", signed()) == {"code": 0}
    await camera.wait_until_back()
    assert camera.address == address
    assert not camera.state.activated
    assert camera.state.hotspot
    assert camera.announcement().network == "AP"
    assert camera.state.name == "My FS"
    assert (await post(camera, "config/getApListWithoutAuth"))["code"] == 0


async def test_settings_survive_a_reboot(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    await post(camera, "config/updateName", signed({"name": "front door"}))
    begun = camera.handshakes
    assert await post(camera, "device/reboot", signed()) == {"code": 0}
    await camera.wait_until_back()
    assert (await post(camera, "config/getName", signed()))["data"] == {"name": "front door"}
    assert camera.handshakes > begun, "the kept connection was dropped"


async def test_a_rebooting_camera_is_away(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(activated=True, reboot_s=30)
    await post(camera, "device/reboot", signed())
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(camera, "device/getInfo", signed())
    assert not camera.on_network


async def test_joining_wifi_moves_the_camera(make_camera: Make, post: Post, signed: Signed) -> None:
    camera = await make_camera(hotspot=True, host="127.0.0.1", on_wifi=lambda camera, ssid: "127.0.0.2")
    fields = {"ssid": "WeWork", "password": "1234567890"}
    assert await post(camera, "config/setWifiConfWithoutAuth", fields) == {"code": 0}
    await camera.wait_until_back()
    assert camera.host == "127.0.0.2"
    assert camera.state.wifi == "WeWork"
    assert camera.announcement().network != "AP"
    assert await post(camera, "device/activate", signed({"sn": camera.sn}, key="12345678")) == {"code": 0}
    assert (await post(camera, "config/getWifiConf", signed()))["data"] == fields
    assert (await post(camera, "device/getInfo", signed()))["data"]["ip"] == "127.0.0.2"


@pytest.mark.parametrize(
    ("ssid", "password", "joined"),
    [
        ("Open Air", "", True),
        ("WeWork", "wrong password", False),
        ("WeWork", "", False),
        ("Attic", "1234567890", False),
        ("Nowhere", "1234567890", False),
    ],
)
async def test_a_network_is_joined_or_the_hotspot_comes_back(
    make_camera: Make, post: Post, ssid: str, password: str, joined: bool
) -> None:
    camera = await make_camera(hotspot=True, on_wifi=lambda camera, ssid: "127.0.0.2")
    fields = {"ssid": ssid, "password": password}
    assert await post(camera, "config/setWifiConfWithoutAuth", fields) == {"code": 0}
    await camera.wait_until_back()
    assert (camera.host == "127.0.0.2") is joined
    assert camera.state.hotspot is not joined
    assert (await post(camera, "config/getApListWithoutAuth"))["code"] == 0


async def test_unknown_paths_and_methods(camera: SimulatedCamera, http: aiohttp.ClientSession) -> None:
    for path in ["/openapi/config/getNothing", "/", "/openapi", "/other/config/getName"]:
        async with http.post(f"https://{camera.address}{path}") as response:
            assert response.status == 404
    async with http.get(f"https://{camera.address}/openapi/config/getName") as response:
        assert response.status == 405


async def test_a_camera_that_cannot_come_back_is_reported(
    make_camera: Make, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    camera = await make_camera(hotspot=True, on_wifi=lambda camera, ssid: "192.0.2.1")
    await post(camera, "config/setWifiConfWithoutAuth", {"ssid": "Open Air", "password": ""})
    with pytest.raises(OSError, match="cannot assign"):
        await camera.wait_until_back()
    assert not camera.on_network
    assert f"restart of camera {camera.sn}" in caplog.text


async def test_it_names_addresses_of_its_streams(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    live = (await post(camera, "media/getLiveStream", signed()))["data"]
    for name in ("hd", "fhd"):
        assert re.fullmatch(rf"rtsp://127\.0\.0\.1(:\d+)?/[0-9A-F]{{32}}/live_{name}\.sdp", live[f"{name}_live_url"])
    period = {"start_time": "1578969264", "end_time": "1578969324"}
    assert (await post(camera, "media/getPlaybackStream", signed(period)))["data"]["playback_url"].startswith("rtsp://")
    backwards = {"start_time": "1578969324", "end_time": "1578969264"}
    assert await post(camera, "media/getPlaybackStream", signed(backwards)) == {"code": 230}
    camera.state.card_status = 0
    assert await post(camera, "media/getPlaybackStream", signed(period)) == {"code": 235}


async def test_it_keeps_its_door_line(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    line = {"resolution": 1, "start_x": 100, "start_y": 200, "end_x": 1280, "end_y": 720}
    assert await post(camera, "peopleFlow/setDoorLine", signed({name: str(one) for name, one in line.items()})) == {
        "code": 0
    }
    assert (await post(camera, "peopleFlow/getDoorLine", signed()))["data"] == line
    outside = {name: str(one) for name, one in (line | {"end_x": 1281}).items()}
    assert await post(camera, "peopleFlow/setDoorLine", signed(outside)) == {"code": 278}


async def test_it_creates_face_groups_within_its_limits(camera: SimulatedCamera, post: Post, signed: Signed) -> None:
    async def create(name: str, capacity: int = 100) -> int:
        fields = signed({"name": name, "capacity": str(capacity)})
        code: int = (await post(camera, "face/createGroup", fields))["code"]
        return code

    assert await create("staff") == 0
    assert await create("staff") == 212
    assert await create(" staff") == 200
    assert await create("店" * 33) == 200
    assert await create("many", 30000) == 211
    camera.state.card_status = 0
    assert await create("more") == 220


async def test_a_store_sense_has_no_faces(make_camera: Make, http: aiohttp.ClientSession, signed: Signed) -> None:
    camera = await make_camera(model="FM010", activated=True)
    for path in ("peopleFlow/getDoorLine", "face/createGroup"):
        async with http.post(f"https://{camera.address}/openapi/{path}", data=signed()) as response:
            assert response.status == 404
