"""Benchmark: the console's first page beside a bare static one, and open consoles beside readers of events.

`python tests/benchmarks/console.py [--rounds N] [--open-rounds N] [--seconds S]`. Needs Debian's chromium.
"""

import argparse
import asyncio
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import aiohttp
from aiohttp import web
from playwright.async_api import Browser, async_playwright

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import PEERS

OPEN = 50
"""How many consoles, and how many readers of events, are open at the same time."""
NOISE = 0.15
"""How far two measurements of the same streams differ."""
LOAD_MS = "() => { const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime }"


class Server:
    """The gateway as a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        settings = directory / "gateway.toml"
        settings.write_text(
            f'[server]\nhost = "127.0.0.1"\nport = {self.port}\n[storage]\ndirectory = "{directory}/state"\n'
            '[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\n'
        )
        command = [sys.executable, str(PEERS / "console_server.py"), str(settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.code = self.process.stdout.readline().strip()
        self.token = self.process.stdout.readline().strip()

    @property
    def cpu_s(self) -> float:
        """The processor time that its threads have used, in seconds."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text().split()[0]) for one in threads) / 1e9


@contextlib.asynccontextmanager
async def serve_copy(files: dict[str, tuple[bytes, str, str]]) -> AsyncIterator[str]:
    """Serve the same bytes from memory with nothing but aiohttp."""

    async def handle(request: web.Request) -> web.Response:
        body, content_type, encoding = files[request.path]
        headers = {"Content-Type": content_type} | ({"Content-Encoding": encoding} if encoding else {})
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = find_free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/console/"
    finally:
        await runner.cleanup()


async def sign_in(server: Server) -> aiohttp.ClientSession:
    http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), auto_decompress=False)
    async with http.post(f"{server.url}console/sign-in", data={"code": server.code}) as response:
        assert response.url.path == "/console/"
    return http


async def copy_page(server: Server, http: aiohttp.ClientSession) -> dict[str, tuple[bytes, str, str]]:
    """Fetch the first page and what it loads."""
    files = {}
    async with http.get(f"{server.url}console/") as response:
        html = await response.read()
    # Without the live parts: the copy has no event stream.
    bare = re.sub(rb' data-stream="[^"]*"', b"", html)
    files["/console/"] = (bare, "text/html; charset=utf-8", "")
    for path in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', html.decode()):
        async with http.get(f"{server.url.rstrip('/')}{path}", headers={"Accept-Encoding": "gzip"}) as response:
            files[path.partition("?")[0]] = (
                await response.read(),
                response.headers["Content-Type"],
                response.headers.get("Content-Encoding", ""),
            )
    return files


async def time_load(browser: Browser, url: str, cookies: list[dict[str, str]]) -> float:
    """Return how long a page takes until Chromium's load event, in milliseconds, without anything cached."""
    context = await browser.new_context(viewport={"width": 390, "height": 844})
    await context.add_cookies(cookies)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(url, wait_until="load")
    took: float = await page.evaluate(LOAD_MS)
    await context.close()
    return took


async def compare_loads(server: Server, rounds: int) -> float:
    http = await sign_in(server)
    cookies = [{"name": one.key, "value": one.value, "url": server.url} for one in http.cookie_jar]
    async with serve_copy(await copy_page(server, http)) as copy, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        ours, bare = [], []
        for _ in range(rounds):
            ours.append(await time_load(browser, f"{server.url}console/", cookies))
            bare.append(await time_load(browser, copy, []))
        await browser.close()
    await http.close()
    print(f"first page with 20 cameras: {statistics.median(ours):.0f} ms, static copy {statistics.median(bare):.0f} ms")
    return statistics.median(one / other for one, other in zip(ours, bare, strict=True))


async def hold_open(url: str, headers: dict[str, str], seconds: float, part: str = "") -> int:
    """Read a stream of events for some time; return how often something was to be fetched.

    As `console.js` does, fetch a part at each event, and when the mark in the heartbeats is another one.
    """
    mark, fetched = b"", 0
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as stream:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for line in stream.content:
                    is_news = line.startswith(b"id:")
                    if line.startswith(b'data: {"mark"'):
                        known, mark = mark, line.partition(b",")[0]
                        is_news = known not in (b"", mark)
                    if is_news:
                        fetched += 1
                        if part:
                            await (await http.get(part, headers={"HX-Request": "true"})).read()
    return fetched


async def measure_streams(
    server: Server, url: str, headers: dict[str, str], seconds: float, part: str = ""
) -> tuple[float, int]:
    """Return what open streams take of a core, and how often something was to be fetched."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(hold_open(url, headers, seconds, part)) for _ in range(OPEN)]
        await asyncio.sleep(2)
        before = server.cpu_s
        await asyncio.sleep(seconds - 3)
        used_s = server.cpu_s - before
    return used_s / (seconds - 3), sum(task.result() for task in tasks)


async def compare_open(server: Server, rounds: int, seconds: float) -> float:
    http = await sign_in(server)
    cookie = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in http.cookie_jar)}
    token = {"Authorization": f"Bearer {server.token}", "Accept": "text/event-stream"}
    await asyncio.sleep(20)  # the doctor looks at the shop when the first page is opened
    url, part = f"{server.url}console/events/stream?home", f"{server.url}console/overview"
    readers, consoles, fetched = list[float](), list[float](), 0
    for _ in range(rounds):
        used, _ = await measure_streams(server, f"{server.url}api/v1/events", token, seconds)
        readers.append(used)
        used, count = await measure_streams(server, url, cookie, seconds, part)
        consoles.append(used)
        fetched += count
    await http.close()
    median = statistics.median(consoles), statistics.median(readers)
    print(f"{OPEN} open consoles: {median[0]:.5f} of a core, {fetched} parts fetched; readers: {median[1]:.5f}")
    return median[0] / max(median[1], 1e-9)


async def compare(rounds: int, open_rounds: int, seconds: float) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="console-benchmark-") as directory:
        server = Server(Path(directory))
        try:
            load = await compare_loads(server, rounds)
            missed = [] if load <= 2 else ["first page"]
            print(f"load time: {load:.2f} of the static copy's (at most 2)")
        finally:
            server.process.terminate()
            server.process.wait(20)
    with tempfile.TemporaryDirectory(prefix="console-benchmark-") as directory:
        server = Server(Path(directory))
        try:
            ratio = await compare_open(server, open_rounds, seconds)
            missed += [] if ratio <= 1 + NOISE else ["open consoles"]
            print(f"open consoles: {ratio:.2f} of the readers' (at most 1; {NOISE:.0%} is noise)")
        finally:
            server.process.terminate()
            server.process.wait(20)
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--open-rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    missed = asyncio.run(compare(given.rounds, given.open_rounds, given.seconds))
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
