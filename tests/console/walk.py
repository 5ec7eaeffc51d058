"""A walk through every page of the console in a browser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, Page, Request, Response

from gateway.console.pages import PAGES
from tests.chromium import open_window


def list_paths(names: dict[str, str]) -> Iterator[str]:
    """Yield the path of each whole page; `names` fill the placeholders."""
    for page in PAGES:
        if page.method == "GET" and page.shows == "page":
            yield "console/" + re.sub(r"{(\w+)(:[^}]*)?}", lambda match: names[match[1]], page.path)


@dataclass
class Walk:
    """What a browser met on its way."""

    context: BrowserContext
    page: Page
    faults: list[str] = field(default_factory=list)
    """Errors of scripts, refused requests, and requests that left the machine."""
    bytes_received: int = 0
    """What the current page weighs, without pictures of cameras."""

    def start(self) -> None:
        """Note what happens from now on."""
        self.page.on("pageerror", lambda error: self.faults.append(f"{self.page.url}: {error}"))
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)
        self.page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.faults.append(f"{self.page.url} asks for {request.url}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status} {response.url}")
        if "image/jpeg" not in response.headers.get("content-type", ""):
            self.bytes_received += int(response.headers.get("content-length", 0))

    async def open(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self.bytes_received = 0
        await self.page.goto(url, wait_until="load")


async def begin(browser: Browser, *, language: str, scheme: str, size: dict[str, int], **given: bool) -> Walk:
    """Return a walk of a new visitor. `language` is as browsers name it, `scheme` is light or dark."""
    context = await open_window(browser, locale=language, color_scheme=scheme, viewport=size, **given)
    walk = Walk(context, await context.new_page())
    walk.start()
    return walk
