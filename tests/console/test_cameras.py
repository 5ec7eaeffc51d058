"""The list of cameras: filters, sorting, two hundred of them, the search, and adding one by hand."""

import asyncio
import re
import time
from html import unescape

import pytest
from playwright.async_api import Browser, expect

from gateway.cameras.record import CameraRecord
from gateway.console.camera_list import CameraQuery, list_reports
from gateway.console.camera_report import OFFLINE_ALARM_S, CameraReport, report_camera
from gateway.discovery.device import DiscoveredDevice
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.search import find

HOSTILE = '<img src=x onerror="document.title=1">'


def report(**fields: object) -> CameraReport:
    camera = CameraRecord(sn="A1", first_seen=0)
    camera.was_scanned = camera.managed = True
    for name, value in fields.items():
        setattr(camera, name, value)
    return report_camera(camera, started_at=time.monotonic() - 10_000)


def test_only_a_silence_that_lasts_is_an_alarm() -> None:
    now = time.monotonic()
    assert report(online=True, activation="activated", seen_at=now).status == "ok"
    assert report(seen_at=now - OFFLINE_ALARM_S / 2).status == "skipped"
    assert report(seen_at=now - 2 * OFFLINE_ALARM_S).status == "failed"
    assert report(seen_at=None).status == "failed"  # not seen since the gateway started, which is long ago
    assert report(seen_at=now - 2 * OFFLINE_ALARM_S, managed=False).status == "skipped"
    assert report(online=True, activation="not_activated").status == "warning"
    assert report(online=True, untrusted_sha256="b" * 64).status == "failed"
    assert report(was_scanned=False).status == "skipped"


def add_many(console: Console, count: int) -> None:
    for number in range(count):
        console.gateway.registry.record_device(
            DiscoveredDevice(
                address=f"10.0.{number // 100}.{number % 100 + 1}:443", interface="lo", found_by="broadcast",
                sn=f"FS{number:05}", name=f"{HOSTILE} {number:03}", model="FM020",
            )
        )  # fmt: skip


def test_addresses_are_sorted_as_numbers() -> None:
    reports = [report(sn=sn, address=address) for sn, address in (
        ("A", "10.0.0.9:443"), ("B", "10.0.0.10:443"), ("C", ""), ("D", "camera.local:443")
    )]  # fmt: skip
    page = list_reports(reports, CameraQuery(sort="address"))
    assert [one.camera.sn for one in page.reports] == ["A", "B", "D", "C"]


@pytest.mark.parametrize("query", ["page=9999999", "page=-1", "sort=x", "kind=x", "order=x", "text=" + 400 * "x"])
async def test_a_strange_address_shows_a_list(console: Console, query: str) -> None:
    await console.sign_in("pos")
    response, _ = await console.get(f"cameras?{query}")
    assert response.status == 200


async def test_two_hundred_cameras_are_filtered_sorted_and_paged(console: Console) -> None:
    add_many(console, 200)
    await console.gateway.registry.manage("FS00007")
    await console.sign_in("pos")
    _, html = await console.get("cameras")
    assert "200 cameras" in html
    assert "page 1 of 4" in html
    assert len(html) < 100_000
    assert "<img" not in html
    _, html = await console.get("cameras?page=4&sort=address&order=desc")
    assert "FS00000" in html
    assert "FS00199" not in html
    _, html = await console.get("cameras?kind=managed")
    assert html.count('<tr id="camera-') == 1
    _, html = await console.get("cameras/list?text=fs0019")
    assert html.count('<tr id="camera-') == 10
    _, html = await console.get("cameras?text=nothing")
    assert "No camera is like that" in html


async def test_found_cameras_appear_by_themselves_and_names_stay_text(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/cameras")
    await expect(page.locator("#camera-FS00002")).not_to_be_visible()
    add_many(console, 3)
    await expect(page.locator("#camera-FS00002")).to_be_visible()
    await expect(page.get_by_text(HOSTILE).first).to_be_visible()
    assert "Cameras" in await page.title()
    # On a phone the list comes first: the filters are folded, and say how many of them are on.
    filters = page.locator(".filters summary")
    await expect(page.get_by_label("Name, serial number or address")).not_to_be_visible()
    await expect(filters).to_have_text("Search and sort")
    first = await page.locator(".camera-list tbody tr").first.bounding_box()
    assert first is not None
    assert first["y"] < 844, "in the first screen"
    await filters.click()
    await page.get_by_label("Name, serial number or address").fill("fs00001")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#camera-FS00001")).to_be_visible()
    await expect(page.locator("#camera-FS00002")).not_to_be_visible()
    await expect(filters).to_contain_text("1 filter is on")
    await page.set_viewport_size({"width": 1440, "height": 900})
    await expect(page.get_by_label("Name, serial number or address")).to_be_visible()
    await expect(filters).not_to_be_visible()


async def test_a_person_looks_for_cameras_and_sees_that_it_runs(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/cameras")
    await page.get_by_role("button", name="Look for cameras now").click()
    await expect(page.get_by_text("Looking for cameras …")).to_be_visible()
    await expect(page.get_by_text("ago found 3 cameras")).to_be_visible(timeout=60_000)
    for camera in store.cameras:
        await expect(page.locator(f"#camera-{camera.sn}")).to_be_visible()


async def test_a_camera_is_added_by_hand(console: Console, browser: Browser, store: SimulatedStore) -> None:
    camera = store.cameras[0]
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras")
    await page.get_by_text("Add a camera by hand").click()
    await page.get_by_label("Serial number").fill(camera.sn)
    await page.get_by_label("Address").fill("not an address/")
    await page.get_by_role("button", name="Add it").click()
    await expect(page.locator("#address")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Address").fill(camera.address)
    await page.get_by_role("button", name="Add it").click()
    await page.wait_for_url(f"**/console/cameras/{camera.sn}")
    assert console.gateway.registry.get(camera.sn).managed


async def test_an_unusual_certificate_has_to_be_compared_before_a_camera_is_added(
    console: Console, store: SimulatedStore
) -> None:
    known, other = store.cameras[0], store.cameras[1]
    await find(console.gateway, store.cameras)
    await console.gateway.registry.manage(known.sn)
    await console.gateway.cameras.confirm_certificate(known.sn)
    await console.gateway.cameras.probe_activation(known.sn)
    other.faults.changed_certificate = True
    await console.sign_in("installer")
    fields = {"csrf": await console.csrf(), "sn": other.sn}
    response, html = await console.post("cameras/add", **fields)
    assert response.status == 502
    assert not console.gateway.registry.get(other.sn).managed
    shown = await console.gateway.cameras.fetch_certificate_sha256(other.sn)
    assert shown in html
    response, _ = await console.post("cameras/add", **fields, certificate=shown)
    assert response.status == 502  # the box was not ticked
    response, _ = await console.post("cameras/add", **fields, certificate="xyz", compared="yes")
    assert response.status == 400
    response, _ = await console.post("cameras/add", **fields, certificate=shown, compared="yes")
    assert response.status == 303
    assert console.gateway.registry.get(other.sn).certificate_sha256 == shown


async def test_why_a_search_failed_is_said_in_the_language_of_the_person(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    discovery = console.gateway.discovery
    without = console.gateway.settings.discovery.model_copy(update={"interfaces": ["gone0"]})
    monkeypatch.setattr(discovery, "_settings", without)
    await console.sign_in("installer")
    await console.post("cameras/search", csrf=await console.csrf())
    html = ""
    while "gone0" not in html:
        await asyncio.sleep(0)
        _, html = await console.get("cameras/list", headers={"Accept-Language": "zh-CN"})
    notice = re.search(r'<p class="notice warning">([^<]*gone0[^<]*)</p>', html)
    assert notice is not None
    assert not re.search("[a-z]{3,} [a-z]{2,}", notice[1]), notice[1]


async def test_a_search_keeps_which_cameras_are_shown(console: Console) -> None:
    await console.sign_in("installer")
    _, html = await console.get("cameras?kind=offline&text=a%26b&page=1")
    found = re.search(r'name="query" value="([^"]*)"', html)
    assert found is not None
    csrf = await console.csrf()
    response, _ = await console.post("cameras/search", csrf=csrf, query=unescape(found[1]))
    assert response.headers["Location"] == "/console/cameras?text=a%26b&kind=offline"
    response, _ = await console.post("cameras/search", csrf=csrf, query="//evil.example?kind=x")
    assert response.headers["Location"] == "/console/cameras"


async def test_a_till_adds_no_cameras(console: Console) -> None:
    await console.sign_in("pos")
    csrf = await console.csrf()
    for path in ("cameras/add", "cameras/search"):
        assert (await console.post(path, csrf=csrf, sn="X"))[0].status == 403
    _, html = await console.get("cameras")
    assert "Look for cameras now" not in html
