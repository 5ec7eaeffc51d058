"""The guide to firmware cards."""

from markupsafe import escape
from playwright.async_api import Browser, expect

from gateway.shop.plan_reader import read_document
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.search import find

HOSTILE = '"><script>document.title=1</script>'


async def test_the_label_and_the_steps_of_a_camera(console: Console, browser: Browser, store: SimulatedStore) -> None:
    await find(console.gateway, store.cameras)
    camera = console.gateway.registry.get(store.cameras[0].sn)
    label = f"SUNMI-{camera.mac.replace(':', '').upper()[-4:]}"
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/shop/cards")
    await page.get_by_role("link", name=label).click()
    steps = page.locator("#steps")
    await expect(steps).to_contain_text("firmware/ipc-up.bin")
    await expect(steps).to_contain_text("red")
    await page.get_by_label("What for").select_option("recovery")
    await page.get_by_role("button", name="Show the steps").click()
    await expect(steps.get_by_text("up.bin", exact=True)).to_be_visible()
    await expect(steps).to_contain_text("--mode recovery")


async def test_a_wrong_address_is_explained_and_stays_text(console: Console) -> None:
    await console.sign_in("installer")
    response, html = await console.get("shop/cards", params={"mac": HOSTILE, "kind": HOSTILE})
    assert response.status == 400
    assert "12 hex digits" in html
    assert "<script>document" not in html


async def test_the_steps_are_in_the_language_of_the_person(console: Console) -> None:
    await console.sign_in("installer")
    _, html = await console.get("shop/cards?mac=0C:25:76:0A:1B:2C", headers={"Accept-Language": "zh-CN"})
    assert "SUNMI-1B2C" in html
    assert "存储卡" in html


async def test_each_card_has_the_name_and_the_place_of_its_camera(console: Console, store: SimulatedStore) -> None:
    await find(console.gateway, store.cameras)
    camera = console.gateway.registry.get(store.cameras[0].sn)
    rows = ({"sn": camera.sn, "place": HOSTILE}, {"mac": "0C:25:76:99:1B:2C", "name": "New one", "place": "aisle 7"})
    await console.gateway.shop.replace(read_document({"cameras": rows}, console.gateway.settings.provisioning))
    await console.sign_in("installer")
    try:
        _, html = await console.get("shop/cards", params={"mac": camera.mac})
    finally:
        await console.gateway.shop.delete()
    steps = html.partition('id="steps"')[2]
    assert f"{escape(camera.name or camera.sn)} · {escape(HOSTILE)}" in steps
    assert "<strong>New one</strong> aisle 7" in html
    assert "0C:25:76:99:1B:2C · not found yet" in html
    assert "<script>document" not in html
