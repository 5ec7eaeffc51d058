"""The API reference in a browser: for everybody, on a phone and on a desk, in both languages, light and dark."""

from typing import Final

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from gateway.api.docs.reference import ApiReference
from tests.api_document import build_gateway_document
from tests.chromium import DESKTOP, PHONE, open_window
from tests.console.walk import begin

MAX_PAGE_BYTES: Final = 60_000
"""What a page weighs at most as it travels, with its style sheet and script."""
KINDS: Final = ["?q=order", "/problems", "/cloud-order", "/flow"]
"""A page of each kind; the large ones consist of the same parts."""
PAGES: Final = ["", "/event-types", "/problems"] + [f"/{key}" for key in ApiReference(build_gateway_document).sections]


async def find_url(session: aiohttp.ClientSession) -> str:
    async with session.get("/healthz") as response:
        return str(response.url.origin())


@pytest.mark.parametrize(
    ("language", "scheme", "size"), [("zh-CN", "dark", PHONE), ("en-US", "light", DESKTOP)], ids=["phone", "desktop"]
)
async def test_every_kind_of_page_can_be_used_by_everybody(
    session: aiohttp.ClientSession,
    browser: Browser,
    language: str,
    scheme: str,
    size: dict[str, int],
) -> None:
    url = await find_url(session)
    walk = await begin(browser, language=language, scheme=scheme, size=size)
    found = []
    for path in KINDS:
        await walk.open(f"{url}/docs{path}")
        results = (await Axe().run(walk.page)).response
        found += [
            f"{path}: {one['id']} {node['target']} {node['failureSummary']}"
            for one in results["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    assert found == []
    assert walk.faults == []


async def test_every_page_is_light_and_fits_a_phone(
    session: aiohttp.ClientSession,
    browser: Browser,
) -> None:
    url = await find_url(session)
    walk = await begin(browser, language="zh-CN", scheme="dark", size=PHONE)
    for path in PAGES:
        await walk.open(f"{url}/docs{path}")
        assert walk.bytes_received < MAX_PAGE_BYTES, path
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not await walk.page.evaluate(too_wide), path
    assert walk.faults == []


async def test_the_script_searches_fills_in_the_token_and_copies(
    session: aiohttp.ClientSession,
    browser: Browser,
) -> None:
    url = await find_url(session)
    walk = await begin(browser, language="en-US", scheme="light", size=DESKTOP)
    await walk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await walk.open(f"{url}/docs")
    await walk.page.fill("input[type=search]", "order update")
    assert await walk.page.locator("[data-search]:visible").count() == 1
    await walk.page.fill("input[type=search]", "no such thing")
    assert await walk.page.locator("#nothing").is_visible()
    await walk.page.fill("input[type=search]", "")
    await walk.page.fill("#token", "sgw_abc")
    await walk.page.locator("button.copy").first.click()
    copied = await walk.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"curl -sS {url}/api/v1/cameras \\\n  -H 'Authorization: Bearer sgw_abc'"
    assert walk.faults == []


async def test_the_pages_can_be_read_and_searched_without_a_script(
    session: aiohttp.ClientSession,
    browser: Browser,
) -> None:
    page = await (await open_window(browser, java_script_enabled=False)).new_page()
    await page.goto(f"{await find_url(session)}/docs")
    await page.fill("input[type=search]", "vendor_refused")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/docs?q=vendor_refused")
    await page.locator("a", has_text="vendor_refused").click()
    await page.wait_for_url("**/docs/problems#vendor_refused")
    assert await page.locator("#vendor_refused").is_visible()
    assert not await page.locator("button.copy").first.is_visible()
