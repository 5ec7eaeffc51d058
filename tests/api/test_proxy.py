"""Calls of cameras through the REST API: what is passed on, and what never reaches the camera."""

from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import REDACTED
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore

READS = [
    one.path
    for one in CATALOGUE.list_endpoints("camera")
    if one.auth == "signed" and not one.parameters and one.repeatable
]


async def test_a_call_is_passed_on_and_its_response_returned_unchanged(ours: SimulatedCamera, installer: Any) -> None:
    path = f"/api/v1/cameras/{ours.sn}/openapi/config"
    changed = await installer("POST", f"{path}/setZoom", {"zoom": 200})
    assert (changed.status, changed.body["code"]) == (200, 0)
    lens = await installer("POST", f"{path}/getZoomFocusConf")
    assert lens.body["data"]["zoom"] == 200
    assert lens.body["data"]["max_zoom"] == 500


@pytest.mark.parametrize("endpoint", READS)
async def test_every_read_is_passed_on(ours: SimulatedCamera, admin: Any, endpoint: str) -> None:
    answer = await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/{endpoint}", {})
    assert (answer.status, answer.body["code"]) == (200, 0)


@pytest.mark.parametrize(
    ("endpoint", "body", "parameter"),
    [
        ("config/setZoom", {"zoom": 501}, "zoom"),
        ("config/setZoom", {"zoom": -1}, "zoom"),
        ("config/setZoom", {"zoom": "far"}, "zoom"),
        ("config/setZoom", {"zoom": True}, "zoom"),
        ("config/setZoom", {"zoom": 10**400}, "zoom"),
        ("config/setZoom", {}, "zoom"),
        ("config/setZoom", {"zoom": 1, "speed": 2}, "speed"),
        ("config/setWifiConf", {"ssid": "x" * 33, "password": "1234567890"}, "ssid"),
        ("config/setWifiConf", {"ssid": "WeWork", "password": "12345"}, "password"),
        ("config/setWifiConf", {"ssid": "WeWork", "password": "x" * 65}, "password"),
        ("config/updateName", {"name": "n" * 37}, "name"),
        ("config/updateName", {"name": "\ud800"}, "name"),
        ("config/setDynamicDetect", {"motion_level": 4}, "motion_level"),
    ],
)
async def test_bad_parameters_are_named_and_never_sent(
    ours: SimulatedCamera, installer: Any, endpoint: str, body: dict[str, Any], parameter: str
) -> None:
    before = list(ours.request_paths)
    answer = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/{endpoint}", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert parameter in [error["parameter"] for error in answer.body["errors"]]
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert ours.request_paths == before


@pytest.mark.parametrize("raw", [b"{", b"[]", b'"zoom"', b'{"zoom": NaN}', b"[" * 100000])
async def test_malformed_json_is_refused(ours: SimulatedCamera, installer: Any, raw: bytes) -> None:
    before = list(ours.request_paths)
    answer = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/setZoom", data=raw)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert ours.request_paths == before


async def test_unknown_cameras_and_endpoints(ours: SimulatedCamera, store: SimulatedStore, installer: Any) -> None:
    unknown = await installer("POST", "/api/v1/cameras/NOBODY/openapi/config/getName", {})
    assert (unknown.status, unknown.body["code"]) == (404, "not_found")
    endpoint = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/setWarp", {})
    assert (endpoint.status, endpoint.body["code"]) == (404, "not_found")
    found_only = await installer("POST", f"/api/v1/cameras/{store.cameras[1].sn}/openapi/config/getName", {})
    assert (found_only.status, found_only.body["code"]) == (409, "not_managed")
    assert set(store.cameras[1].request_paths) <= {"config/getApListWithoutAuth"}


async def test_activation_has_its_own_call(ours: SimulatedCamera, installer: Any) -> None:
    before = list(ours.request_paths)
    answer = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/device/activate", {"sn": ours.sn})
    assert (answer.status, answer.body["code"]) == (409, "conflict")
    assert "/activation" in answer.body["detail"]
    assert ours.request_paths == before


async def test_the_unsigned_calls_are_refused_after_activation(ours: SimulatedCamera, installer: Any) -> None:
    answer = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getApListWithoutAuth", {})
    assert (answer.status, answer.body["code"]) == (422, "vendor_refused")
    assert answer.body["vendor_code"] == 12
    assert "most likely" in answer.body["vendor_meaning"]
    assert answer.body["vendor_answer"]["code"] == 12


async def test_scopes(ours: SimulatedCamera, pos: Any, installer: Any) -> None:
    path = f"/api/v1/cameras/{ours.sn}/openapi"
    assert (await pos("POST", f"{path}/config/getName", {})).status == 200
    refused = await pos("POST", f"{path}/config/setZoom", {"zoom": 1})
    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert "config/setZoom" not in ours.request_paths


async def test_the_wifi_password_is_redacted_for_all_but_admin(
    ours: SimulatedCamera, store: SimulatedStore, installer: Any, admin: Any
) -> None:
    path = f"/api/v1/cameras/{ours.sn}/openapi/config"
    await installer("POST", f"{path}/setWifiConf", {"ssid": WIFI_SSID, "password": WIFI_PASSWORD})
    await installer("POST", "/api/v1/discovery", {"timeout_s": 1.0})  # the camera has another address now
    redacted = await installer("POST", f"{path}/getWifiConf", {})
    shown = await admin("POST", f"{path}/getWifiConf", {})
    assert shown.status == 200, shown.body
    assert shown.body["data"] == {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}
    assert redacted.body["data"] == {"ssid": WIFI_SSID, "password": REDACTED}


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "garbage", "times": None}, 502, "camera_response_malformed"),
        ({"kind": "html", "times": None}, 502, "camera_response_malformed"),
        ({"kind": "empty", "times": None}, 502, "camera_response_malformed"),
        ({"kind": "endless", "times": None}, 502, "camera_response_malformed"),
        ({"kind": "drop", "times": None}, 502, "camera_unreachable"),
        ({"kind": "reset_after", "times": None}, 502, "camera_unreachable"),
        ({"kind": "status", "status": 500, "times": None}, 502, "camera_response_malformed"),
        ({"kind": "refuse", "code": 1}, 422, "vendor_refused"),
    ],
    ids=lambda value: str(value.get("kind")) if isinstance(value, dict) else "",
)
async def test_each_failure_of_a_camera_is_a_problem(
    ours: SimulatedCamera, admin: Any, fault: dict[str, Any], status: int, code: str
) -> None:
    ours.faults.add(**fault)
    answer = await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})
    assert (answer.status, answer.body["code"]) == (status, code)
    ours.faults.clear()
    assert (await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})).status == 200


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the gateway wait no longer than a second for a camera."""
    monkeypatch.setenv("SUNMI_GATEWAY__CAMERAS__TIMEOUT_S", "1")


async def test_a_silent_camera_is_given_up(impatient: None, ours: SimulatedCamera, admin: Any) -> None:
    ours.faults.add("silent", times=None)
    answer = await admin("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})
    assert (answer.status, answer.body["code"]) == (504, "timeout")


async def test_a_changed_certificate_stops_everything_until_trusted(ours: SimulatedCamera, installer: Any) -> None:
    ours.faults.changed_certificate = True
    before = list(ours.request_paths)
    refused = await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})
    assert (refused.status, refused.body["code"]) == (502, "camera_untrusted")
    assert ours.request_paths == before
    shown = refused.body["certificate_sha256"]
    wrong = await installer("POST", f"/api/v1/cameras/{ours.sn}/trust", {"certificate_sha256": "0" * 64})
    assert (wrong.status, wrong.body["code"]) == (409, "conflict")
    trusted = await installer("POST", f"/api/v1/cameras/{ours.sn}/trust", {"certificate_sha256": shown})
    assert trusted.status == 200
    assert trusted.body["certificate_sha256"] == shown
    assert (await installer("POST", f"/api/v1/cameras/{ours.sn}/openapi/config/getName", {})).status == 200
