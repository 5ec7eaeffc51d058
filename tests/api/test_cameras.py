"""Finding, managing and provisioning cameras through the REST API."""

import asyncio
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.discovery.device import DiscoveredDevice
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore

CAMERA_MEMBERS = {
    "sn", "managed", "address", "addresses", "mac", "model", "name", "software_version", "online", "activation",
    "certificate_sha256", "last_seen",
}  # fmt: skip


async def found(installer: Any) -> dict[str, Any]:
    while True:  # a busy machine may be late for a short scan
        answer = await installer("POST", "/api/v1/discovery", {"timeout_s": 0.3})
        assert answer.status == 200
        if answer.body["methods"]["broadcast"]["found"] == 3:
            return {camera["sn"]: camera for camera in answer.body["cameras"]}


async def ended(installer: Any, sn: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = (await installer("GET", f"/api/v1/cameras/{sn}/provisioning")).body
        if job["state"] not in ("running", "waiting"):
            return job
        await asyncio.sleep(0.05)


async def test_discovery_tells_cameras_and_methods(store: SimulatedStore, installer: Any) -> None:
    answer = await installer("POST", "/api/v1/discovery", {"timeout_s": 2})
    cameras = answer.body["cameras"]
    assert {camera["sn"] for camera in cameras} == {camera.sn for camera in store.cameras}
    assert all(set(camera) >= CAMERA_MEMBERS for camera in cameras)
    assert {camera["model"] for camera in cameras} == {"FM010", "FM020"}
    assert not any(camera["managed"] for camera in cameras)
    assert answer.body["methods"]["broadcast"] == {"found": 3, "error": None}
    assert set(answer.body["methods"]) >= {"broadcast", "mdns", "sweep"}
    listed = await installer("GET", "/api/v1/cameras")
    assert {camera["sn"] for camera in listed.body["cameras"]} == {camera.sn for camera in store.cameras}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": 1000}, "timeout_s"),
        ({"methods": ["ping"]}, "methods.0"),
        ({"methods": []}, "methods"),
        ({"subnet": "10.0.0.0/8"}, "subnet"),
    ],
)
async def test_a_bad_discovery_is_named(installer: Any, body: dict[str, Any], parameter: str) -> None:
    answer = await installer("POST", "/api/v1/discovery", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert [error["parameter"] for error in answer.body["errors"]] == [parameter]


async def test_found_is_not_managed(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    sn = store.cameras[1].sn
    for method, path, body in (
        ("PUT", "wifi", {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}),
        ("POST", "activation", {"activation_number": "12345678", "confirm_erase": True}),
        ("POST", "openapi/config/getName", {}),
    ):
        answer = await installer(method, f"/api/v1/cameras/{sn}/{path}", body)
        assert (answer.status, answer.body["code"]) == (409, "not_managed"), path
    assert set(store.cameras[1].request_paths) <= {"config/getApListWithoutAuth"}


async def test_networks_may_be_seen_before_a_camera_is_managed(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    answer = await installer("GET", f"/api/v1/cameras/{store.cameras[1].sn}/access-points")
    assert answer.status == 200
    assert WIFI_SSID in [point["ssid"] for point in answer.body["access_points"]]
    assert set(answer.body["access_points"][0]) == {"ssid", "key_mgmt"}
    assert answer.body["left_out"] == 0


async def test_networks_after_activation(ours: SimulatedCamera, installer: Any) -> None:
    answer = await installer("GET", f"/api/v1/cameras/{ours.sn}/access-points")
    assert answer.status == 200
    assert ours.request_paths[-1] == "config/getApList"


async def test_a_camera_is_added_shown_and_forgotten(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    sn = store.cameras[0].sn
    added = await installer("POST", "/api/v1/cameras", {"sn": sn})
    assert (added.status, added.body["managed"], added.body["activation"]) == (201, True, "activated")
    assert len(added.body["certificate_sha256"]) == 64
    assert (await installer("GET", f"/api/v1/cameras/{sn}")).body["sn"] == sn
    assert (await installer("DELETE", f"/api/v1/cameras/{sn}")).status == 204
    assert (await installer("GET", f"/api/v1/cameras/{sn}")).status == 404


@pytest.mark.parametrize("by_address", [False, True])
async def test_a_camera_with_an_unusual_certificate_is_added_by_who_names_that(
    store: SimulatedStore, installer: Any, by_address: bool
) -> None:
    proved, rogue, *_ = store.cameras
    if not by_address:
        await found(installer)
    assert (await installer("POST", "/api/v1/cameras", {"sn": proved.sn, "address": proved.host})).status == 201
    rogue.faults.changed_certificate = True
    body = {"sn": rogue.sn, "address": rogue.host}
    refused = await installer("POST", "/api/v1/cameras", body)
    assert (refused.status, refused.body["code"]) == (502, "camera_untrusted")
    camera = await installer("GET", f"/api/v1/cameras/{rogue.sn}")
    assert camera.status == 404 if by_address else not camera.body["managed"]
    shown = refused.body["certificate_sha256"]
    added = await installer("POST", "/api/v1/cameras", body | {"certificate_sha256": shown.upper()})
    assert (added.status, added.body["certificate_sha256"]) == (201, shown)
    assert "device/getInfo" not in rogue.request_paths


async def test_what_is_no_certificate_is_refused(installer: Any) -> None:
    body = {"sn": "A", "address": "127.0.0.1", "certificate_sha256": ":" * 64}
    answer = await installer("POST", "/api/v1/cameras", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


async def test_a_camera_is_added_by_address(store: SimulatedStore, installer: Any) -> None:
    camera = store.cameras[0]
    added = await installer("POST", "/api/v1/cameras", {"sn": camera.sn, "address": camera.host})
    assert (added.status, added.body["address"], added.body["activation"]) == (201, camera.address, "activated")


@pytest.mark.parametrize(
    "body", [{}, {"sn": ""}, {"sn": "A", "address": "a:b:c"}, {"sn": "A", "address": "http://x/"}, {"sn": 5}]
)
async def test_a_bad_addition_is_refused(installer: Any, body: dict[str, Any]) -> None:
    answer = await installer("POST", "/api/v1/cameras", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


async def test_an_unknown_serial_number_is_not_found(installer: Any) -> None:
    assert (await installer("POST", "/api/v1/cameras", {"sn": "NOBODY"})).status == 404
    assert (await installer("GET", "/api/v1/cameras/NOBODY")).status == 404
    assert (await installer("GET", "/api/v1/cameras/NOBODY/provisioning")).status == 404


async def test_a_till_may_look_and_not_touch(store: SimulatedStore, installer: Any, pos: Any) -> None:
    await found(installer)
    sn = store.cameras[0].sn
    assert (await pos("GET", "/api/v1/cameras")).status == 200
    for method, path in (
        ("POST", "discovery"),
        ("POST", "cameras"),
        ("DELETE", f"cameras/{sn}"),
        ("PUT", f"cameras/{sn}/wifi"),
        ("POST", f"cameras/{sn}/activation"),
        ("POST", f"cameras/{sn}/provisioning"),
        ("POST", f"cameras/{sn}/trust"),
    ):
        answer = await pos(method, f"/api/v1/{path}", {})
        assert (answer.status, answer.body["code"]) == (403, "forbidden"), path


async def test_wifi_is_set(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    camera = store.cameras[1]
    await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    answer = await installer("PUT", f"/api/v1/cameras/{camera.sn}/wifi", {"ssid": WIFI_SSID, "password": WIFI_PASSWORD})
    assert answer.status == 200, answer.body
    await camera.wait_until_back()
    assert (camera.state.wifi, camera.state.config.password) == (WIFI_SSID, WIFI_PASSWORD)


async def test_wifi_of_a_camera_that_drops_the_connection(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    camera = store.cameras[1]
    await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    camera.faults.add("reset_after", path="config/setWifiConfWithoutAuth")
    answer = await installer("PUT", f"/api/v1/cameras/{camera.sn}/wifi", {"ssid": WIFI_SSID, "password": WIFI_PASSWORD})
    assert answer.status == 202


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"ssid": "x" * 33, "password": "long-enough"}, "ssid"),
        ({"ssid": "", "password": "long-enough"}, "ssid"),
        ({"password": "long-enough"}, "ssid"),
        ({"ssid": WIFI_SSID, "password": "short"}, "password"),
        ({"ssid": WIFI_SSID, "pasword": "long-enough"}, "pasword"),
    ],
)
async def test_bad_wifi_is_named_and_never_sent(
    store: SimulatedStore, installer: Any, body: dict[str, Any], parameter: str
) -> None:
    await found(installer)
    camera = store.cameras[1]
    await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    answer = await installer("PUT", f"/api/v1/cameras/{camera.sn}/wifi", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert parameter in [error["parameter"] for error in answer.body["errors"]]
    assert "config/setWifiConfWithoutAuth" not in camera.request_paths
    assert "long-enough" not in str(answer.body)


async def test_wep_is_refused(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    camera = store.cameras[1]
    await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    points = (await installer("GET", f"/api/v1/cameras/{camera.sn}/access-points")).body["access_points"]
    wep = next(point["ssid"] for point in points if "WEP" in point["key_mgmt"])
    answer = await installer("PUT", f"/api/v1/cameras/{camera.sn}/wifi", {"ssid": wep, "password": "long-enough"})
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert "WEP" in answer.body["detail"]


async def test_provisioning_from_box_to_work(store: SimulatedStore, installer: Any) -> None:
    sn, number = next(iter(store.activation_numbers.items()))
    await found(installer)
    values = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD, "activation_number": number, "confirm_erase": True}
    started = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", values | {"name": "Entrance"})
    assert started.status == 202
    assert started.headers["Location"] == f"/api/v1/cameras/{sn}/provisioning"
    job = await ended(installer, sn)
    assert (job["state"], job["reason"]) == ("done", None)
    camera = (await installer("GET", f"/api/v1/cameras/{sn}")).body
    assert (camera["activation"], camera["name"], camera["managed"]) == ("activated", "Entrance", True)
    assert camera["address"] == store.camera(sn).address


async def test_provisioning_needs_the_confirmation(store: SimulatedStore, installer: Any) -> None:
    sn, number = next(iter(store.activation_numbers.items()))
    await found(installer)
    answer = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", {"activation_number": number})
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, "confirm_erase")


async def test_provisioning_is_cancelled(store: SimulatedStore, gateway: Gateway, installer: Any) -> None:
    sn = store.cameras[1].sn
    await found(installer)
    store.responder.faults.silent = True
    await store.camera(sn).stop()
    started = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", {"ssid": WIFI_SSID, "password": "12345678"})
    assert started.status == 202
    other = await installer("POST", f"/api/v1/cameras/{sn}/provisioning", {"ssid": "Another"})
    assert (other.status, other.body["code"]) == (409, "conflict")
    cancelled = await installer("DELETE", f"/api/v1/cameras/{sn}/provisioning")
    assert (cancelled.status, cancelled.body["state"]) == (200, "cancelled")
    again = await installer("DELETE", f"/api/v1/cameras/{sn}/provisioning")
    assert again.status == 409


def cabled(store: SimulatedStore) -> tuple[str, str]:
    """Plug a factory-new camera into Ethernet; return its serial and activation number."""
    sn, number = next(iter(store.activation_numbers.items()))
    store.camera(sn).state.cable, store.camera(sn).state.hotspot = True, False
    return sn, number


async def test_activation(store: SimulatedStore, installer: Any) -> None:
    sn, number = cabled(store)
    await found(installer)
    await installer("POST", "/api/v1/cameras", {"sn": sn})
    path = f"/api/v1/cameras/{sn}/activation"
    unconfirmed = await installer("POST", path, {"activation_number": number})
    assert (unconfirmed.status, unconfirmed.body["errors"][0]["parameter"]) == (400, "confirm_erase")
    wrong = await installer("POST", path, {"activation_number": "99999999", "confirm_erase": True})
    assert (wrong.status, wrong.body["code"], wrong.body["vendor_code"]) == (422, "vendor_refused", 9)
    done = await installer("POST", path, {"activation_number": number, "confirm_erase": True})
    assert (done.status, done.body["activation"]) == (200, "activated"), done.body
    assert store.camera(sn).state.activated
    assert store.camera(sn).request_paths.count("device/activate") == 2
    again = await installer("POST", path, {"activation_number": number, "confirm_erase": True})
    assert (again.status, again.body["code"]) == (409, "conflict")
    assert store.camera(sn).request_paths.count("device/activate") == 2


async def test_the_activation_of_a_camera_that_is_away(store: SimulatedStore, installer: Any) -> None:
    await found(installer)
    camera = store.cameras[1]
    await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    await camera.stop()
    body = {"activation_number": "12345678", "confirm_erase": True}
    answer = await installer("POST", f"/api/v1/cameras/{camera.sn}/activation", body)
    assert (answer.status, answer.body["code"]) == (502, "camera_unreachable")


async def test_a_lost_activation_answer_is_settled_by_evidence(store: SimulatedStore, installer: Any) -> None:
    sn, number = cabled(store)
    await found(installer)
    await installer("POST", "/api/v1/cameras", {"sn": sn})
    store.camera(sn).faults.add("reset_after", path="device/activate")
    body = {"activation_number": number, "confirm_erase": True}
    done = await installer("POST", f"/api/v1/cameras/{sn}/activation", body)
    assert (done.status, done.body["activation"]) == (200, "activated"), done.body
    assert store.camera(sn).request_paths.count("device/activate") == 1


async def test_the_camera_of_another_owner(store: SimulatedStore, installer: Any) -> None:
    camera = store.cameras[1]
    camera.state.owner = "SOMEBODYELSE"
    await found(installer)
    added = await installer("POST", "/api/v1/cameras", {"sn": camera.sn})
    assert added.body["activation"] == "other_owner"
    body = {"activation_number": "12345678", "confirm_erase": True}
    refused = await installer("POST", f"/api/v1/cameras/{camera.sn}/activation", body)
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "another account" in refused.body["detail"]
    assert "device/activate" not in camera.request_paths


async def test_a_managed_camera_that_moved_is_listed_where_a_scan_saw_it(
    store: SimulatedStore, ours: SimulatedCamera, installer: Any
) -> None:
    camera = (await installer("GET", f"/api/v1/cameras/{ours.sn}")).body
    assert camera["address"] == ours.address
    await ours.stop()
    ours.set_address("127.20.0.99", store.camera_port)
    await ours.start()
    seen = (await found(installer))[ours.sn]
    assert seen["address"] == ours.address
    assert seen["certificate_sha256"] == camera["certificate_sha256"]
    assert "device/getInfo" in ours.request_paths


async def test_an_impostor_at_a_new_address_moves_nothing(
    store: SimulatedStore, ours: SimulatedCamera, gateway: Gateway, installer: Any
) -> None:
    impostor = store.cameras[1]
    old = gateway.registry.get(ours.sn).address
    await ours.stop()
    gateway.registry.record_device(
        DiscoveredDevice(address=impostor.address, interface="lo", found_by="broadcast", sn=ours.sn)
    )
    await gateway.moves.verify(
        [DiscoveredDevice(address=impostor.address, interface="lo", found_by="broadcast", sn=ours.sn)]
    )
    assert gateway.registry.get(ours.sn).address == old


async def test_a_change_of_wifi_that_moves_a_camera_shows_its_new_address(
    store: SimulatedStore, ours: SimulatedCamera, installer: Any
) -> None:
    old = ours.address
    body = {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}
    assert (await installer("PUT", f"/api/v1/cameras/{ours.sn}/wifi", body)).status == 200
    while (address := (await installer("GET", f"/api/v1/cameras/{ours.sn}")).body["address"]) == old:
        await asyncio.sleep(0.1)
    assert address == ours.address != old
