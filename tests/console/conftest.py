"""The console of a gateway in a simulated store, as an HTTP client and a browser see it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.protocol.endpoint import Scope
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.search import manage

CHROMIUM = "/usr/bin/chromium"
"""Playwright's own browsers are not installed."""
SLOW_MS = 120_000
"""How long a browser may take for anything: no test fails because the machine is slow."""
expect.set_options(timeout=SLOW_MS)
_PHONE: Final[ViewportSize] = {"width": 390, "height": 844}

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass
class Console:
    """A person at the console, without a browser."""

    gateway: Gateway
    url: str
    http: aiohttp.ClientSession

    async def sign_in(self, *scopes: Scope, name: str = "phone") -> None:
        code = self.gateway.pairing.create(name, scopes or ["admin"])
        response, _ = await self.post("sign-in", code=code.code)
        assert response.status == 303

    async def get(self, path: str, **given: Any) -> tuple[aiohttp.ClientResponse, str]:
        async with self.http.get(f"{self.url}console/{path}", allow_redirects=False, **given) as response:
            return response, await response.text()

    async def post(self, path: str, *, headers: Any = None, **fields: str) -> tuple[aiohttp.ClientResponse, str]:
        address = f"{self.url}console/{path}"
        async with self.http.post(address, data=fields, headers=headers, allow_redirects=False) as response:
            return response, await response.text()

    async def csrf(self) -> str:
        # Not of the first page, which starts the doctor: its scan finds cameras while a test goes on.
        _, html = await self.get("outbox")
        found = _CSRF.search(html)
        assert found is not None
        return found[1]


@pytest.fixture
async def console(gateway: Gateway) -> AsyncIterator[Console]:  # noqa: F811
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Console(gateway, urls[0], http)


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    # A process for each site, and not for each page: a renderer that has begun shows a page in half the time.
    options = ["--no-sandbox", "--process-per-site"]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield started
        await started.close()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Give the browser of this file's tests, in which nobody has been anywhere."""
    yield chromium
    kept = _kept.get(chromium)
    for context in chromium.contexts:
        if kept is None or context is not kept.context:
            await context.close()
            continue
        for page in context.pages:
            if page is not kept.first:
                await page.close()
        await context.clear_cookies()


class _KeptContext(NamedTuple):
    """A browser context that tests use one after the other. Each finds no cookies, and no page of another test."""

    context: BrowserContext
    first: Page
    """A page that stays open, and with it the process that shows the site."""


_kept: WeakKeyDictionary[Browser, _KeptContext] = WeakKeyDictionary()


async def _keep_context(browser: Browser) -> BrowserContext:
    """Return the context that the browser keeps, with a screen of a phone."""
    kept = _kept.get(browser)
    if kept is None or kept.context not in browser.contexts:
        context = await browser.new_context(viewport=_PHONE)
        first = await context.new_page()
        # Of the site of every gateway here, and without one: ports make no site.
        await first.route("**/*", lambda route: route.fulfill(body="", content_type="text/html"))
        await first.goto("http://127.0.0.1/")
        kept = _kept[browser] = _KeptContext(context, first)
    return kept.context


@pytest.fixture
async def camera(console: Console, store: SimulatedStore) -> SimulatedCamera:  # noqa: F811
    """Return the camera that is activated by this account, found and managed."""
    await manage(console.gateway, store.cameras[0])
    return store.cameras[0]


async def open_browser_session(
    browser: Browser, console: Console, *scopes: Scope, **given: Any
) -> tuple[BrowserContext, Page]:
    """Return a signed-in browser context and its page, which is empty still. What is given is for a context of its own.

    The session is opened without the browser: how a person does that is tested in `test_access_pages`.
    """
    context = await browser.new_context(**({"viewport": _PHONE} | given)) if given else await _keep_context(browser)
    context.set_default_timeout(SLOW_MS)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        await Console(console.gateway, console.url, http).sign_in(*scopes, name="browser")
        cookies = [*http.cookie_jar]
    await context.add_cookies(
        [
            {"name": one.key, "value": one.value, "domain": one["domain"], "path": one["path"], "sameSite": "Strict"}
            for one in cookies
        ]
    )
    return context, await context.new_page()
