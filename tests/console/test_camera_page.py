"""The page of one camera: what is known of it, its certificate, and what is done to it."""

import pytest
from playwright.async_api import Browser, expect

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.search import find

HOSTILE = '"><script>document.title=1</script>'


async def test_the_page_says_what_is_known_and_what_has_happened(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    camera.state.config.name = HOSTILE
    await console.gateway.cameras.refresh(camera.sn)
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/cameras/{camera.sn}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    state = page.locator("#camera")
    await expect(state).to_contain_text("answers")
    await expect(state).to_contain_text(camera.address)
    await expect(state).to_contain_text("this account")
    await expect(state).to_contain_text("A camera was found")
    # It stays live.
    console.gateway.registry.record_untrusted_certificate(camera.sn, "b" * 64)
    await expect(state).to_contain_text("shows another certificate")


async def test_a_restart_and_a_reset_need_the_serial_number(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    camera.reboot_s = 0.1
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}")
    await page.get_by_text("Reset it to factory settings").first.click()
    await page.locator("#reset-confirm").fill("yes")
    await page.get_by_role("button", name="Reset it to factory settings").click()
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    assert camera.state.activated
    await page.get_by_text("Reset it to factory settings").first.click()
    await page.locator("#reset-confirm").fill(camera.sn.lower())
    await page.get_by_role("button", name="Reset it to factory settings").click()
    await expect(page.locator("#notices")).to_contain_text("factory settings")
    assert not camera.state.activated


@pytest.mark.parametrize("action", ["reboot", "reset", "forget", "trust", "manage"])
async def test_a_till_does_nothing_to_cameras(console: Console, camera: SimulatedCamera, action: str) -> None:
    await console.sign_in("pos")
    response, _ = await console.post(f"cameras/{camera.sn}/{action}", csrf=await console.csrf(), confirm=camera.sn)
    assert response.status == 403
    _, html = await console.get(f"cameras/{camera.sn}")
    assert "Forget it" not in html


async def test_a_changed_certificate_is_compared_and_trusted(
    console: Console, browser: Browser, camera: SimulatedCamera
) -> None:
    before = console.gateway.registry.get(camera.sn).certificate_sha256
    camera.faults.changed_certificate = True
    after = await console.gateway.cameras.fetch_certificate_sha256(camera.sn)
    console.gateway.registry.record_untrusted_certificate(camera.sn, after)
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/cameras/{camera.sn}")
    await page.get_by_role("link", name="Compare the certificates").first.click()
    await expect(page.get_by_text(before)).to_be_visible()
    await expect(page.get_by_text(after)).to_be_visible()
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Trust the new certificate").click()
    await expect(page.locator("#notices")).to_contain_text("trusted")
    assert console.gateway.registry.get(camera.sn).certificate_sha256 == after


async def test_trust_needs_the_box(console: Console, camera: SimulatedCamera) -> None:
    camera.faults.changed_certificate = True
    shown = await console.gateway.cameras.fetch_certificate_sha256(camera.sn)
    await console.sign_in("installer")
    await console.post(f"cameras/{camera.sn}/trust", csrf=await console.csrf(), certificate=shown)
    assert console.gateway.registry.get(camera.sn).certificate_sha256 != shown


async def test_a_camera_is_managed_and_forgotten(console: Console, store: SimulatedStore) -> None:
    camera = store.cameras[1]
    await find(console.gateway, [camera])
    await console.sign_in("installer")
    csrf = await console.csrf()
    response, _ = await console.post(f"cameras/{camera.sn}/manage", csrf=csrf)
    assert response.headers["Location"] == f"/console/cameras/{camera.sn}"
    assert console.gateway.registry.get(camera.sn).managed
    response, _ = await console.post(f"cameras/{camera.sn}/forget", csrf=csrf, confirm=camera.sn)
    assert response.headers["Location"] == "/console/cameras"
    assert console.gateway.registry.find(camera.sn) is None
    response, _ = await console.get(f"cameras/{camera.sn}")
    assert response.status == 404
