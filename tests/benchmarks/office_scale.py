"""How `office serve` does with all shops of a chain: a part of the benchmark `fleet_scale.py`."""

import asyncio
import contextlib
import json
import signal
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

import aiohttp

from gateway.office_site.access import AccessList
from gateway.runtime.clock import PeerClock
from tests.benchmarks.process_use import ProcessUse
from tests.fleet.cluster import HeadOffice

ROUNDS = 5
MAX_PAGE_S, MAX_FIRST_S, MAX_CPU_SHARE = 0.5, 10.0, 0.1
PATIENCE_S = 120.0
MAX_AGE_S = 5.0


@dataclass
class OfficeVisitor:
    """Somebody who uses the head office, by its pages and its API."""

    url: str
    http: aiohttp.ClientSession
    tls: ssl.SSLContext
    token: str

    @contextlib.asynccontextmanager
    async def get(self, path: str, accept: str = "*/*") -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept, "Accept-Encoding": "gzip"}
        timeout = aiohttp.ClientTimeout(PATIENCE_S)
        async with self.http.get(f"{self.url}{path}", headers=headers, ssl=self.tls, timeout=timeout) as response:
            assert response.status == 200, await response.text()
            yield response

    async def time_page(self, path: str) -> tuple[float, int]:
        """Return how long a page takes, in seconds, and how many bytes it has."""
        began = time.monotonic()
        async with self.get(path) as response:
            size = len(await response.read())
        return time.monotonic() - began, size

    async def look(self) -> tuple[int, str]:
        """Return how many shops are shown as connected and well, by a picture that is not old; and what else is."""
        async with self.get("/api/v1/shops?limit=1") as response:
            document = await response.json()
        said = f"{document['counts']}, {document['age_s']} s old; the worst: {document['shops']}"
        return (int(document["counts"]["ok"]) if document["age_s"] < MAX_AGE_S else 0), said


async def until_shown(site: OfficeVisitor, count: int, began: float) -> float:
    """Return after how many seconds the head office shows so many shops as connected and well."""
    while (seen := await site.look())[0] < count:
        if time.monotonic() - began > PATIENCE_S:
            raise RuntimeError(f"the head office does not show all {count} shops as well: {seen[1]}")
        await asyncio.sleep(0.2)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def measure_site(
    office: HeadOffice, shops: Collection[str], add_event: Callable[[], None], seconds: float
) -> AsyncIterator[tuple[OfficeVisitor, list[str]]]:
    """Serve the head office; print what that takes, and yield somebody who uses it, with what was missed."""
    async with office.connect() as connected:
        token = await AccessList(connected, PeerClock()).create_token("benchmark", "admin")
    began = time.monotonic()
    command = (sys.executable, "-m", "gateway", "office", "serve", "--folder", str(office.chain.path), "--port", "0")
    process = await asyncio.create_subprocess_exec(*command, "--json", stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        document = json.loads(await process.stdout.readline())
        tls = ssl.create_default_context(cadata=office.chain.authority.pem.decode())
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            site = OfficeVisitor(document["urls"][0], http, tls, token)
            sign_in = f"{site.url}/console/sign-in"
            async with http.post(sign_in, data={"code": document["code"]}, ssl=tls, allow_redirects=False) as response:
                assert response.status == 303, await response.text()
            await site.time_page("/console/")
            first_s, use = time.monotonic() - began, ProcessUse(process.pid)
            print(f"office serve with {len(shops)} shops: first page after {first_s:.1f} s,", end=" ")
            print(f"{use.cpu_s:.1f} s of processor time, {use.resident_mb:.0f} MB")
            print(f"  all shown as connected after {await until_shown(site, len(shops), began):.1f} s")
            slowest_s = await _measure_pages(site, [*shops][-1])
            await _measure_news(site, len(shops), add_event)
            share = await _measure_quiet(site, use, seconds)
            await _measure_command(office)
            missed = {
                "first page": first_s > MAX_FIRST_S,
                "pages": slowest_s > MAX_PAGE_S,
                "quiet head office": share > MAX_CPU_SHARE,
            }
            yield site, [name for name, badly in missed.items() if badly]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def _measure_pages(site: OfficeVisitor, shop: str) -> float:
    """Return how long the slowest page takes, in seconds."""
    slowest_s = 0.0
    for path in (
        "/console/", f"/console/?q={shop}", "/console/?health=away", "/console/?group=group-01",
        f"/console/shops/{shop}", "/console/events", "/console/desired", "/console/rollouts", "/console/flow",
        "/api/v1/shops?limit=500", f"/api/v1/shops?q={shop}", f"/api/v1/shops/{shop}",
        "/api/v1/events?limit=500", "/metrics",
    ):  # fmt: skip
        timed = [await site.time_page(path) for _ in range(ROUNDS)]
        took_s = statistics.median(one for one, _ in timed)
        slowest_s = max(slowest_s, took_s)
        print(f"  {path:<36} {1000 * took_s:>7.0f} ms {timed[-1][1] / 1024:>7.0f} kB", end=" ")
        print(f"(the first time {1000 * timed[0][0]:.0f} ms)")
    return slowest_s


async def _measure_news(site: OfficeVisitor, count: int, add_event: Callable[[], None]) -> None:
    """Have every shop send an event, and look when a program and a page have them."""
    async with (
        site.get("/api/v1/events", "text/event-stream") as stream,
        site.get("/console/live", "text/event-stream") as live,
    ):
        marks = await _read_marks(live, 1)
        began, received = time.monotonic(), 0
        add_event()
        async for line in stream.content:
            received += line.startswith(b"id: ")
            if received == count:
                break
        program_s = time.monotonic() - began
        marks |= await _read_marks(live, 1)
        page_s = time.monotonic() - began
    print(f"  {count} events at once: a program has all after {program_s:.1f} s, a page hears of them", end=" ")
    print(f"after {page_s:.1f} s")


async def _read_marks(live: aiohttp.ClientResponse, count: int) -> set[bytes]:
    found: set[bytes] = set()
    async for line in live.content:
        if line.startswith(b"data: "):
            found.add(line)
            if len(found) == count:
                break
    return found


async def _measure_quiet(site: OfficeVisitor, use: ProcessUse, seconds: float) -> float:
    """Return how much of a core it takes while a page is open."""
    async with site.get("/console/live", "text/event-stream"):
        await asyncio.sleep(5)
        cpu_s, began = use.cpu_s, time.monotonic()
        await asyncio.sleep(seconds)
        share = (use.cpu_s - cpu_s) / (time.monotonic() - began)
    print(
        f"  quiet, with a page open: {100 * share:.1f} % of a core, {use.resident_mb:.0f} MB, at most {use.peak_mb:.0f}"
    )
    return share


async def _measure_command(office: HeadOffice) -> None:
    began = time.monotonic()
    command = (sys.executable, "-m", "gateway", "office", "shops", "--folder", str(office.chain.path))
    process = await asyncio.create_subprocess_exec(
        *command, "--limit", "1000000", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    print(f"  office shops: {len(said.splitlines())} lines after {time.monotonic() - began:.1f} s", flush=True)
