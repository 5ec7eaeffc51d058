"""The guided set-up in a browser: wrong values, closed pages, a gateway that restarts, both languages."""

import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import segno
from playwright.async_api import Browser, Page, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.cameras.provisioning import StepTimeouts
from gateway.console.set_up_draft import MAX_AGE_S, MAX_DRAFTS, SetUpDraft, SetUpDrafts
from gateway.console.site import add_console
from gateway.settings import load_settings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.camera_state import SimulatedAccessPoint
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.chromium import SLOW_MS
from tests.console.conftest import Console, open_browser_session
from tests.search import find

HOSTILE_SSID = '"><img src=x onerror=1>'
QUICK = StepTimeouts(reach_s=60, leave_s=2, probe_s=0.2)


@pytest.fixture(autouse=True)
def quick(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.provisioning, "_timeouts", QUICK)


async def begin(page: Page, console: Console, sn: str) -> None:
    await page.goto(f"{console.url}console/cameras/{sn}/set-up")


async def choose_network(page: Page, ssid: str, password: str) -> None:
    await page.locator(f'input[name="network"][value="seen:{ssid}"]').check()
    await page.locator("#password").fill(password)
    await page.locator("#network-form button:not([type])").click()


async def type_number(page: Page, number: str) -> None:
    await page.locator("#number").fill(number)
    await page.locator('input[name="confirm_erase"]').check()
    await page.locator("form:has(#number) button").click()


async def name_it(page: Page, name: str) -> None:
    await page.locator("#name").fill(name)
    await page.locator("form:has(#name) button").click()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
async def test_a_new_camera_is_set_up(console: Console, browser: Browser, store: SimulatedStore, language: str) -> None:
    camera, following = store.cameras[1:3]
    camera.state.access_points = (*camera.state.access_points, SimulatedAccessPoint(HOSTILE_SSID, "NONE"))
    await find(console.gateway, [camera, following])
    _, page = await open_browser_session(browser, console, "installer", locale=language)
    await begin(page, console, camera.sn)
    await expect(page.locator("#networks")).to_contain_text(HOSTILE_SSID)
    assert await page.locator("#networks img").count() == 0
    await expect(page.locator('input[value="seen:OldRouter"]')).to_be_disabled()
    await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
    await type_number(page, store.activation_numbers[camera.sn])
    await name_it(page, "Entrance <b>")
    await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)
    assert camera.state.activated
    assert camera.state.wifi == WIFI_SSID
    assert camera.state.name == "Entrance <b>"
    record = console.gateway.registry.get(camera.sn)
    assert (record.managed, record.activation) == (True, "activated")
    assert "Entrance <b>" in await page.locator("#progress").inner_text()
    await expect(page.locator("h1")).to_contain_text("Entrance <b>")
    assert "Entrance <b>" in await page.title()
    await page.locator("#progress a").last.click()
    await expect(page).to_have_url(f"{console.url}console/cameras/{following.sn}/set-up")


async def test_a_wrong_wifi_password_leads_back_to_just_that_field(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[1]
    await find(console.gateway, [camera])
    _, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await choose_network(page, WIFI_SSID, "wrong-password")
    await type_number(page, store.activation_numbers[camera.sn])
    await name_it(page, "Till")
    await expect(page.locator(".verdict.failed")).to_contain_text("password", timeout=SLOW_MS)
    assert await page.locator("#number").count() == 0
    await page.locator("#password").fill("short")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#password")).to_have_attribute("aria-invalid", "true")
    await page.locator("#password").fill(WIFI_PASSWORD)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)
    assert (camera.state.name, camera.state.wifi) == ("Till", WIFI_SSID)


async def test_a_wrong_activation_number_leads_back_to_just_that_field(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[1]
    await find(console.gateway, [camera])
    context, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
    await type_number(page, "123456789012345678901234")
    await name_it(page, "Till")
    await expect(page.locator(".verdict.failed")).to_contain_text("activation number", timeout=SLOW_MS)
    assert await page.locator("#password").count() == 0
    # The page is closed and opened again.
    await page.close()
    page = await context.new_page()
    await begin(page, console, camera.sn)
    await expect(page.locator(".verdict.failed")).to_be_visible()
    await page.locator("#number").fill(store.activation_numbers[camera.sn])
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)
    assert camera.state.name == "Till"


def photograph(text: str) -> bytes:
    file = io.BytesIO()
    segno.make(text).save(file, kind="png", scale=8)
    return file.getvalue()


async def test_answers_stay_while_the_page_is_closed_and_the_number_may_be_photographed(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[2]
    await find(console.gateway, [camera])
    context, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
    await expect(page.locator("#number")).to_be_visible()
    await page.close()
    page = await context.new_page()
    await begin(page, console, camera.sn)
    picture = photograph(store.activation_numbers[camera.sn])
    await page.locator("#photo").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture})
    await page.get_by_role("button", name="Read the picture").click()
    await expect(page.locator("#number")).to_have_value(store.activation_numbers[camera.sn], timeout=SLOW_MS)
    await page.locator('input[name="confirm_erase"]').check()
    await page.locator("form:has(#number) button").click()
    await name_it(page, "Till")
    await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)


async def test_a_camera_without_power_is_waited_for_and_the_set_up_is_cancelled(
    console: Console, browser: Browser, store: SimulatedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = store.cameras[0]
    await find(console.gateway, [camera])
    monkeypatch.setattr(console.gateway.provisioning, "_timeouts", StepTimeouts(reach_s=2, probe_s=0.2))
    store.cameras.remove(camera)
    await camera.stop()
    _, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await page.locator('input[value="other"]').check()
    await page.locator('input[name="ssid"]').fill("Shop")
    await page.locator("#password").fill(WIFI_PASSWORD)
    await page.locator("#network-form button:not([type])").click()
    await page.locator('button[value="skip"]').click()
    await page.get_by_role("button", name="Set it up now").click()
    await expect(page.locator(".verdict.warning")).to_be_visible(timeout=SLOW_MS)  # it waits
    await expect(page.get_by_text("blinks green").first).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator(".verdict")).to_contain_text("cancelled")


async def test_the_name_of_another_network_is_not_ignored_because_its_choice_was_not_ticked(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[0]
    await find(console.gateway, [camera])
    _, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await page.locator('input[value="keep"]').check()
    await page.locator('input[name="ssid"]').fill("Shop")
    await page.locator("#password").fill(WIFI_PASSWORD)
    await page.locator("#network-form button:not([type])").click()
    await page.locator('button[value="skip"]').click()
    await expect(page.locator("dl dd").first).to_have_text("Shop")


async def test_the_network_form_refuses_what_no_camera_takes(console: Console, store: SimulatedStore) -> None:
    sn = store.cameras[1].sn
    await console.sign_in("installer")
    csrf = await console.csrf()
    for fields in ({}, {"network": "other"}, {"network": "other", "ssid": "A", "password": "short"}):
        response, html = await console.post(f"cameras/{sn}/set-up/network", csrf=csrf, **fields)
        assert response.status == 400
        assert "error" in html
    response, _ = await console.post(f"cameras/{sn}/set-up/activation", csrf=csrf, number="12345678")
    assert response.status == 400  # the box is not ticked
    response, _ = await console.get("cameras/%20x/set-up")
    assert response.status == 404


async def test_secrets_are_not_shown_again(console: Console, store: SimulatedStore) -> None:
    sn = store.cameras[1].sn
    await console.sign_in("installer")
    csrf = await console.csrf()
    await console.post(f"cameras/{sn}/set-up/network", csrf=csrf, network="other", ssid="A", password="verysecret")
    _, html = await console.get(f"cameras/{sn}/set-up?question=network")
    assert 'value="A"' in html
    assert "verysecret" not in html


async def test_a_password_stays_when_somebody_goes_back_to_its_question(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[1]
    await find(console.gateway, [camera])
    _, page = await open_browser_session(browser, console, "installer")
    await begin(page, console, camera.sn)
    await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
    await page.locator(".questions a").click()
    await expect(page.locator("#password-help")).to_contain_text("that you chose before")
    await expect(page.locator("#password")).to_have_value("")
    await page.locator("#network-form button:not([type])").click()
    await type_number(page, store.activation_numbers[camera.sn])
    await name_it(page, "Till")
    await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)
    assert camera.state.wifi == WIFI_SSID


async def test_a_password_stays_in_the_field_while_the_rest_is_corrected(
    console: Console, store: SimulatedStore
) -> None:
    await console.sign_in("installer")
    path, csrf = f"cameras/{store.cameras[1].sn}/set-up/network", await console.csrf()
    response, html = await console.post(path, csrf=csrf, network="other", ssid="", password="verysecret")
    assert (response.status, 'value="verysecret"' in html) == (400, True)
    # A password that was refused is not taken for the known one.
    await console.post(path, csrf=csrf, network="other", ssid="A", password="short")
    response, _ = await console.post(path, csrf=csrf, network="other", ssid="A", password="")
    assert response.status == 303


def test_drafts_are_bounded_in_number_and_age() -> None:
    now = 0.0
    drafts = SetUpDrafts(monotonic=lambda: now)
    for number in range(MAX_DRAFTS + 1):
        drafts.save(str(number), SetUpDraft())
    assert drafts.find("0") is None
    assert drafts.find("1") is not None
    now = MAX_AGE_S + 1
    assert drafts.find("1") is None
    assert "secret" not in repr(SetUpDraft(password="secret", activation_number="secret"))


@contextlib.asynccontextmanager
async def run_gateway(file: Path) -> AsyncIterator[Console]:
    gateway = await Gateway.open(load_settings(file))
    try:
        await gateway.provisioning.resume()
        async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession() as http:
            yield Console(gateway, urls[0], http)
    finally:
        await gateway.close()


async def test_the_set_up_goes_on_when_the_gateway_restarts(
    browser: Browser, store: SimulatedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    file = folder / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    camera: SimulatedCamera = store.cameras[1]
    camera.rejoin_s = 3
    async with run_gateway(file) as console:
        monkeypatch.setattr(console.gateway.provisioning, "_timeouts", QUICK)
        await console.gateway.provisioning.resume()
        await find(console.gateway, [camera])
        _, page = await open_browser_session(browser, console, "installer")
        await begin(page, console, camera.sn)
        await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
        await type_number(page, store.activation_numbers[camera.sn])
        await name_it(page, "Till")
        await expect(page.locator(".steps li.done").nth(2)).to_be_visible(timeout=SLOW_MS)  # the Wi-Fi was told
    async with run_gateway(file) as console:
        _, page = await open_browser_session(browser, console, "installer")
        await begin(page, console, camera.sn)
        await expect(page.locator(".verdict.ok")).to_be_visible(timeout=2 * SLOW_MS)
    assert (camera.state.name, camera.state.activated) == ("Till", True)


async def test_three_cameras_are_set_up_at_the_same_time_with_all_pages_closed(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    await find(console.gateway, store.cameras)
    context, page = await open_browser_session(browser, console, "installer")
    first, *new = store.cameras
    await begin(page, console, first.sn)
    await page.locator('input[value="keep"]').check()
    await page.locator("#network-form button:not([type])").click()
    await page.locator('button[value="skip"]').click()
    await page.get_by_role("button", name="Set it up now").click()
    await expect(page.locator("#progress")).to_be_visible()
    for number, camera in enumerate(new):
        await begin(page, console, camera.sn)
        await choose_network(page, WIFI_SSID, WIFI_PASSWORD)
        await type_number(page, store.activation_numbers[camera.sn])
        await name_it(page, f"Camera {number}")
        await expect(page.locator("#progress")).to_be_visible()
    await page.close()
    page = await context.new_page()
    for camera in store.cameras:
        await begin(page, console, camera.sn)
        await expect(page.locator(".verdict.ok")).to_be_visible(timeout=SLOW_MS)
        assert camera.state.activated
    assert [camera.state.name for camera in new] == ["Camera 0", "Camera 1"]
    await page.goto(f"{console.url}console/cameras?kind=managed")
    await expect(page.locator(".camera-list tbody tr")).to_have_count(3)


async def test_looking_for_networks_again_sends_no_password(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    camera = store.cameras[1]
    await find(console.gateway, [camera])
    _, page = await open_browser_session(browser, console, "installer")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await begin(page, console, camera.sn)
    await expect(page.locator("#networks")).to_contain_text(WIFI_SSID)
    await page.locator("#password").fill("verysecret")
    addresses.clear()
    async with page.expect_response("**/networks*"):
        await page.get_by_role("button", name="Look again").click()
    assert not [one for one in addresses if "verysecret" in one]
    assert await page.locator("#password").input_value() == "verysecret"
