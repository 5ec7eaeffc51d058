"""The site plan over REST: checked, kept, run, and shown without secrets."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.simulator.store import WIFI_PASSWORD
from tests.shop.conftest import PLAN, Site, failures, open_site
from tests.waiting import until


@pytest.fixture
async def site_with_pictures(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, max_streams=2) as opened:
        yield opened


async def test_a_plan_is_run_and_a_second_run_changes_nothing(site_with_pictures: Site, tmp_path: Path) -> None:
    site = site_with_pictures
    site.connect_all()
    put = await site.rest("PUT", PLAN, site.plan(settings={"zoom": 120, "irmode": 1, "motion_level": 3}))
    assert put.status == 200, put.body
    assert (put.body["state"], put.body["erases"], put.body["counts"]["pending"]) == ("ready", 2, 3)
    document = await site.run(confirm_erase=2)
    assert document["state"] == "done", failures(document)
    assert failures(document) == []
    assert [step["state"] for step in document["cameras"][1]["steps"]] == [
        *("done", "skipped", "done", "done", "done", "done", "done", "done", "done")
    ]
    assert [camera.state.name for camera in site.store.cameras] == ["Camera 1", "Camera 2", "Camera 3"]
    assert [camera.state.zoom for camera in site.store.cameras] == [120, 120, 120]
    assert {camera.state.config.detection.motion_level for camera in site.store.cameras} == {3}
    assert all(camera.state.activated for camera in site.store.cameras)
    bound = site.store.cloud.state.shops[site.store.shop_id].cameras.values()
    assert sorted((one.sn, one.name) for one in bound) == sorted(
        (camera.sn, camera.state.name) for camera in site.store.cameras
    )
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "state").glob("gateway.db*"))
    for secret in (WIFI_PASSWORD, *site.store.activation_numbers.values()):
        assert secret.encode() not in on_disk, "it is not needed any more"

    assert document["erases"] == 0
    for camera in site.store.cameras:
        camera.requests.clear()
    again = await site.run()
    assert failures(again) == []
    assert not any(step["changed"] for camera in again["cameras"] for step in camera["steps"])
    changing = {"config/updateName", "config/setZoom", "config/setIrMode", "config/setDynamicDetect", "device/activate"}
    assert not {one.path for camera in site.store.cameras for one in camera.requests} & changing


async def test_a_camera_that_fails_holds_no_other_and_only_the_failed_go_on(site: Site) -> None:
    site.connect_all()
    first, second, third = site.store.cameras
    plan = site.plan()
    plan["cameras"][1]["activation_number"] = "8" * 24
    third.faults.add("refuse", path="config/updateName", code=118, times=None)
    await site.rest("PUT", PLAN, plan)
    document = await site.run(confirm_erase=2)
    assert document["state"] == "failed"
    states = {camera["sn"]: camera["state"] for camera in document["cameras"]}
    assert states == {first.sn: "done", second.sn: "failed", third.sn: "failed"}
    steps = {step["name"]: step for step in document["cameras"][1]["steps"]}
    assert (steps["activate"]["state"], steps["activate"]["reason"]) == ("failed", "wrong_activation_number")
    assert steps["activate"]["advice"]
    steps = {step["name"]: step for step in document["cameras"][2]["steps"]}
    assert (steps["name"]["reason"], steps["settings"]["state"], steps["cloud"]["state"]) == (
        "refused",
        "skipped",
        "done",
    )

    third.faults.clear()
    plan = site.plan()
    assert (await site.rest("PUT", PLAN, plan)).status == 200
    first.requests.clear()
    document = await site.run(confirm_erase=1, only="failed")
    assert document["state"] == "done", failures(document)
    assert first.requests == [], "it was done before"


async def test_a_run_asks_how_many_cameras_lose_their_face_groups(site: Site) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    for given in ({}, {"confirm_erase": 1}):
        refused = await site.rest("POST", f"{PLAN}/run", given)
        assert refused.status == 400
        assert refused.body["errors"][0]["parameter"] == "confirm_erase"
        assert "2" in refused.body["errors"][0]["reason"]
    would = await site.rest("POST", f"{PLAN}/run", {"dry_run": True})
    assert (would.status, would.body["erases"], len(would.body["cameras"])) == (200, 2, 3)
    assert not any(camera.requests for camera in site.store.cameras), "nothing was sent"


async def test_while_it_runs_a_plan_is_neither_changed_nor_run_again(site: Site) -> None:
    site.connect_all()
    for camera in site.store.cameras:
        camera.faults.latency_s = 0.3
    await site.rest("PUT", PLAN, site.plan())
    started = await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 2})
    assert (started.status, started.headers["Location"]) == (202, PLAN)
    for method, path, body in (
        ("PUT", PLAN, site.plan()),
        ("DELETE", PLAN, None),
        ("POST", f"{PLAN}/run", {"confirm_erase": 2}),
    ):
        refused = await site.rest(method, path, body)
        assert refused.status == 409, refused.body
    stopped = await site.rest("DELETE", f"{PLAN}/run")
    assert (stopped.status, stopped.body["state"]) == (200, "stopped")
    assert (await site.rest("DELETE", f"{PLAN}/run")).status == 409
    document = await site.run(confirm_erase=stopped.body["erases"], only="failed")
    assert document["state"] == "done", failures(document)


async def test_another_plan_does_not_replace_cameras_that_are_not_done(site: Site) -> None:
    await site.rest("PUT", PLAN, site.plan())
    other = await site.rest("PUT", PLAN, {"cameras": [{"sn": "FM020A2300001"}]})
    assert other.status == 409
    assert site.store.cameras[0].sn in other.body["detail"]
    assert (await site.rest("DELETE", PLAN)).status == 204
    assert (await site.rest("GET", PLAN)).status == 404
    assert (await site.rest("PUT", PLAN, {"cameras": [{"sn": "FM020A2300001"}]})).status == 200


async def test_a_list_with_faults_is_refused_as_a_whole(site: Site) -> None:
    text = "sn,mac,activation_number\nFM1,,9.08E+13\nFM2,04:12,\n"
    for method, path in (("POST", f"{PLAN}/check"), ("PUT", PLAN)):
        refused = await site.rest(method, path, data=text.encode(), headers={"Content-Type": "text/csv"})
        assert refused.status == 400
        assert [one["parameter"] for one in refused.body["errors"]] == [
            "cameras[0].activation_number",
            "cameras[1].mac",
        ]
    assert (await site.rest("GET", PLAN)).status == 404
    checked = await site.rest("POST", f"{PLAN}/check", data=b"sn,name\nFM1,Door\n")
    assert (checked.status, checked.body["cameras"][0]["row"]) == (200, 2)
    assert (await site.rest("GET", PLAN)).status == 404, "a check keeps nothing"


async def test_a_mac_address_of_another_camera_is_refused(site: Site) -> None:
    site.connect_all()
    first, second, _ = site.store.cameras
    await until_found(site)
    refused = await site.rest("PUT", PLAN, {"cameras": [{"sn": first.sn, "mac": second.state.mac}]})
    assert refused.status == 400
    assert second.sn in refused.body["errors"][0]["reason"]
    twice = await site.rest("PUT", PLAN, {"cameras": [{"sn": first.sn}, {"mac": first.state.mac}]})
    assert [one["parameter"] for one in twice.body["errors"]] == ["cameras[1].mac"]


async def until_found(site: Site) -> None:
    while not all(site.gateway.registry.find(camera.sn) for camera in site.store.cameras):
        await site.gateway.discovery.scan(timeout_s=0.3)


async def test_a_camera_of_another_owner_is_named_and_left_alone(site: Site) -> None:
    site.connect_all()
    stranger = site.store.cameras[1]
    stranger.state.activate("somebody else")
    await site.rest("PUT", PLAN, {"cameras": [{"sn": stranger.sn, "name": "Mine", "activation_number": "8" * 24}]})
    document = await site.run(confirm_erase=1)
    step = next(step for step in document["cameras"][0]["steps"] if step["state"] == "failed")
    assert (step["name"], step["reason"]) == ("activate", "other_owner")
    assert "device/activate" not in stranger.request_paths
    record = site.gateway.registry.get(stranger.sn)
    assert not record.managed
    would = await site.rest("POST", f"{PLAN}/run", {"dry_run": True})
    assert [one["step"] for one in would.body["cameras"][0]["actions"]] == ["find"]


async def test_a_camera_that_nobody_agreed_to_activate_is_not_activated(site: Site) -> None:
    site.connect_all()
    await site.rest("PUT", PLAN, site.plan())
    assert (await site.run(confirm_erase=2))["state"] == "done"
    camera = site.store.cameras[1]
    camera.state.factory_reset()
    site.connect_all()
    await site.rest("PUT", PLAN, {"cameras": [site.rows()[1] | {"place": "moved"}]})
    document = await site.run()
    assert failures(document)[0].startswith(f"{camera.sn} activate failed not_confirmed")
    assert not camera.state.activated
    assert document["erases"] == 1
    assert (await site.run(confirm_erase=1))["state"] == "done"


async def test_secrets_are_masked_and_events_tell_each_step(site: Site) -> None:
    site.connect_all()
    plan = site.plan()
    plan["wifi"]["password"] = 'with "quotes" and spaces'
    shown = [(await site.rest("PUT", PLAN, plan)).body, (await site.rest("GET", PLAN)).body]
    ended: list[str] = []
    site.gateway.event_log.subscribe(lambda new: ended.extend(one.type for one in new if one.type == "shop.run_ended"))
    shown.append(await site.run(confirm_erase=2))
    await until(lambda: ended)
    events = (await site.rest("GET", "/api/v1/events?types=shop.*&limit=200")).body["events"]
    text = json.dumps([shown, events])
    for secret in (plan["wifi"]["password"].split()[1], *site.store.activation_numbers.values()):
        assert secret not in text
    assert shown[0]["wifi"]["password"] == shown[0]["cameras"][1]["activation_number"] == "********"
    done = [(one["camera"], one["data"]["step"]) for one in events if one["type"] == "shop.step_done"]
    assert len(done) == len(set(done)) == 9 * len(site.store.cameras)
    assert [events[0]["type"], events[-1]["type"]] == ["shop.run_began", "shop.run_ended"]


async def test_the_state_has_a_tag(site: Site) -> None:
    await site.rest("PUT", PLAN, site.plan())
    first = await site.rest("GET", PLAN)
    again = await site.rest("GET", PLAN, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


@pytest.mark.parametrize("scope", ["pos"])
async def test_an_installer_is_needed(site: Site, scope: str) -> None:
    site.rest.token = await site.gateway.tokens.create("a till", "pos")
    assert (await site.rest("GET", PLAN)).status == 403


async def test_a_run_goes_on_after_the_process_has_ended(site: Site) -> None:
    site.connect_all()
    for camera in site.store.cameras:
        camera.faults.latency_s = 0.2
    await site.rest("PUT", PLAN, site.plan())
    await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 2})
    await until(lambda: any(one.get_step("activate").ended for one in site.gateway.shop.progress))
    await site.gateway.shop.close()
    await site.gateway.shop.load()
    site.gateway.shop.resume()
    document = await site.ended()
    assert document["state"] == "done", failures(document)
    for camera in site.store.cameras:
        assert list(camera.request_paths).count("device/activate") == (camera.sn in site.store.activation_numbers)


async def test_a_camera_known_by_its_mac_address_alone_waits_for_a_person(site: Site) -> None:
    camera = site.store.cameras[1]
    await camera.stop()
    row = {"mac": camera.state.mac, "activation_number": site.store.activation_numbers[camera.sn]}
    await site.rest("PUT", PLAN, {**site.plan(), "cameras": [row]})
    assert (await site.rest("POST", f"{PLAN}/run", {"confirm_erase": 1})).status == 202
    await until(lambda: site.gateway.shop.progress[0].get_step("find").state == "waiting")
    shown = (await site.rest("GET", PLAN)).body
    assert (shown["counts"]["waiting"], shown["cameras"][0]["sn"]) == (1, None)
    step = shown["cameras"][0]["steps"][0]
    assert step["reason"] == "join_hotspot"
    assert f"SUNMI_{camera.state.mac.replace(':', '')[-4:]}" in step["detail"]
    await camera.start()  # a person has joined its hotspot
    document = await site.ended()
    assert document["state"] == "done", failures(document)
    assert (document["cameras"][0]["sn"], camera.state.activated) == (camera.sn, True)
