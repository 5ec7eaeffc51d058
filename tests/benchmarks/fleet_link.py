"""Benchmark: what the link to the head office costs a shop, beside a gateway without it and the client library alone.

`python tests/benchmarks/fleet_link.py [--seconds N] [--events N]`. The head office is a cluster of three servers on
loopback. First two gateways do nothing for a while, one with the link: with HTTPS, as the package sets it up, and
without. Then tills hand over orders to both in turns, while the link catches up with many events. At last the events of
one log are sent in turns by the link and by a loop that does the same with the client library alone and remembers
nothing; the best of some rounds.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.events.event import EventFilter, NewEvent
from gateway.events.log import EventLog
from gateway.fleet import link_throttle
from gateway.fleet.connection import FleetConnection
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.fleet.uplink import MAX_IN_FLIGHT, EventUplink
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.ports import find_free_port
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime
from tests.benchmarks.outbox_shop import GatewayFiles, folder
from tests.fleet.cluster import HeadOffice

SETTLE_S = 15.0
ROUNDS = 3
BACKLOG, ORDERS = 40_000, 1000
MAX_MEMORY_MB, MAX_CPU_SHARE, MAX_WAIT_RATIO, MAX_CPU_RATIO = 12.0, 0.01, 1.05, 1.5


def make_files(where: Path, office: HeadOffice | None, *, https: bool = True) -> GatewayFiles:
    """Make the settings of a gateway, with HTTPS as the package has them; with the link if there is a head office."""
    files = GatewayFiles(where, cloud_url=f"https://127.0.0.1:{find_free_port()}/openapi")
    if https:
        text = files.config.read_text(encoding="utf-8")
        files.config.write_text(
            text.replace("[server]\n", f"[server]\nhttps_port = {find_free_port()}\n"), encoding="utf-8"
        )
    if office is not None:
        with files.config.open("a", encoding="utf-8") as config:
            config.write(office.section("shop-1"))
    return files


def measure_quiet(where: Path, office: HeadOffice, seconds: float, *, https: bool) -> tuple[float, float]:
    """Return by how much a quiet gateway with the link has more memory, in MB, and uses more of a core."""
    where.mkdir()
    linked, alone = make_files(where / "linked", office, https=https), make_files(where / "alone", None, https=https)
    with linked.gateway() as with_link, alone.gateway() as without:
        time.sleep(SETTLE_S)
        begun = with_link.cpu_s, without.cpu_s
        time.sleep(seconds)
        used = with_link.cpu_s - begun[0], without.cpu_s - begun[1]
        memory = with_link.resident_mb, without.resident_mb
        services = linked.call("GET", "/api/v1/status")["services"]
    assert [one["state"] for one in services if one["name"] == "head office link"] == ["running"]
    name = f"quiet, {'with' if https else 'without'} HTTPS"
    print(f"{name:<28} {'with link':>10} {'without':>10} {'more':>8}")
    print(f"{'resident memory, MB':<28} {memory[0]:>10.1f} {memory[1]:>10.1f} {memory[0] - memory[1]:>8.1f}")
    shares = [100 * one / seconds for one in used]
    print(f"{'processor, % of a core':<28} {shares[0]:>10.2f} {shares[1]:>10.2f} {shares[0] - shares[1]:>8.2f}")
    return memory[0] - memory[1], (used[0] - used[1]) / seconds


@contextlib.asynccontextmanager
async def open_log(path: Path, count: int) -> AsyncIterator[tuple[Database, EventLog]]:
    supervisor = Supervisor()
    database = await Database.open(path)
    log = await EventLog.open(database, await Uptime.open(database, supervisor), supervisor)
    await asyncio.gather(
        *(
            log.append(NewEvent("camera.motion", "camera", {"number": number, "text": "x" * 200}))
            for number in range(count)
        )
    )
    while log.last_published < count:
        await asyncio.sleep(0.01)
    yield database, log
    await log.close()
    await supervisor.close()
    await database.close()


def measure_orders(where: Path, office: HeadOffice) -> float:
    """Return how much longer a till waits for an order to be accepted while the link catches up, as a multiple."""
    linked, alone = make_files(where / "catching-up", office), make_files(where / "idle", None)
    for files in (linked, alone):
        asyncio.run(store_events(files.state / "gateway.db", BACKLOG))
    with linked.gateway(), alone.gateway():
        time.sleep(SETTLE_S)
        for files in (linked, alone):
            files.fill(1)
        ratios = []
        for number in range(1, ORDERS + 1):
            times = []
            for files in (linked, alone) if number % 2 else (alone, linked):
                began = time.perf_counter()
                files.fill(1, begin=number)
                times.append(time.perf_counter() - began)
            ratios.append(times[0] / times[1] if number % 2 else times[1] / times[0])
        behind = linked.call("GET", "/api/v1/status")["services"]
    assert [one["state"] for one in behind if one["name"] == "head office link"] == ["running"]
    ratio = statistics.median(ratios)
    print(f"{f'{ORDERS} orders, median ratio':<28} {'':>10} {'':>10} {ratio:>8.2f}")
    return ratio


async def store_events(path: Path, count: int) -> None:
    async with open_log(path, count):
        pass


async def send_by_link(office: HeadOffice, shop: str, database: Database, log: EventLog) -> None:
    connection = await FleetConnection.open(office.settings(shop), on_lost=lambda: None)
    uplink = EventUplink(
        office.settings(shop), log, FleetCursorTable(database), is_busy=lambda: False, report=lambda _: None
    )
    await uplink.begin(connection)
    while uplink.is_behind:
        await uplink.send_batch(connection)
    await uplink.save()
    await connection.close()


async def send_by_library(office: HeadOffice, shop: str, log: EventLog) -> None:
    async with office.client(shop) as client:
        publish, after = client.jetstream().publish, 0
        while after < log.last_published:
            page = await log.read(after, EventFilter(), limit=MAX_IN_FLIGHT)
            await asyncio.gather(
                *(
                    publish(
                        f"fleet.v1.{shop}.event.{event.type}",
                        event.to_json().encode(),
                        headers={"Nats-Msg-Id": event.id},
                    )
                    for event in page.events
                )
            )
            after = page.upto


async def measure_sending(where: Path, office: HeadOffice, count: int) -> float:
    """Return how much processor time an event takes by the link, as a multiple of the client library's."""
    link_throttle.MAX_BYTES_PER_S = link_throttle.BURST_BYTES = 10**9  # type: ignore[misc]  # no pauses
    costs: dict[str, list[float]] = {"link": [], "library": []}
    rates: dict[str, list[float]] = {"link": [], "library": []}
    async with open_log(where / "gateway.db", count) as (database, log):
        for number in range(ROUNDS):
            for name in costs:
                began, cpu = time.monotonic(), time.process_time()
                if name == "link":
                    await send_by_link(office, f"shop-{2 * number + 2}", database, log)
                else:
                    await send_by_library(office, f"shop-{2 * number + 3}", log)
                costs[name].append(1e6 * (time.process_time() - cpu) / count)
                rates[name].append(count / (time.monotonic() - began))
    own, plain = min(costs["link"]), min(costs["library"])
    print(f"{f'sending {count} events':<28} {'link':>10} {'library':>10} {'ratio':>8}")
    print(f"{'processor, us per event':<28} {own:>10.0f} {plain:>10.0f} {own / plain:>8.2f}")
    print(f"{'events per second':<28} {max(rates['link']):>10.0f} {max(rates['library']):>10.0f}")
    return own / plain


async def measure(where: Path, seconds: float, count: int) -> list[str]:
    """Return the figures that were missed."""
    (where / "office").mkdir()
    office = HeadOffice(where / "office", *(f"shop-{number}" for number in range(1, 2 * ROUNDS + 2)))
    try:
        await office.start()
        quiet = [
            await asyncio.to_thread(measure_quiet, where / f"quiet-{https}", office, seconds, https=https)
            for https in (True, False)
        ]
        wait = await asyncio.to_thread(measure_orders, where, office)
        ratio = await measure_sending(where, office, count)
    finally:
        await office.stop()
    kept = {
        "memory": max(memory for memory, _ in quiet) <= MAX_MEMORY_MB,
        "processor": max(share for _, share in quiet) <= MAX_CPU_SHARE,
        "orders": wait <= MAX_WAIT_RATIO,
        "sending": ratio <= MAX_CPU_RATIO,
    }
    return [name for name, well in kept.items() if not well]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--events", type=int, default=5000)
    arguments = parser.parse_args()
    with folder() as where:
        missed = asyncio.run(measure(where, arguments.seconds, arguments.events))
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
