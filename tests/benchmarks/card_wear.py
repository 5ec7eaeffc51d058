"""Benchmark: what the gateway writes to its card: idle among cameras, and for each thousand orders and events.

`python tests/benchmarks/card_wear.py [--idle S] [--count N]`. Linux. What the kernel says that the process has sent to
the disk (`write_bytes` of /proc/PID/io) counts, the file system's own pages for it included. The idle part is a real
run with searches as often as they are unless told otherwise; the heartbeat, which is seldom, is measured by itself.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.outbox.outbox import Outbox
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.store import SimulatedStore
from gateway.storage.database import Database
from gateway.storage.uptime_table import HEARTBEAT_S, Uptime
from tests.benchmarks.outbox_drain import Cloud
from tests.benchmarks.outbox_shop import GatewayFiles, Program, folder, order
from tests.outbox.opened import ACCOUNT

MOST_IDLE_KB_AN_HOUR = 512.0
TILLS = 32
SETTLE_S = 60.0  # what a start leaves for later is done by then, and the system has written its pages
FACE = {"vendor_event": 2001, "shop_id": "10096", "face_id": "29195", "gender": "male", "age_range": "19-28"}


class Wear(NamedTuple):
    """What was written, in bytes, and in how many transactions."""

    written: int
    commits: int

    def __sub__(self, before: "Wear") -> "Wear":
        return Wear(self.written - before.written, self.commits - before.commits)


def written(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().partition("\nwrite_bytes:")[2].split()[0])


def wear(files: GatewayFiles, program: Program) -> Wear:
    [commits] = [line for line in files.text("/metrics").splitlines() if line.startswith("sunmi_gateway_commits_total")]
    return Wear(written(program.pid), int(float(commits.split()[1])))


async def idle(where: Path, seconds: float) -> Wear:
    """Run a gateway among cameras that it finds again and again."""
    async with SimulatedStore(cameras=3) as store:
        files = GatewayFiles(where / "idle", cloud_url=store.cloud.base_url)
        own = f'\n[server]\nhost = "127.0.0.1"\nport = {files.port}\n[storage]\ndirectory = "{files.state}"\n'
        files.config.write_text(store.settings_toml(where / "idle") + own, encoding="utf-8")
        return await asyncio.to_thread(_idle, files, seconds)


def _idle(files: GatewayFiles, seconds: float) -> Wear:
    with files.gateway() as program:
        time.sleep(SETTLE_S)
        before = wear(files, program)
        time.sleep(seconds)
        after = wear(files, program)
        status = files.call("GET", "/api/v1/status")
    if status["cameras"] != {"known": 3, "online": 3}:
        raise RuntimeError(f"the cameras were not found: {status}")
    return after - before


async def heartbeats(where: Path, count: int) -> Wear:
    supervisor = Supervisor()
    database = await Database.open(where / "heart.db")
    uptime = await Uptime.open(database, supervisor)
    outbox = await Outbox.open(database, uptime, supervisor, ACCOUNT, max_bytes=2**29)

    async def beat() -> None:
        await database.transact(uptime.store)
        await outbox.prune()

    found = await _by_itself(database, [beat] * count)
    await outbox.close()
    await supervisor.close()
    await database.close()
    return found


async def events(where: Path, count: int, at_once: int) -> Wear:
    supervisor = Supervisor()
    database = await Database.open(where / f"events-{at_once}.db")
    event_log = await EventLog.open(database, await Uptime.open(database, supervisor), supervisor)

    async def some() -> None:
        await asyncio.gather(*(event_log.append(NewEvent("face.seen", "cloud", FACE, None)) for _ in range(at_once)))

    found = await _by_itself(database, [some] * (count // at_once))
    await event_log.close()
    await supervisor.close()
    await database.close()
    return found


async def _by_itself(database: Database, work: list[Callable[[], Awaitable[None]]]) -> Wear:
    before = Wear(written(os.getpid()), database.commits)
    for one in work:
        await one()
    return Wear(written(os.getpid()), database.commits) - before


def orders(where: Path, count: int) -> tuple[Wear, Wear]:
    """Hand over orders, which the cloud takes: by one till, and as many by a whole shop of tills."""
    with Cloud(where) as cloud, ThreadPoolExecutor(TILLS) as tills:
        files = GatewayFiles(where / "orders", cloud_url=cloud.url, ca_file=cloud.ca_file)

        def hand_over(number: str) -> None:
            answer = files.call("POST", "/api/v1/cloud/order/update", {"order_list": [order(number)]})
            if "outbox_id" not in answer and answer.get("code") != 0:
                raise RuntimeError(f"not accepted: {answer}")

        def counted(kind: str, among: Callable[..., Iterable[None]]) -> Wear:
            before = wear(files, program)
            list(among(hand_over, (f"{kind}{number:08}" for number in range(count))))
            while files.depth:
                time.sleep(0.1)
            return wear(files, program) - before

        with files.gateway() as program:
            hand_over("first")
            return counted("A", map), counted("B", tills.map)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=float, default=200)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    count = arguments.count
    with folder() as where:
        alone, together = orders(where, count)
        beats = asyncio.run(heartbeats(where, 100))
        one, many = asyncio.run(events(where, count, 1)), asyncio.run(events(where, count, TILLS))
        quiet = asyncio.run(idle(where, arguments.idle))
    hours = arguments.idle / 3600
    an_hour = quiet.written / hours + beats.written / 100 * 3600 / HEARTBEAT_S
    print(f"idle for {arguments.idle:.0f} s among cameras: {quiet.written} bytes in {quiet.commits} transactions")
    print(f"a heartbeat, every {HEARTBEAT_S:.0f} s: {beats.written / 100 / 1024:.1f} KB")
    print(f"idle: {an_hour / 1024:.0f} KB an hour; at most {MOST_IDLE_KB_AN_HOUR:.0f}")
    print(f"{'for each 1000':<34} {'KB':>8} {'transactions':>13}")
    rows = (
        ("orders, one till, delivered", alone, count), (f"orders, {TILLS} tills, delivered", together, count),
        ("events, one by one", one, count), (f"events, {TILLS} at once", many, count // TILLS * TILLS),
    )  # fmt: skip
    for name, found, number in rows:
        print(f"{name:<34} {found.written / 1.024 / number:>8.0f} {found.commits * 1000 / number:>13.0f}")
    missed = [
        name
        for name, well in {"idle": an_hour <= MOST_IDLE_KB_AN_HOUR * 1024, "still": not quiet.written}.items()
        if not well
    ]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
