"""Who may use the gateway: pairing codes, tokens, sessions, and their end."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.chromium import DESKTOP, open_window
from tests.console.conftest import Console, open_browser_session

HOSTILE = '"><script>document.title=1</script>'


async def test_a_scanned_code_signs_another_device_in(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop")
    await page.get_by_label("Whose phone or computer it is").fill(HOSTILE)
    await page.get_by_role("button", name="Make a pairing code").click()
    await expect(page.get_by_alt_text("QR code")).to_be_visible()
    code = await page.locator(".code-text").inner_text()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", code)
    other = await (await open_window(browser, viewport=DESKTOP)).new_page()
    await other.goto(f"{console.url}console/sign-in#code={code}")
    await other.wait_for_url("**/console/")
    [record] = [one for one in console.gateway.tokens.all() if one.name == HOSTILE]
    assert record.scopes == ("installer",)
    await page.goto(f"{console.url}console/shop")
    entry = page.get_by_role("listitem").filter(has=page.get_by_text(HOSTILE, exact=True))
    await expect(entry).to_contain_text("Installer")
    await entry.get_by_text("Sign out", exact=True).click()
    await entry.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#notices")).to_contain_text("has no access any more")
    await expect(other.get_by_label("Pairing code")).to_be_visible()  # its page goes there by itself


async def test_a_token_is_shown_once_and_ends_when_it_is_revoked(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop")
    await page.get_by_label("Which till or program it is for").fill("till 1")
    await page.get_by_role("button", name="Make a token").click()
    token = await page.locator("code.token").inner_text()
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    headers = {"Authorization": f"Bearer {token}"}
    async with console.http.get(f"{console.url}api/v1/status", headers=headers) as response:
        assert response.status == 200
    await page.goto(f"{console.url}console/shop")
    assert token not in await page.content()
    entry = page.get_by_role("listitem").filter(has=page.get_by_text("till 1", exact=True))
    await expect(entry).to_contain_text("last used")
    await entry.get_by_text("Revoke", exact=True).click()
    await entry.get_by_role("button", name="Revoke").click()
    await expect(page.locator("#notices")).to_contain_text("has no access any more")
    async with console.http.get(f"{console.url}api/v1/status", headers=headers) as response:
        assert response.status == 401


async def test_a_taken_name_and_no_scope_are_explained(console: Console) -> None:
    await console.sign_in()
    csrf = await console.csrf()
    await console.gateway.tokens.create("till 1", "pos")
    response, html = await console.post("shop/tokens", csrf=csrf, name="till 1", scopes="pos")
    assert response.status == 409
    assert "exists already" in html
    for path in ("shop/tokens", "shop/pairing"):
        response, html = await console.post(path, csrf=csrf, name="other", scopes="everything")
        assert response.status == 400
        assert "tick what its holder may do" in html
    response, _ = await console.post("shop/pairing", csrf=csrf, name="x" * 60, scopes="pos")
    assert response.status == 400


@pytest.mark.parametrize("path", ["shop/tokens", "shop/pairing"])
async def test_what_was_filled_in_stays_when_it_is_refused(console: Console, path: str) -> None:
    await console.sign_in()
    csrf, name = await console.csrf(), "x\u0007" * 30
    _, html = await console.post(path, csrf=csrf, name=name, scopes="media")
    form = html[html.index(f'action="/console/{path}') :].partition("</form>")[0]
    assert f'value="{name}"' in form
    assert re.findall(r'value="(\w+)" checked', form) == ["media"], "not what is suggested first"
    _, html = await console.post(path, csrf=csrf, name="phone of Li", headers={"Accept-Language": "zh-CN"})
    form = html[html.index(f'action="/console/{path}') :].partition("</form>")[0]
    assert 'value="phone of Li"' in form
    assert re.findall(r'value="(\w+)" checked', form) == []
    assert "scopes:" not in html, "people do not know the field by this name"
    assert '<a href="/console/shop" aria-current="page">' in html


async def test_an_installer_neither_sees_nor_gives_access(console: Console) -> None:
    await console.gateway.tokens.create("secret till", "pos")
    await console.sign_in("installer")
    _, html = await console.get("shop")
    assert "secret till" not in html
    csrf = await console.csrf()
    for path in ("shop/tokens", "shop/pairing", "shop/revoke"):
        response, _ = await console.post(path, csrf=csrf, name="secret till", scopes="admin")
        assert response.status == 403
    assert [one.name for one in console.gateway.tokens.all()] == ["phone", "secret till"]


async def test_ending_the_own_session_leads_to_the_sign_in(console: Console) -> None:
    await console.sign_in(name="phone")
    response, _ = await console.post("shop/revoke", csrf=await console.csrf(), name="phone")
    assert response.headers["Location"] == "/console/sign-in"
    response, _ = await console.get("shop")
    assert response.status == 303
