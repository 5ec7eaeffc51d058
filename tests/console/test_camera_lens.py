"""Lens and settings of a camera, on the simulated store."""

import pytest
from playwright.async_api import Browser, expect

from gateway.console.detection_schedule import ALWAYS, DetectionSchedule
from gateway.errors import InvalidRequest
from gateway.simulator.camera import SimulatedCamera
from tests.chromium import SLOW_MS
from tests.console.conftest import Console, open_browser_session


async def test_settings_are_shown_and_changed(console: Console, browser: Browser, camera: SimulatedCamera) -> None:
    camera.state.config.lens.zoom = 120
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/lens")
    await expect(page.locator("#zoom-zoom")).to_have_value("120", timeout=SLOW_MS)
    await page.locator("#zoom-zoom").fill("300")
    await page.locator("#zoom-form button").click()
    await expect(page.locator("#settings .ok").first).to_be_visible(timeout=SLOW_MS)
    assert camera.state.zoom == 300
    # An FM020 turns by half only.
    assert await page.locator("#rotation-rotation option").evaluate_all("all => all.map(one => one.value)") == [
        "0",
        "180",
    ]
    await page.locator("#rotation-rotation").select_option("180")
    await page.locator("#rotation-form button").click()
    await expect(page.locator("#rotation-rotation")).to_have_value("180", timeout=SLOW_MS)
    await page.locator("#infrared-irmode").select_option("1")
    await page.locator("#infrared-form button").click()
    await expect(page.locator("#settings .ok").first).to_be_visible(timeout=SLOW_MS)
    await page.locator("#led-led_switch").select_option("0")
    await page.locator("#led-form button").click()
    await expect(page.locator("#settings .ok").first).to_be_visible(timeout=SLOW_MS)


async def test_a_touch_on_the_picture_sets_the_focus(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/lens")
    await expect(page.locator("#auto-focus-focus_x")).to_have_value("50", timeout=SLOW_MS)
    box = await page.locator(".picture .frame").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    await expect(page.locator("#settings .ok").first).to_be_visible(timeout=SLOW_MS)
    lens = camera.state.config.lens
    assert abs(lens.focused_x - 25) <= 1
    assert abs(lens.focused_y - 75) <= 1


async def test_the_detection_schedule_is_set_by_days_and_times(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/lens")
    await page.get_by_label("at these times:").check(timeout=SLOW_MS)
    await page.locator("#detection-form button").click()
    await expect(page.locator(".days .error")).to_be_visible(timeout=SLOW_MS)
    await page.get_by_label("at these times:").check()
    await page.get_by_label("Monday").check()
    await page.locator("#start").fill("20:30")
    await page.locator("#stop").fill("06:00")
    await page.locator("#detection-form button").click()
    await expect(page.locator("#settings .ok").first).to_be_visible(timeout=SLOW_MS)
    detection = camera.state.config.detection
    assert (detection.weekday, detection.start_time, detection.stop_time) == (1, 1230, 360)
    assert await page.locator(".week tbody tr").nth(1).locator("td.on").count() == 6  # Tuesday, until six


async def test_the_card_is_formatted_only_when_that_is_confirmed(console: Console, camera: SimulatedCamera) -> None:
    camera.state.card_status = 1
    await console.sign_in("installer")
    csrf = await console.csrf()
    await console.post(f"cameras/{camera.sn}/lens/format", csrf=csrf, confirm="yes")
    assert camera.state.card_status == 1
    await console.post(f"cameras/{camera.sn}/lens/format", csrf=csrf, confirm=camera.sn)
    assert camera.state.card_status == 2


async def test_what_the_camera_refuses_is_said(console: Console, camera: SimulatedCamera) -> None:
    await console.sign_in("installer")
    csrf = await console.csrf()
    headers = {"HX-Request": "true"}
    _, html = await console.post(
        f"cameras/{camera.sn}/lens/zoom", csrf=csrf, headers=headers, **{"parameter.zoom": "501"}
    )
    assert "must be at most 500" in html
    response, _ = await console.post(f"cameras/{camera.sn}/lens/rotation", csrf=csrf, **{"parameter.rotation": "90"})
    assert response.status == 303
    _, html = await console.get(f"cameras/{camera.sn}/lens")
    assert 'class="notice failed"' in html
    assert (await console.post(f"cameras/{camera.sn}/lens/nothing", csrf=csrf))[0].status == 404


async def test_a_camera_that_is_away_leaves_a_page_that_says_so(console: Console, camera: SimulatedCamera) -> None:
    await camera.stop()
    await console.sign_in("installer")
    response, html = await console.get(f"cameras/{camera.sn}/lens/settings")
    assert response.status == 200
    assert "Not everything is shown" in html


def test_a_schedule_is_what_the_vendor_takes() -> None:
    always = DetectionSchedule.from_form(is_always=True, days=(), start="", stop="")
    assert always.arguments["weekday"] == ALWAYS
    assert all(always.hours(3))
    week = DetectionSchedule.from_form(is_always=False, days=["0", "6"], start="22:00", stop="01:30")
    assert week.arguments == {"weekday": 65, "start_time": 1320, "stop_time": 90}
    assert [hour for hour, is_on in enumerate(week.hours(0)) if is_on] == [0, 1, 22, 23]
    assert [hour for hour, is_on in enumerate(week.hours(1)) if is_on] == [0, 1]
    assert DetectionSchedule.from_camera(*week.arguments.values()) == week
    assert DetectionSchedule.from_camera(None, 0, 0) is None
    for fields in (
        {"days": [], "start": "1:00", "stop": "2:00"},
        {"days": ["0"], "start": "x", "stop": "2:00"},
        {"days": ["0"], "start": "24:59", "stop": "2:00"},
        {"days": ["0"], "start": "2:00", "stop": "2:00"},
    ):
        with pytest.raises(InvalidRequest):
            DetectionSchedule.from_form(is_always=False, **fields)  # type: ignore[arg-type]


async def test_firmware_that_lacks_a_call_does_not_hide_the_other_settings(
    console: Console, camera: SimulatedCamera
) -> None:
    camera.state.config.detection.start_time, camera.state.config.detection.weekday = 90, 1
    camera.faults.add("status", path="config/getZoomFocusConf", status=404)
    camera.faults.add("refuse", path="config/getIrMode", code=5)
    await console.sign_in("installer")
    _, html = await console.get(f"cameras/{camera.sn}/lens/settings")
    assert "Not everything is shown" in html
    assert 'value="01:30"' in html
    assert "works" in html  # the memory card


async def test_what_the_camera_says_is_not_trusted(console: Console, camera: SimulatedCamera) -> None:
    await console.sign_in("installer")
    camera.faults.add("garbage", path="config/getIrMode")
    camera.faults.add("html", path="config/getRotationAngles")
    camera.state.config.lens.zoom = -(10**18)
    camera.state.config.rotation = 10**6
    camera.state.card_status = 10**9
    camera.state.config.detection.start_time = -5
    response, html = await console.get(f"cameras/{camera.sn}/lens/settings")
    assert response.status == 200
    assert "not known to the camera" in html
