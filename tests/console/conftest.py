"""The console of a gateway in a simulated store, as an HTTP client and a browser see it."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, Page

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.protocol.endpoint import Scope
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.chromium import open_window
from tests.search import manage

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


@pytest.fixture
async def camera(console: Console, store: SimulatedStore) -> SimulatedCamera:  # noqa: F811
    """Return the camera that is activated by this account, found and managed."""
    await manage(console.gateway, store.cameras[0])
    return store.cameras[0]


async def open_browser_session(
    browser: Browser, console: Console, *scopes: Scope, **given: Any
) -> tuple[BrowserContext, Page]:
    """Return a window, in which somebody is signed in, and its page, which is empty still.

    The session is opened without the browser: how a person does that is tested in `test_access_pages`.
    """
    context = await open_window(browser, **given)
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
