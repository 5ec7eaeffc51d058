"""Malformed JSON of cameras arrives at installers and tills as JSON in UTF-8."""

import json
from typing import Any

import aiohttp

from gateway.api.vendor_schemas import response_schema
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Side
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.malformed_json import FLAWS
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore

LEFT_OUT = ("null_entry", "truncated")


def test_what_is_left_out_is_declared() -> None:
    cases: list[tuple[Side, str, bool]] = [("camera", "config/getApList", True), ("cloud", "order/update", False)]
    for side, path, declared in cases:
        schema = response_schema(CATALOGUE.get(side, path))
        assert ("left_out" in schema["properties"]) is declared


async def read(session: aiohttp.ClientSession, token: str, method: str, path: str) -> Any:
    """Return a response as a strict parser reads it."""
    headers = {"Authorization": f"Bearer {token}"}
    async with session.request(method, path, headers=headers, json={} if method == "POST" else None) as response:
        raw = await response.read()
        assert response.status == 200, raw
        return json.loads(raw.decode("utf-8"))


async def test_every_flaw_is_read(ours: SimulatedCamera, installer: Any) -> None:
    path = f"/api/v1/cameras/{ours.sn}"
    for flaw in FLAWS:
        ours.faults.clear()
        ours.faults.add("malformed_json", flaw=flaw, times=None)
        listed = await read(installer.session, installer.token, "GET", f"{path}/access-points")
        assert WIFI_SSID in [one["ssid"] for one in listed["access_points"]], flaw
        assert listed["left_out"] == (flaw in LEFT_OUT), flaw
        passed_on = await read(installer.session, installer.token, "POST", f"{path}/openapi/config/getApList")
        assert passed_on["code"] == 0
        assert passed_on.get("left_out", 0) == (flaw in LEFT_OUT), flaw
        assert WIFI_SSID in [one["ssid"] for one in passed_on["data"]["ap_list"]], flaw
        named = await read(installer.session, installer.token, "POST", f"{path}/openapi/config/getName")
        assert isinstance(named["data"]["name"], str), flaw
    assert ours.faults.queue, "every response was flawed"


async def test_a_camera_beside_a_malformed_name_is_put_to_work(store: SimulatedStore, installer: Any) -> None:
    camera = store.cameras[1]
    camera.faults.add("malformed_json", flaw="gbk_backslash", times=None)
    await installer("POST", "/api/v1/discovery", {"timeout_s": 1.0})
    assert (await installer("POST", "/api/v1/cameras", {"sn": camera.sn})).body["activation"] == "not_activated"
    path = f"/api/v1/cameras/{camera.sn}"
    joined = await installer("PUT", f"{path}/wifi", {"ssid": WIFI_SSID, "password": WIFI_PASSWORD})
    assert joined.status == 200, joined.body
    await camera.wait_until_back()
    await installer("POST", "/api/v1/discovery", {"timeout_s": 1.0})
    number = store.activation_numbers[camera.sn]
    body = {"activation_number": number, "confirm_erase": True}
    activated = await installer("POST", f"{path}/activation", body)
    assert (activated.status, activated.body.get("activation")) == (200, "activated"), activated.body
