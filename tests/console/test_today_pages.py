import json
import re

from playwright.async_api import Browser, expect

from firmware_tools.language import Language, translate
from gateway.console import event_texts
from gateway.events.event import Event, NewEvent
from gateway.products.events import ProductListRefused, ProductRefused, ProductsDiffer
from gateway.protocol.event_type import EVENT_TYPES
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session


def seen(group: str) -> NewEvent:
    data = {"face_id": "7", "gender": "female", "age_range": "19-28", "group_type": "regular", "group_name": group}
    return NewEvent("face.seen", "camera", data, "FM02D8BS00001", personal=True, face_id="7")


async def test_the_numbers_of_today_are_shown(console: Console) -> None:
    await console.sign_in("pos")
    counted = await console.gateway.flow.today({})
    _, html = await console.get("today")
    assert f"<strong>{counted['total']}</strong>" in html
    assert html.count("<svg") == 2
    assert re.search("<text[^>]*>19\N{EN DASH}28</text>", html)
    _, chinese = await console.get("today", headers={"Accept-Language": "zh-CN"})
    assert re.search(r"<text[^>]*>56\+</text>", chinese)
    assert 'class="scroll" tabindex="0"' in html
    _, html = await console.get("today?days=7")
    assert "Customers by day" in html


async def test_the_period_and_the_events_are_chosen_one_beside_the_other(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "pos")
    await page.goto(f"{console.url}console/today?days=7")
    await page.select_option("select[name=family]", "camera")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    await page.get_by_role("link", name="30 days").click()
    await expect(page.get_by_role("link", name="30 days")).to_have_attribute("aria-current", "true")
    await expect(page.locator("select[name=family]")).to_have_value("camera")
    await page.get_by_role("link", name="Today").last.click()
    await expect(page.get_by_role("link", name="Today").last).to_have_attribute("aria-current", "true")
    await expect(page.locator("select[name=family]")).to_have_value("camera")


async def test_without_the_cloud_the_page_says_so(console: Console, store: SimulatedStore) -> None:
    await console.sign_in("pos")
    await store.cloud.stop()
    response, html = await console.get("today")
    assert response.status == 200
    assert "There are no numbers now." in html


async def test_events_appear_by_themselves_and_can_be_filtered(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "pos")
    await page.goto(f"{console.url}console/today?family=face")
    await expect(page.locator("#events li")).to_have_count(0)
    await console.gateway.event_log.append(seen("<b>常客</b>"))
    await expect(page.locator("#events li")).to_have_count(1)
    await expect(page.locator("#events")).to_contain_text("woman, 19-28, regular customer, <b>常客</b>")
    await console.gateway.event_log.append(NewEvent("motion.detected", "camera", {"motion_type": "motion"}))
    await page.select_option("select[name=family]", "motion")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#events li")).to_have_count(1)
    await expect(page.locator("#events")).to_contain_text("Motion or sound was noticed")


async def test_what_a_person_has_opened_stays_open_when_it_is_fetched_again(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "pos")
    await page.goto(f"{console.url}console/today")
    part, numbers = page.locator("#flow"), page.locator("#flow details").first
    for chosen in (True, False):
        await numbers.locator("summary").click()
        await part.evaluate(
            "one => { one.dataset.earlier = ''; document.body.dispatchEvent(new Event('gateway:refresh')); }"
        )
        await expect(page.locator("#flow[data-earlier]")).to_have_count(0)
        assert await numbers.evaluate("one => one.open") is chosen


async def test_the_newest_events_come_first(console: Console) -> None:
    for number in range(60):
        await console.gateway.event_log.append(seen(f"group {number}"))
    await console.sign_in("pos")
    _, html = await console.get("today/events?family=face")
    assert re.findall(r"group (\d+)", html) == [str(number) for number in range(59, 9, -1)]


def test_every_type_of_event_has_words() -> None:
    assert set(event_texts._TEXTS) == set(EVENT_TYPES)


def test_a_group_that_has_the_name_of_its_type_is_named_once() -> None:
    data = {"gender": "female", "age_range": "19-28", "group_type": "stranger", "group_name": "stranger"}
    shown = event_texts.show_event(Event("a", 1, 0, "face.seen", "camera", None, json.dumps(data)))
    assert shown.details == "woman, 19-28, new visitor"


def test_steps_of_the_site_plan_are_named_as_on_its_page() -> None:
    data = {"step": "event", "name": None, "place": "", "detail": "none has come", "reason": "no_event"}
    shown = event_texts.show_event(Event("a", 1, 0, "shop.step_warning", "gateway", "FM020A1", json.dumps(data)))
    advice = "Walk past the camera, then look whether its events arrive."
    assert shown.details == f"First event: {advice}"
    assert translate(shown.details, Language.CHINESE) == "首个事件: 请从摄像机前走过，再查看其事件是否到达。"
    done = {**data, "step": "wifi", "changed": True}
    del done["reason"]
    shown = event_texts.show_event(Event("a", 1, 0, "shop.step_done", "gateway", "FM020A1", json.dumps(done)))
    assert shown.details == "Wi-Fi"


async def test_events_about_products_lead_to_their_pages(console: Console) -> None:
    for happened in (
        ProductRefused(product_id="a/1", name="<i>茶", reason="invalid product"),
        ProductListRefused(file="list.csv", list_source="till", reason="the list has headings, but no products"),
        ProductsDiffer(missing=1, foreign=0, different=0, mended=0),
    ):
        await console.gateway.event_log.append(NewEvent(happened.type, "gateway", happened.data))
    await console.sign_in("installer")
    _, html = await console.get("today/events?family=products")
    assert '<a href="/console/products/by-id/a%2F1">&lt;i&gt;茶</a>' in html
    assert 'href="/console/products/comparison"' in html
    assert 'href="/console/products/import"' in html
    await console.sign_in("pos")
    _, html = await console.get("today/events?family=products")
    assert "/console/products/by-id/a%2F1" in html
    assert "/console/products/comparison" not in html
