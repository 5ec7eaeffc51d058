"""Chromium, driven by Playwright, and its windows: one browser for all tests of a process.

To start it takes a second of processor time, a new window another, and a page in a window that is open a third of one.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:  # most processes show no page
    from playwright.async_api import Browser, BrowserContext, Page

CHROMIUM: Final = "/usr/bin/chromium"
"""Playwright's own browsers are not installed."""
SLOW_MS: Final = 120_000
"""How long a browser may take for anything: no test fails because the machine is slow."""
PHONE: Final = {"width": 390, "height": 844}
DESKTOP: Final = {"width": 1440, "height": 900}
NAME: Final = "sunmi-gateway.local"
"""The name of a gateway, which the browser finds on this machine."""
_OPTIONS: Final = (
    "--no-sandbox",
    # A process for each site, and not for each page: a renderer that has begun shows a page in half the time.
    "--process-per-site",
    # None for an empty page, and none that waits for a page.
    "--renderer-process-limit=1",
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
)


@pytest.fixture(scope="session")
async def chromium() -> "AsyncIterator[Browser]":
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=SLOW_MS)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        yield started
        await started.close()


@pytest.fixture
async def browser(chromium: "Browser") -> "AsyncIterator[Browser]":
    """Give the browser of this process's tests, in which nobody has been anywhere."""
    yield chromium
    kept = {one.context: one.first for one in _kept.get(chromium, {}).values()}
    for context in chromium.contexts:
        if context not in kept:
            await context.close()
            continue
        for page in context.pages:
            if page is not kept[context]:
                await page.close()
        await context.clear_cookies()
        await context.clear_permissions()


class _KeptContext(NamedTuple):
    """A browser context that tests use one after the other. Each finds no cookies, and no page of another test."""

    context: "BrowserContext"
    first: "Page"
    """A page that stays open, and with it the process that shows the site."""


_kept: "WeakKeyDictionary[Browser, dict[str, _KeptContext]]" = WeakKeyDictionary()


async def open_window(browser: "Browser", **given: Any) -> "BrowserContext":
    """Return a browser context that is like this, and stays open for the tests to come.

    What is given is as `Browser.new_context` takes it; else the screen is that of a phone, and the language English.
    """
    given = {"viewport": PHONE, "locale": "en-US", "color_scheme": "light"} | given
    windows = _kept.setdefault(browser, {})
    key = repr(sorted(given.items()))
    if key not in windows or windows[key].context not in browser.contexts:
        context = await browser.new_context(**given)
        context.set_default_timeout(SLOW_MS)
        first = await context.new_page()
        # Of the site of every gateway here, and without one: ports make no site.
        await first.route("**/*", lambda route: route.fulfill(body="", content_type="text/html"))
        await first.goto("http://127.0.0.1/")
        windows[key] = _KeptContext(context, first)
    return windows[key].context
