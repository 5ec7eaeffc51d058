"""The live picture, recordings and the door line, on the simulated store."""

import asyncio
import json

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from gateway.simulator.camera import SimulatedCamera
from tests.chromium import SLOW_MS
from tests.console.conftest import Console, open_browser_session


async def wait_for(page: Page, expression: str) -> None:
    """Wait until an expression holds. The pages forbid what Playwright's own function would do for that."""
    while not await page.evaluate(expression):
        await asyncio.sleep(0.1)


async def test_the_picture_moves(console: Console, browser: Browser, camera: SimulatedCamera) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    await expect(page.locator("[data-state].ok")).to_have_text("Live", timeout=SLOW_MS)
    video = "document.querySelector('video')"
    await wait_for(page, f"{video}.currentTime > 1 && {video}.videoWidth == 640")
    before = await page.evaluate(f"{video}.currentTime")
    await wait_for(page, f"{video}.currentTime > {before} + 1")
    assert console.gateway.video.streams == 1
    # The connection to the gateway is lost: that is said, and it goes on by itself.
    await console.gateway.video.end_viewers()
    await expect(page.locator("[data-state].ok")).to_have_text("Live", timeout=SLOW_MS)


async def test_a_browser_without_media_source_shows_a_picture_each_second(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.add_init_script("delete window.MediaSource; delete window.ManagedMediaSource;")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    await wait_for(page, "document.querySelector('.picture img').naturalWidth > 0")
    before = await page.evaluate("document.querySelector('.picture img').src")
    await wait_for(page, f"document.querySelector('.picture img').src != '{before}'")
    await expect(page.locator(".picture figcaption")).to_contain_text("One picture a second")


async def test_a_frozen_picture_is_not_shown_as_live(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    await expect(page.locator("[data-state].ok")).to_have_text("Live", timeout=SLOW_MS)
    await camera.stop()
    await expect(page.locator(".picture figcaption .failed")).to_contain_text("not live", timeout=SLOW_MS)


async def test_the_door_line_is_drawn_on_the_picture(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    overlay = page.locator("svg.door-line")
    await expect(page.locator("#door-line-start_x")).to_have_value("480", timeout=SLOW_MS)
    box = await overlay.bounding_box()
    assert box is not None
    # From right to left: the left end comes first all the same.
    await page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.25 * box["height"])
    await page.mouse.down()
    await page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    await page.mouse.up()
    assert abs(int(await page.locator("#door-line-start_x").input_value()) - 192) < 20
    # By the keyboard, too.
    await page.locator("#door-line-start_y").fill("500")
    await page.get_by_role("button", name="Give the line to the camera").click()
    await expect(page.locator("#door-line .ok")).to_be_visible(timeout=SLOW_MS)
    line = camera.state.config.door_line
    assert line.start_y == 500
    assert abs(line.start_x - 192) < 20
    assert abs(line.end_x - 1728) < 20
    assert abs(line.end_y - 270) < 20


async def test_a_recording_is_played(console: Console, browser: Browser, camera: SimulatedCamera) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    await page.locator("#begin").fill("2026-11-21T14:00")
    await page.locator("#minutes").fill("1")
    await page.get_by_role("button", name="Play it").click()
    await page.wait_for_url("**start_time=*")
    await expect(page.locator("#begin")).to_have_value("2026-11-21T14:00")
    await expect(page.locator("#minutes")).to_have_value("1")
    await expect(page.locator("[data-state].ok")).to_have_text("Recording", timeout=SLOW_MS)
    await wait_for(page, "document.querySelector('video').currentTime > 0.5")


async def test_the_address_for_a_recorder_is_for_installers(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}/picture")
    await page.get_by_role("button", name="Show the address").click()
    await expect(page.locator("#stream-address")).to_contain_text("rtsp://127.20.", timeout=SLOW_MS)
    await console.sign_in("pos", "media")
    _, html = await console.get(f"cameras/{camera.sn}/picture")
    assert "Show the address" not in html
    response, _ = await console.get(f"cameras/{camera.sn}/stream-address")
    assert response.status == 403


async def test_pictures_need_the_scope_and_a_page_of_this_address(console: Console, camera: SimulatedCamera) -> None:
    await console.sign_in("pos")
    for path in ("picture", "snapshot", "live"):
        assert (await console.get(f"cameras/{camera.sn}/{path}"))[0].status == 403
    await console.sign_in("media", "pos", name="other phone")
    address = f"{console.url}console/cameras/{camera.sn}/live"
    for origin in ("http://evil.example", None):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await console.http.ws_connect(address, origin=origin)
        assert refused.value.status == 403
    async with console.http.ws_connect(address, origin=console.url.rstrip("/")) as socket:
        assert "state" in json.loads((await socket.receive()).data)
    response, _ = await console.get(f"cameras/{camera.sn}/picture?start_time=x&end_time=1")
    assert response.status == 400
