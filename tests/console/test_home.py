"""The first page: when the doctor has to look again, and what an open page asks for."""

import json

import pytest
from playwright.async_api import Browser, Request, expect

from gateway.api import stream
from gateway.console.examination import MAX_FINDINGS_AGE_S, MIN_FINDINGS_AGE_S, is_out_of_date
from gateway.console.home import find_worst, report_areas
from gateway.doctor.check import Finding, Status
from gateway.simulator.camera import SimulatedCamera
from tests.console.conftest import Console, open_browser_session
from tests.console.test_outbox_pages import refuse_product


@pytest.fixture
def quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_INTERVAL_S", 0.3)


@pytest.mark.parametrize(
    ("found", "age_s", "reachable", "expected"),
    [
        ("ok", None, True, True),
        ("ok", MAX_FINDINGS_AGE_S + 1, True, True),
        ("ok", MIN_FINDINGS_AGE_S + 1, True, False),
        ("ok", MIN_FINDINGS_AGE_S + 1, None, False),
        ("ok", MIN_FINDINGS_AGE_S + 1, False, True),
        ("failed", MIN_FINDINGS_AGE_S + 1, True, True),
        ("failed", MIN_FINDINGS_AGE_S + 1, False, False),
        ("ok", MIN_FINDINGS_AGE_S - 1, False, False),
    ],
)
def test_the_doctor_looks_again_when_the_cloud_is_no_longer_as_it_found_it(
    found: Status, age_s: float | None, reachable: bool | None, expected: bool
) -> None:
    findings = [Finding(found, "the cloud", check="cloud_tls")]
    assert is_out_of_date(findings, age_s, cloud_reachable=reachable) is expected


def test_the_shop_is_as_its_worst_part() -> None:
    warning, failure = Finding("warning", "a camera", check="cameras"), Finding("failed", "the network", check="lan")
    assert find_worst(report_areas([warning, failure])) == "failed", "whatever comes first on the page"
    assert find_worst(report_areas([warning])) == "warning"
    assert find_worst(report_areas([])) == report_areas([])[0].status


async def test_heartbeats_of_the_console_have_a_mark_of_what_no_event_tells(
    quick_heartbeats: None, console: Console, camera: SimulatedCamera
) -> None:
    await console.sign_in("pos")
    marks = list[str]()
    async with console.http.get(f"{console.url}console/events/stream") as opened:
        async for line in opened.content:
            if not line.startswith(b'data: {"mark"'):
                continue
            marks.append(json.loads(line[6:])["mark"])
            if len(marks) == 3:
                assert marks[0] == marks[1] == marks[2], "nothing has changed"
                console.gateway.registry.get(camera.sn).seen_at = None
            elif len(marks) > 3 and marks[-1] != marks[0]:
                break
            assert len(marks) < 50


async def test_a_quiet_page_asks_for_nothing_and_its_ages_go_on(
    quick_heartbeats: None, console: Console, camera: SimulatedCamera, browser: Browser
) -> None:
    await refuse_product(console.gateway)
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/")
    age = page.locator("[data-examined]")
    await expect(age).to_be_visible()
    await expect(page.locator("#overview")).not_to_have_attribute("hx-trigger", "every 3s")
    to_outbox = page.locator('a[role="button"][href="/console/outbox?state=refused"]')
    await expect(to_outbox).to_have_text("See to it here")
    asked = list[str]()

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    for _ in range(20):  # what the doctor's own search has found may still arrive
        asked.clear()
        for _ in range(2):
            await expect(age).not_to_have_text(await age.inner_text())
        if not asked:
            break
    assert asked == []
    console.gateway.registry.get(camera.sn).seen_at = None
    async with page.expect_request("**/console/overview"):
        pass
