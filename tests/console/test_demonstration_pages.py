"""The docking demonstration in the console: left and come back to, a step that fails with its advice, all ticked."""

from playwright.async_api import Browser, expect
from yarl import URL

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from gateway.simulator.traffic import TrafficGenerator
from tests.console.conftest import Console, open_browser_session


async def test_a_demonstration_is_left_and_come_back_to_and_a_failed_step_goes_on(
    console: Console, browser: Browser, store: SimulatedStore, camera: SimulatedCamera
) -> None:
    console.gateway.callback_urls.port = URL(console.url).port
    camera.state.config.door_line.start_x = camera.state.config.door_line.end_x = 0
    camera.state.config.door_line.start_y = camera.state.config.door_line.end_y = 0
    store.cloud.faults.add("refuse", path="passengerFlow/stat/today/getLatest", code=5013, times=None)
    for path in ("groupByTag", "groupByGender", "getTrendByHour"):
        store.cloud.faults.add("refuse", path=f"passengerFlow/stat/today/{path}", code=5013, times=None)
    context, page = await open_browser_session(browser, console, "installer", "media")
    await page.goto(f"{console.url}console/")
    await page.get_by_role("link", name="Cameras", exact=True).click()
    await page.get_by_role("link", name="Docking demonstration").click()
    await expect(page.locator(".ticks > li.pending")).to_have_count(8)
    await page.get_by_role("button", name="Begin").click()

    # It waits for somebody who walks past; the page is left meanwhile, and come back to.
    await expect(page.locator("#step-event.waiting")).to_contain_text("Walk past the camera now, facing it")
    await page.get_by_role("link", name="Home").click()
    await TrafficGenerator([camera]).show_face(camera)
    await page.go_back()
    await expect(page.get_by_role("status").filter(has_text="Not every step")).to_be_visible()
    failed = page.locator(".ticks > li.failed")
    await expect(failed).to_have_count(1)
    await expect(failed).to_have_attribute("id", "step-flow")
    await expect(page.locator("#step-configure.warning")).to_contain_text("Draw the door line")
    await expect(page.locator("#step-event.done")).to_contain_text("face.seen")
    await expect(failed).to_contain_text("Wait until the cloud has counted a customer")
    picture = page.locator("#step-picture img")
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0

    # What it said is mended, and only the rest goes on.
    store.cloud.faults.clear()
    camera.state.config.door_line.end_x = 1200
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("All steps are ticked off.")).to_be_visible()
    await expect(page.locator(".ticks > li.done")).to_have_count(8)
    async with context.expect_page() as opened:
        await page.get_by_role("button", name="Record to print").click()
    record = await opened.value
    await expect(record.get_by_role("heading", name="Docking demonstration")).to_be_visible()
    await expect(record.locator("section.camera")).to_have_count(8)
    await record.close()

    await page.get_by_text("Delete the demonstration").first.click()
    await page.get_by_role("button", name="Delete the demonstration").click()
    await expect(page.get_by_text("The demonstration was deleted")).to_be_visible()
    assert console.gateway.shop_parts.demonstration.record is None
    await page.close()
