"""The docking demonstration: each step ticked off with evidence, its failures with advice, and what survives."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import pytest

from firmware_tools.language import Language, translate
from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.shop.demonstration import DemonstrationRequest
from gateway.shop.demonstration.steps import (
    DEMONSTRATION_CODES,
    DEMONSTRATION_STEPS,
    OwnDemonstrationReason,
    get_advice,
)
from gateway.shop.steps import ADVICE
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.search import find, manage
from tests.shop.conftest import Site, open_site
from tests.waiting import until

DEMONSTRATION = "/api/v1/demonstration"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Give a shop whose first camera, which reports faces, is managed, with somebody who walks past it."""
    async with open_site(tmp_path, max_streams=2, event_wait_s=20) as opened:
        await manage(opened.gateway, opened.store.cameras[0])
        yield opened


async def end(site: Site) -> dict[str, Any]:
    await until(lambda: not site.gateway.shop_parts.demonstration.is_running)
    document: dict[str, Any] = (await site.rest("GET", DEMONSTRATION)).body
    return document


async def demonstrate(site: Site, **body: Any) -> dict[str, Any]:
    started = await site.rest("POST", DEMONSTRATION, body)
    assert started.status == 202, started.body
    return await end(site)


def find_step(document: dict[str, Any], code: str) -> dict[str, Any]:
    return next(step for step in document["steps"] if step["code"] == code)


def states(document: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {step["code"]: (step["state"], step["reason"]) for step in document["steps"]}


def evidence(document: dict[str, Any], code: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in find_step(document, code)["evidence"]}


def test_every_reason_has_advice_at_every_step() -> None:
    reasons = [*ADVICE, *get_args(OwnDemonstrationReason)]
    assert all(get_advice(code, reason) for code in DEMONSTRATION_CODES for reason in reasons)
    assert [step.code for step in DEMONSTRATION_STEPS] == list(DEMONSTRATION_CODES)
    assert [step.chapter for step in DEMONSTRATION_STEPS][:4] == ["9.1", "9.2", "9.3", "9.4"]


async def test_each_step_is_ticked_off_with_evidence_and_exported(site: Site, tmp_path: Path) -> None:
    first = site.store.cameras[0]
    would = await site.rest("POST", DEMONSTRATION, {"dry_run": True})
    assert (would.status, would.body["sn"], len(would.body["steps"])) == (200, first.sn, 8)
    assert (await site.rest("GET", DEMONSTRATION)).status == 404
    document = await demonstrate(site)
    assert (document["state"], document["ticked"], document["sn"]) == ("done", 8, first.sn), document
    assert states(document) == dict.fromkeys(DEMONSTRATION_CODES, ("done", None))
    assert evidence(document, "shop")["shop"] == site.store.shop_id
    assert first.sn in evidence(document, "shop")["shop_cameras"]
    assert evidence(document, "network")["address"].startswith("127.20.")
    assert evidence(document, "configure").keys() == {"settings", "door_line"}
    assert evidence(document, "flow")["customers"].isdigit()
    assert evidence(document, "event")["event"] == "face.seen"
    assert "face_id" not in json.dumps(document), "nothing about a person is kept"

    assert document["picture"] == f"{DEMONSTRATION}/picture"
    headers = {"Authorization": f"Bearer {site.rest.token}", "Accept": "text/html"}
    for language, title in (("en", "Docking demonstration"), ("zh", "对接演示")):
        async with site.rest.session.get(DEMONSTRATION, headers=headers | {"Accept-Language": language}) as response:
            page = await response.text()
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert title in page
        assert page.count("data:image/jpeg;base64,") == 1
        assert page.count('<section class="camera">') == 8
        assert "<script" not in page
    async with site.rest.session.get(document["picture"], headers=headers) as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
    till = await site.gateway.tokens.create("the till", "pos")
    async with site.rest.session.get(document["picture"], headers={"Authorization": f"Bearer {till}"}) as response:
        assert response.status == 403
    assert (await site.rest("DELETE", DEMONSTRATION)).status == 204
    assert not (tmp_path / "state/demonstration-pictures").exists()
    assert [(await site.rest(method, DEMONSTRATION)).status for method in ("GET", "DELETE")] == [404, 404]
    assert (await site.rest("GET", document["picture"])).status == 404
    assert (await site.rest("POST", DEMONSTRATION, {"resume": True})).status == 404


async def test_a_camera_that_is_away_holds_only_its_own_steps_and_it_goes_on(site: Site) -> None:
    first = site.store.cameras[0]
    plan = site.plan(settings={"zoom": 120})
    assert (await site.rest("PUT", "/api/v1/site-plan", plan)).status == 200
    await first.stop()
    document = await demonstrate(site, sn=first.sn)
    assert document["state"] == "failed"
    assert states(document) == {
        "shop": ("done", None),
        "network": ("failed", "not_reachable"),
        "bind": ("done", None),
        "configure": ("pending", None),
        "picture": ("pending", None),
        "flow": ("done", None),
        "hook": ("pending", None),
        "event": ("pending", None),
    }
    assert "blue is right" in find_step(document, "network")["advice"]
    assert "Camera on the network" in find_step(document, "configure")["detail"]
    await first.start()
    bound = find_step(document, "bind")["ended_at"]
    document = await demonstrate(site, resume=True)
    assert (document["state"], find_step(document, "bind")["ended_at"]) == ("done", bound)
    assert (first.state.name, first.state.zoom) == ("Camera 1", 120), "it is configured as the plan wants it"


async def test_another_shop_and_one_that_the_cloud_does_not_know_are_told_apart(tmp_path: Path) -> None:
    async with open_site(tmp_path, event_wait_s=0) as site:
        first, cloud = site.store.cameras[0], site.store.cloud
        await manage(site.gateway, first)
        shop = cloud.state.shops[site.store.shop_id]
        shop.cameras.clear()
        cloud.state.bind_camera(site.store.shop_id, sn="FS101D8BS99999", name="Elsewhere", model="FM020")
        document = await demonstrate(site)
        found = states(document)
        assert (found["shop"], found["bind"]) == (("warning", "other_shop"), ("done", None))
        assert {camera.sn for camera in shop.cameras.values()} == {"FS101D8BS99999", first.sn}
        assert (found["picture"], found["event"]) == (("warning", "no_picture"), ("warning", "no_event"))
        assert "Walk past the camera" in find_step(document, "event")["advice"]
        assert document["state"] == "done", "warnings are ticked off"

        cloud.faults.add("refuse", path="device/ipc/getList", code=5041, times=None)
        document = await demonstrate(site)
        found = states(document)
        assert found["shop"] == ("failed", "no_shop")
        assert (found["bind"][0], found["flow"][0], found["network"][0]) == ("pending", "pending", "done")


async def test_events_come_from_camera_or_cloud_and_who_does_not_report_is_named(tmp_path: Path) -> None:
    async with open_site(tmp_path, event_wait_s=0, public_url="https://shop.example") as site:
        first, cloud = site.store.cameras[0], site.store.cloud
        await manage(site.gateway, first)
        document = await demonstrate(site)
        assert states(document)["hook"] == ("done", None)
        assert evidence(document, "hook")["cloud_callback"] == "https://shop.example/hooks/cloud"

        cloud.faults.add("refuse", path="hook/add", code=5020, times=None)
        document = await demonstrate(site)
        assert states(document)["hook"] == ("warning", "no_cloud_hook")
        assert "hooks.public_url" in find_step(document, "hook")["advice"]
        assert "reports" in find_step(document, "hook")["advice"]

        await site.gateway.subscriptions.end(first.sn)
        first.faults.add("refuse", path="hook/add", code=311, times=None)
        document = await demonstrate(site)
        assert (states(document)["hook"], states(document)["event"][0]) == (("failed", "refused"), "pending")
        cloud.faults.clear()
        document = await demonstrate(site, resume=True)
        assert states(document)["hook"] == ("warning", "refused")
        assert evidence(document, "hook")["camera_callback"] == "it does not"


async def test_there_is_one_at_a_time_and_what_was_ticked_stays_after_a_stop(site: Site) -> None:
    first, second, _ = site.store.cameras
    first.faults.add("slow", path="config/getName", seconds=30, times=None)
    first.faults.add("slow", path="config/getZoomFocusConf", seconds=30, times=None)
    assert (await site.rest("POST", DEMONSTRATION, {"sn": first.sn})).status == 202
    await until(lambda: site.gateway.shop_parts.demonstration.get_record().get_step("bind").state == "done")
    assert (await site.rest("POST", DEMONSTRATION, {"sn": first.sn})).status == 409
    stopped = await site.rest("DELETE", DEMONSTRATION)
    assert (stopped.status, stopped.body["state"], stopped.body["ticked"]) == (200, "stopped", 3)
    await find(site.gateway, [second])
    refused = await site.rest("POST", DEMONSTRATION, {"sn": second.sn})
    assert (refused.status, refused.body["code"]) == (409, "not_managed")
    assert (await site.rest("POST", DEMONSTRATION, {"sn": second.sn, "resume": True})).status == 409
    assert (await site.rest("POST", DEMONSTRATION, {"sn": "FS101D8BS77777"})).status == 404
    await site.gateway.registry.unmanage(first.sn)
    nobody = await site.rest("POST", DEMONSTRATION, {})
    assert [one["parameter"] for one in nobody.body["errors"]] == ["sn"]


async def test_a_restart_interrupts_it_and_a_person_goes_on(
    store: SimulatedStore,  # noqa: F811
    gateway: Gateway,  # noqa: F811
) -> None:
    camera = store.cameras[0]
    gateway.callback_urls.port = 9
    await manage(gateway, camera)
    await gateway.shop_parts.demonstration.start(DemonstrationRequest())
    await until(lambda: gateway.shop_parts.demonstration.get_record().get_step("event").state == "waiting")
    await gateway.close()
    again = await Gateway.open(gateway.settings)
    try:
        record = again.shop_parts.demonstration.get_record()
        assert (record.state, record.sn) == ("interrupted", camera.sn)
        assert [step.state for step in record.steps] == [*["done"] * 7, "pending"]
        assert again.shop_parts.demonstration.load_picture()
        detail = record.get_step("network").detail
        assert translate(detail, Language.CHINESE) != detail, "it is in the language of whoever comes back"
        again.callback_urls.port = 9
        await manage(again, camera)
        await again.shop_parts.demonstration.start(DemonstrationRequest(resume=True))
        await until(lambda: again.shop_parts.demonstration.get_record().get_step("event").state == "waiting")
        face = await again.event_log.append(NewEvent("face.seen", "camera", {"shop_id": "1"}, camera.sn))
        await until(lambda: not again.shop_parts.demonstration.is_running)
        event = again.shop_parts.demonstration.get_record().get_step("event")
        assert face is not None
        assert (event.state, event.reason, face.id in str(event.evidence)) == ("warning", "other_shop", True)

        await again.database.execute('UPDATE demonstration SET document = \'{"state": "odd"}\'')
        await again.shop_parts.demonstration.load()
        assert again.shop_parts.demonstration.record is None
    finally:
        await again.close()
