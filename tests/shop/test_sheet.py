"""The acceptance sheet: what was set up, with pictures, as JSON and as a page that prints on A4."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.chromium import open_window
from tests.shop.conftest import PLAN, Site, failures, open_site

SHEET = f"{PLAN}/sheet"
HOSTILE = '<script>alert("x")</script>{{ 7 * 7 }}'
PAGE = {"Accept": "text/html"}
ENDS = ("start_x", "start_y", "end_x", "end_y")


@pytest.fixture
async def site_with_pictures(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path, max_streams=2) as opened:
        yield opened


async def fetch_page(site: Site, language: str = "en") -> str:
    headers = {"Authorization": f"Bearer {site.rest.token}", "Accept-Language": language, **PAGE}
    async with site.rest.session.get(SHEET, headers=headers) as response:
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        return await response.text()


def without_time(page: str) -> str:
    return re.sub(r"\d\d:\d\d:\d\d[.0-9]* UTC", "", page)


async def set_up(site: Site, **settings: int) -> dict[str, Any]:
    site.connect_all()
    plan = site.plan(settings=settings)
    plan["cameras"][0]["place"] = HOSTILE
    put = await site.rest("PUT", PLAN, plan)
    assert put.status == 200, put.body
    return await site.run(confirm_erase=put.body["erases"])


async def test_a_sheet_has_pictures_from_before_and_after_and_they_leave_with_the_plan(
    site_with_pictures: Site, tmp_path: Path
) -> None:
    site = site_with_pictures
    document = await set_up(site, zoom=120)
    assert failures(document) == []
    sheet = (await site.rest("GET", SHEET)).body
    assert [camera["state"] for camera in sheet["cameras"]] == ["done", "done", "done"]
    first = sheet["cameras"][0]
    assert (first["firmware"], first["needs_card"], first["changes"]) == ("1.2.6", False, None)
    assert first["certificate_sha256"]
    assert [one["moment"] for one in first["pictures"]] == ["before", "after"]
    folder = tmp_path / "state/site-plan-pictures"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    headers = {"Authorization": f"Bearer {site.rest.token}"}
    async with site.rest.session.get(first["pictures"][1]["path"], headers=headers) as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
        assert (await response.read()).startswith(b"\xff\xd8")
    till = await site.gateway.tokens.create("the till", "pos")
    async with site.rest.session.get(
        first["pictures"][1]["path"], headers={"Authorization": f"Bearer {till}"}
    ) as refused:
        assert refused.status == 403
    assert (await site.rest("GET", f"{PLAN}/pictures/{first['sn']}/later")).status == 404

    page = await fetch_page(site)
    assert page.count("data:image/jpeg;base64,") == 6
    line = first["door_line"]
    assert line["state"] == "drawn"
    ends = " ".join(f'{name}="{line[key]}"' for name, key in zip(("x1", "y1", "x2", "y2"), ENDS, strict=True))
    drawn = re.findall(rf'<svg viewBox="0 0 {line["width"]} {line["height"]}"[^>]*>(.*?)</svg>', page)
    faces = [camera for camera in sheet["cameras"] if camera["model"] == "FM020"]
    assert len(drawn) == len(faces), "on the picture from after the change alone"
    assert drawn[0].count(f"<line {ends} ") == 2, "in a light and a dark colour"

    site.store.cameras[1].rtsp.find_stream = lambda path: None
    again = (await site.rest("GET", f"{SHEET}?pictures=true")).body
    assert again["verified"]
    moments = [[one["moment"] for one in camera["pictures"]] for camera in again["cameras"]]
    both = ["before", "after"]
    assert moments == [[*both, "now"], both, [*both, "now"]]
    changes = [[(one["step"], one["is_right"]) for one in camera["changes"]] for camera in again["cameras"]]
    assert changes == [[], [("picture", False)], []]
    assert "shows no picture" in again["cameras"][1]["changes"][0]["detail"]
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page

    assert (await site.rest("DELETE", PLAN)).status == 204
    assert not folder.exists()
    assert (await site.rest("GET", first["pictures"][1]["path"])).status == 404
    assert (await site.rest("GET", SHEET)).status == 404


async def test_a_sheet_says_what_has_changed_since(site: Site) -> None:
    assert failures(await set_up(site, irmode=1)) == []
    unchanged = (await site.rest("GET", f"{SHEET}?verify=true")).body
    assert unchanged["verified"]
    assert [camera["changes"] for camera in unchanged["cameras"]] == [[], [], []]
    chinese = without_time(await fetch_page(site, "zh"))
    assert "已由此账号激活" in chinese
    await site.gateway.shop.load()  # as after a restart
    assert without_time(await fetch_page(site, "zh")) == chinese, "each text is in the language of the reader"

    first, second, third = site.store.cameras
    first.state.config.name = "Somebody else's"
    second.state.config.irmode = 2
    third.state.factory_reset()
    third.state.cable, third.state.hotspot = True, False
    for camera in site.store.cameras:
        camera.requests.clear()
    sheet = (await site.rest("GET", f"{SHEET}?verify=true")).body
    changes = [[(one["step"], one["is_right"]) for one in camera["changes"]] for camera in sheet["cameras"]]
    assert changes[:2] == [[("name", False)], [("settings", False)]]
    assert changes[2][0] == ("activate", False)
    assert all(camera["to_do"] for camera in sheet["cameras"])
    sent = {one.path for camera in site.store.cameras for one in camera.requests}
    assert not any("/set" in path or "update" in path or "activate" in path for path in sent), "it only looks"
    refused = await site.rest("GET", f"{SHEET}?verify=perhaps")
    assert refused.body["errors"] == [{"parameter": "verify", "reason": "must be true or false"}]


async def test_a_sheet_says_which_camera_has_other_firmware_address_or_certificate(site: Site) -> None:
    assert failures(await set_up(site)) == []
    site.store.cameras[0].state.software_version = "1.2.10"
    await site.gateway.shop.load()  # what each was known by survives a restart
    second = site.gateway.shop.progress[1]
    assert second.accepted is not None
    pin = second.accepted.certificate_sha256
    second.accepted = second.accepted._replace(address="192.0.2.7:443", certificate_sha256="0" * 64)
    sheet = (await site.rest("GET", f"{SHEET}?verify=true")).body
    changes = [
        [tuple(one[name] for name in ("step", "fact", "was", "now", "is_right")) for one in camera["changes"]]
        for camera in sheet["cameras"]
    ]
    address = sheet["cameras"][1]["address"]
    assert changes == [
        [("find", "firmware", "1.2.6", "1.2.10", True)],
        [("find", "address", "192.0.2.7:443", address, True), ("find", "certificate", "0" * 64, pin, True)],
        [],
    ]
    assert sheet["cameras"][0]["changes"][0]["detail"] == "the firmware was 1.2.6 and is 1.2.10"
    refused = await site.rest("GET", f"{SHEET}?pictures=true")
    assert (refused.status, "video.max_streams" in refused.body["detail"]) == (409, True)


async def test_older_firmware_and_a_missing_door_line_are_left_to_do(site: Site) -> None:
    first, second, _ = site.store.cameras
    second.state.software_version = "1.2.10"
    line = first.state.config.door_line
    line.start_x, line.start_y, line.end_x, line.end_y = 0, 0, 0, 0
    await set_up(site)
    sheet = (await site.rest("GET", SHEET)).body
    same = [camera for camera in sheet["cameras"] if camera["model"] == second.state.model]
    newest = {camera["sn"]: camera["needs_card"] for camera in same}
    assert newest.pop(second.sn) is False
    assert all(newest.values())
    shown = (await site.rest("GET", PLAN)).body
    assert [one["needs_card"] for one in shown["cameras"]] == [one["needs_card"] for one in sheet["cameras"]]
    assert {one["version"] for one in shown["firmware"]} == {"1.2.6", "1.2.10"}
    faces = next(camera for camera in sheet["cameras"] if camera["sn"] == first.sn)
    assert faces["door_line"]["state"] == "not_drawn"
    assert any("door line" in task for task in faces["to_do"])


async def print_page(browser: Browser, html: str, folder: Path) -> tuple[bytes, str]:
    """Print a page in a browser, and return the PDF and its text."""
    page = await (await open_window(browser)).new_page()
    await page.set_content(html)
    pdf = await page.pdf(prefer_css_page_size=True)
    file = folder / "sheet.pdf"
    await asyncio.to_thread(file.write_bytes, pdf)
    process = await asyncio.create_subprocess_exec("pdftotext", "-layout", file, "-", stdout=asyncio.subprocess.PIPE)
    text, _ = await process.communicate()
    return pdf, text.decode()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils")
async def test_a_sheet_of_25_cameras_prints_on_a4_in_chinese(site: Site, browser: Browser, tmp_path: Path) -> None:
    rows = [{"sn": f"FM010A23{number:05}", "name": f"Camera {number}", "place": HOSTILE} for number in range(25)]
    assert (await site.rest("PUT", PLAN, {"cameras": rows})).status == 200
    pdf, text = await print_page(browser, await fetch_page(site, "zh"), tmp_path)
    pages = len(re.findall(rb"/Type /Page\b(?!s)", pdf))
    assert 7 <= pages <= 14, "three or four cameras on a page, and none is cut"
    assert re.search(rb"/MediaBox \[0 0 59[45][.0-9]* 84[12]", pdf), "it is A4"
    assert f"{pages} / {pages}" in text
    assert all(f"{number + 1}. Camera {number}" in text for number in range(25))
    assert "验收单" in text
    assert "<script>" in text, "a name is shown as it is"
