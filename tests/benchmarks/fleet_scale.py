"""Benchmark: a chain of thousands of shops, each with its own link, on three servers; and its head office.

`python tests/benchmarks/fleet_scale.py [--shops N] [--processes N] [--seconds N]`. Linux. Servers, keys, certificates
and tokens are those that `office init` and `office enrol` make; the links are those of the gateway. First all shops
come within a minute, as after an outage of the servers. Then nothing happens for a while. Then `office serve` shows
them. At last one server is killed, and after that all of them, which come back at once.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.fleet.link import MAX_RESTART_DELAY_S
from gateway.fleet.subjects import CHAIN_KEY, DESIRED, EVENTS
from gateway.office.bucket import Bucket
from gateway.office.enrolment import Enrolment
from tests.benchmarks.office_scale import OfficeVisitor, measure_site, until_shown
from tests.benchmarks.outbox_shop import PEERS, folder
from tests.benchmarks.process_use import ProcessUse
from tests.fleet.cluster import HeadOffice

MAX_RECOVERY_S = 120.0
PATIENCE_S = 240.0
AT_ONCE = 32
GROUPS = 20
OUTAGE_S = 5.0
SETTLE_S = 15.0


class LinkProcess:
    """A process with the links of many shops."""

    def __init__(self, where: Path, shops: dict[str, dict[str, Any]], spread_s: float) -> None:
        where.mkdir()
        plan = where / "plan.json"
        plan.write_text(json.dumps({"shops": shops, "folder": str(where / "state"), "spread_s": spread_s}))
        self._errors = (where / "errors.txt").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, str(PEERS / "fleet_links.py"), str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.use = ProcessUse(self._process.pid)
        self.state: dict[str, Any] = {}
        """What it said last."""
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self) -> None:
        """Have it start the links, or add an event."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def check(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"a process of links has ended: {Path(self._errors.name).read_text()[-2000:]}")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.state = self.state | json.loads(line)


class Links:
    """All links."""

    def __init__(self, processes: list[LinkProcess], count: int) -> None:
        self.processes = processes
        self.count = count
        self._events = 0

    def total(self, name: str) -> int:
        return sum(one.state[name] for one in self.processes)

    def describe_failures(self) -> str:
        reasons: Counter[str] = Counter()
        for one in self.processes:
            reasons.update(one.state["reasons"])
        said = "; ".join(f"{count} x {reason[:160]}" for reason, count in reasons.most_common(2))
        return f"{self.total('failures')} failures since the start; the last ones: {said or '-'}"

    def start(self) -> None:
        for one in self.processes:
            one.tell()

    def add_event(self) -> None:
        for one in self.processes:
            one.tell()
        self._events += 1

    def have_sent(self) -> bool:
        """Whether all shops have had their last event acknowledged."""
        return all(one.state["events"] >= self._events and not one.state["behind"] for one in self.processes)

    async def until(self, is_so: Callable[[], bool], began: float) -> float:
        """Return after how many seconds it is so."""
        while not is_so():
            if time.monotonic() - began > PATIENCE_S:
                raise RuntimeError(f"{self.total('connected')} of {self.count} connected; {self.describe_failures()}")
            for one in self.processes:
                one.check()
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def until_served(self, began: float) -> "Recovery":
        """Wait until the links that were lost are back, and all shops have sent what they had."""
        lost = 0

        def are_half_back() -> bool:
            nonlocal lost
            missing = self.count - self.total("connected")
            lost = max(lost, missing)  # they notice it one after the other
            return lost > 0 and missing <= lost / 2

        half = await self.until(are_half_back, began)
        connected = await self.until(lambda: self.total("connected") == self.count, began)
        served = await self.until(lambda: self.total("connected") == self.count and self.have_sent(), began)
        return Recovery(lost, half, connected, served)


class Recovery(NamedTuple):
    """How many links were lost, and after how many seconds half of them and all were back, and all shops had sent."""

    lost: int
    half_s: float
    connected_s: float
    served_s: float


async def enrol(office: HeadOffice, where: Path, count: int) -> dict[str, dict[str, Any]]:
    """Enrol shops and let them join; return their settings `[fleet]`."""
    (where / "ca.pem").write_bytes(office.chain.authority.pem)
    settings: dict[str, dict[str, Any]] = {}
    async with office.connect() as connected:
        enrolment = Enrolment(connected)
        await Bucket(connected, DESIRED).put(CHAIN_KEY, b"{}", 0)
        names = iter(range(count))

        async def work() -> None:
            for number in names:
                shop, key = f"shop-{number:05}", Ed25519PrivateKey.generate()
                code = await enrolment.enrol(shop, title=f"Shop {number}", groups=[f"group-{number % GROUPS:02}"])
                given = await enrolment.join(shop, code.secret, key.public_key())
                texts = {
                    "pem": given.certificate,
                    "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
                    "jwt": given.user_jwt,
                }
                for kind, text in texts.items():
                    (where / f"{shop}.{kind}").write_text(text)
                settings[shop] = {
                    "servers": office.servers,
                    "shop": shop,
                    "ca_file": str(where / "ca.pem"),
                    "certificate": str(where / f"{shop}.pem"),
                    "private_key": str(where / f"{shop}.key"),
                    "user_jwt": str(where / f"{shop}.jwt"),
                }

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return settings


@contextlib.contextmanager
def run_links(where: Path, settings: dict[str, dict[str, Any]], count: int, spread_s: float) -> Iterator[Links]:
    names = sorted(settings)
    links = Links([], len(names))
    try:
        for number in range(count):
            shops = {name: settings[name] for name in names[number::count]}
            links.processes.append(LinkProcess(where / f"links-{number}", shops, spread_s))
        yield links
    finally:
        for one in links.processes:
            one.end()


def count_bytes(servers: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many bytes each client has sent to servers and received, with TLS and the headers of TCP and IP."""
    ports = " or ".join(f"dport = :{server.rpartition(':')[2]}" for server in servers)
    command = ["ss", "-tinHO", "state", "established", f"( {ports} )"]
    sockets = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in sockets:
        words = line.split()
        numbers = dict(word.split(":", 1) for word in words if word.startswith(("bytes_", "segs_")))
        sent, received = (
            int(numbers.get(f"bytes_{way}", 0)) + 52 * int(numbers.get(f"segs_{short}", 0))
            for way, short in (("sent", "out"), ("received", "in"))
        )
        found[f"{words[2]} {words[3]}"] = sent, received
    return found


async def measure_quiet(office: HeadOffice, uses: list[ProcessUse], shops: int, seconds: float) -> None:
    before, cpu, written = count_bytes(office.servers), [one.cpu_s for one in uses], [one.written_bytes for one in uses]
    began = time.monotonic()
    await asyncio.sleep(seconds)
    passed = time.monotonic() - began
    after = count_bytes(office.servers)
    stayed = before.keys() & after.keys()
    sent, received = (sum(after[one][way] - before[one][way] for one in stayed) for way in (0, 1))
    minute = 60 / passed / max(1, len(stayed))
    up, down = sent * minute, received * minute
    print(f"quiet for {passed:.0f} s: a shop sends {up:.0f} and receives {down:.0f} bytes a minute")
    shares = [(use.cpu_s - before) / passed for use, before in zip(uses, cpu, strict=True)]
    disk = sum(use.written_bytes - before for use, before in zip(uses, written, strict=True)) / passed
    each = ", ".join(f"{100 * one:.1f}" for one in shares)
    cost_us = 1e6 * sum(shares) / shops
    print(f"  servers: {each} % of a core, all together {cost_us:.1f} us a second for each shop;", end=" ")
    print(f"{disk / 1024:.1f} kB written a second")


async def measure_events(office: HeadOffice, uses: list[ProcessUse], links: Links) -> None:
    """Have every shop send an event at the same time."""
    cpu, written, began = [one.cpu_s for one in uses], [one.written_bytes for one in uses], time.monotonic()
    links.add_event()
    passed = await links.until(links.have_sent, began)
    used = sum(one.cpu_s - before for one, before in zip(uses, cpu, strict=True))
    disk = sum(one.written_bytes - before for one, before in zip(uses, written, strict=True))
    print(f"an event of every shop at once: acknowledged after {passed:.1f} s, {links.count / passed:.0f} a second")
    async with office.connect() as connected:
        state = (await connected.jetstream.stream_info(EVENTS)).state
    print(
        f"  each: {1000 * used / links.count:.2f} ms of the servers, {disk / links.count / 1024:.1f} kB written",
        end=" ",
    )
    print(f"to their disks, {state.bytes / state.messages:.0f} bytes in the stream", flush=True)


def print_memory(uses: list[ProcessUse], empty_mb: float, shops: int) -> None:
    """Print what the servers have that run."""
    servers = ", ".join(f"{one.resident_mb:.0f} MB (at most {one.peak_mb:.0f})" for one in uses)
    more = sum(one.resident_mb for one in uses) - empty_mb * len(uses)
    print(f"  memory of the servers: {servers}; {1024 * more / shops:.0f} kB for each shop, all together")


@contextlib.asynccontextmanager
async def started(office: HeadOffice) -> AsyncIterator[list[ProcessUse]]:
    try:
        await office.start()
        yield [ProcessUse(node.process.pid) for node in office.nodes if node.process is not None]
    finally:
        await office.stop()


async def survive(office: HeadOffice, links: Links, site: OfficeVisitor, what: str, *, outage_s: float = 0.0) -> bool:
    """Kill the first server, or all of them for a while; return whether all shops are served again in time."""
    victims = office.nodes if outage_s else office.nodes[:1]
    held = len(count_bytes(office.servers[: len(victims)]))
    began = time.monotonic()
    await asyncio.gather(*(node.kill() for node in victims))
    links.add_event()
    if outage_s:
        await asyncio.sleep(outage_s)
        began = time.monotonic()
        for node in victims:
            await node.start()
    seen = await links.until_served(began)
    print(f"{what}: {seen.lost} links were lost, of {held} connections; half of them are back after", end=" ")
    print(f"{seen.half_s:.1f} s, all after {seen.connected_s:.1f} s;")
    print(f"  an event of each shop is acknowledged after {seen.served_s:.1f} s; {links.describe_failures()}")
    print(f"  the head office shows all as well after {await until_shown(site, links.count, began):.1f} s", flush=True)
    return max(seen.connected_s, seen.served_s) <= MAX_RECOVERY_S


async def measure(where: Path, shops: int, processes: int, seconds: float) -> list[str]:
    """Print the figures; return the promises that were not kept."""
    for name in ("office", "keys"):
        (where / name).mkdir()
    office = HeadOffice(where / "office")
    async with started(office) as uses:
        began = time.monotonic()
        settings = await enrol(office, where / "keys", shops)
        print(f"{shops} shops enrolled and joined in {time.monotonic() - began:.1f} s", flush=True)
        empty_mb = sum(one.resident_mb for one in uses) / len(uses)
        spread_s = min(MAX_RESTART_DELAY_S, shops / 50)
        with run_links(where, settings, processes, spread_s) as links:
            await links.until(lambda: all(one.state for one in links.processes), time.monotonic())
            await measure_start(links, uses, spread_s)
            print_memory(uses, empty_mb, shops)
            await measure_quiet(office, uses, shops, seconds)
            await measure_events(office, uses, links)
            print(f"  links: {sum(one.use.resident_mb for one in links.processes) / shops:.2f} MB each", flush=True)
            async with measure_site(office, settings, links.add_event, seconds) as (site, missed):
                if not await survive(office, links, site, "one server is killed"):
                    missed.append("one server")
                print_memory(uses[1:], empty_mb, shops)
                await office.nodes[0].start()
                await asyncio.sleep(SETTLE_S)
                if not await survive(office, links, site, "all are killed, and come back", outage_s=OUTAGE_S):
                    missed.append("all servers")
    return missed


async def measure_start(links: Links, uses: list[ProcessUse], spread_s: float) -> None:
    """Let all shops come within some seconds."""
    cpu, began = [one.cpu_s for one in uses], time.monotonic()
    links.start()
    passed = await links.until(lambda: links.total("connected") == links.count, began)
    print(f"all connected {passed:.1f} s after the start, within {spread_s:.0f} s of which they came;", end=" ")
    await asyncio.sleep(SETTLE_S)  # reports and answers are on their way
    used = sum(one.cpu_s - before for one, before in zip(uses, cpu, strict=True))
    print(f"{1000 * used / links.count:.1f} ms of the servers each")
    print(f"  {links.describe_failures()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shops", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    with folder() as where:
        missed = asyncio.run(measure(where, arguments.shops, arguments.processes, arguments.seconds))
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
