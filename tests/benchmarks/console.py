"""Benchmark: the console's first page beside a bare static one, and open consoles beside readers of events.

`python tests/benchmarks/console.py [--rounds N] [--seconds S]`. Needs Debian's chromium.
"""

import argparse
import asyncio
import contextlib
import os
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
TICK_S = 300
"""How often a console that somebody looks at fetches its part again, in seconds."""
PARTS = 200
"""How often a part is fetched to measure what it costs."""
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
        """The processor time that it has used, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


async def hold_open(url: str, headers: dict[str, str], seconds: float) -> None:
    """Read a stream of events for some time."""
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as stream:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await stream.content.readany():
                    pass


async def measure_streams(server: Server, url: str, headers: dict[str, str], seconds: float) -> float:
    """Return what open streams take of a core."""
    async with asyncio.TaskGroup() as group:
        for _ in range(OPEN):
            group.create_task(hold_open(url, headers, seconds))
        await asyncio.sleep(2)
        before = server.cpu_s
        await asyncio.sleep(seconds - 3)
        return (server.cpu_s - before) / (seconds - 3)


async def compare_open(server: Server, seconds: float) -> float:
    http = await sign_in(server)
    cookie = {"Cookie": "; ".join(f"{one.key}={one.value}" for one in http.cookie_jar)}
    token = {"Authorization": f"Bearer {server.token}", "Accept": "text/event-stream"}
    await asyncio.sleep(20)  # the doctor looks at the shop when the first page is opened
    readers = await measure_streams(server, f"{server.url}api/v1/events", token, seconds)
    streams = await measure_streams(server, f"{server.url}console/events/stream", cookie, seconds)
    before = server.cpu_s
    for _ in range(PARTS):
        async with http.get(f"{server.url}console/overview", headers={"HX-Request": "true"}) as response:
            await response.read()
    part_s = (server.cpu_s - before) / PARTS
    await http.close()
    consoles = streams + OPEN * part_s / TICK_S
    print(f"a part takes {part_s * 1000:.1f} ms of the processor, {OPEN} streams {streams:.4f} of a core")
    print(f"{OPEN} open consoles: {consoles:.4f} of a core, {OPEN} readers of events: {readers:.4f}")
    return consoles / max(readers, 1e-9)


async def compare(rounds: int, seconds: float) -> list[str]:
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
            ratio = await compare_open(server, seconds)
            print(f"open consoles: {ratio:.2f} of the readers'")
        finally:
            server.process.terminate()
            server.process.wait(20)
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    missed = asyncio.run(compare(given.rounds, given.seconds))
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
