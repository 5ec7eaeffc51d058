"""The log of who did what, as a page."""

import re

from playwright.async_api import Browser, expect

from gateway.audit.change import NewChange
from gateway.console.pages import PAGES
from tests.console.conftest import Console, open_browser_session

HOSTILE = '"><script>document.title=1</script>'


async def test_what_a_person_does_is_listed_with_name_and_object(console: Console, browser: Browser) -> None:
    await console.gateway.audit.add(NewChange(HOSTILE, "api", "Forget a camera", HOSTILE))
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop")
    await page.get_by_label("Which till or program it is for").fill("till 1")
    await page.get_by_role("button", name="Make a token").click()
    token = await page.locator("code.token").inner_text()
    await page.get_by_role("link", name="Who did what").click()
    newest = page.locator(".audit li").first
    await expect(newest).to_contain_text("Make a token: till 1")
    await expect(newest).to_contain_text("browser (console)")
    await expect(page.locator(".audit li").nth(1)).to_contain_text(HOSTILE)
    assert token not in await page.content()


async def test_how_many_things_were_changed_is_in_the_language_of_the_person(console: Console) -> None:
    for counted in ("6 cameras", "30 products", "7 <b>"):
        await console.gateway.audit.add(NewChange("Li", "console", "Set up a whole shop", counted))
    await console.sign_in()
    _, html = await console.get("shop/audit", headers={"Accept-Language": "zh-CN"})
    assert re.findall(r"</strong>: ([^<]*)</span>", html) == ["7 &lt;b&gt;", "30 个商品", "6 台摄像机"]
    assert "30 products" in (await console.get("shop/audit"))[1]


async def test_what_failed_is_not_listed(console: Console) -> None:
    await console.sign_in()
    csrf = await console.csrf()
    await console.post("shop/tokens", csrf=csrf, name="", scopes="pos")
    await console.post("outbox", csrf=csrf, action="retry", item="1")
    await console.post("shop/revoke", csrf=csrf, name="nobody")
    assert await console.gateway.audit.read() == ([], None)
    response, _ = await console.get("shop/audit")
    assert response.status == 200


async def test_only_an_administrator_sees_it(console: Console) -> None:
    await console.sign_in("installer")
    response, _ = await console.get("shop/audit")
    assert response.status == 403


def test_every_page_that_changes_something_says_what_in_words() -> None:
    assert [one.path for one in PAGES if one.method == "POST" and one.scope and one.audited and not one.does] == []
