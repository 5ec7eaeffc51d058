"""Many links in one process, each as a gateway has it: `python fleet_links.py FILE`.

FILE is JSON: `shops` has the settings `[fleet]` of each shop by its name, `folder` is where this process keeps its
database, and `spread_s` within how many seconds the links start. All links share one gateway that serves nobody: what
it has in its event log, each of them sends as the event of its own shop. A line on standard input starts the links,
and each further one adds an event. Every line on standard output says how the links are.
"""

import asyncio
import copy
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway.app import Gateway
from gateway.cameras.record import StoredCamera
from gateway.cameras.table import CameraTable
from gateway.events.event import NewEvent
from gateway.fleet.commands import CommandArguments
from gateway.fleet.documents import ReportedFinding
from gateway.fleet.link import FleetLink
from gateway.fleet.parts import make_link
from gateway.fleet_settings import FleetSettings
from gateway.runtime import logs
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings, Settings, StorageSettings
from gateway.storage.database import Database

CAMERAS = 4
REPORT_INTERVAL_S = 0.25
FAILURES_EVERY = 20
"""Counting failures takes longer, and is not done in each report."""


class NoActions:
    """What a shop does that has nothing to do, and in which all is well."""

    async def act(self, _: CommandArguments) -> dict[str, Any]:
        return {}

    async def find_out(self) -> Sequence[ReportedFinding]:
        return []


class Crowd:
    """The links of this process."""

    def __init__(self, gateway: Gateway, shops: dict[str, dict[str, Any]]) -> None:
        self._gateway = gateway
        self._supervisors: list[Supervisor] = []
        self._links: list[FleetLink] = []
        for fleet in shops.values():
            shop = copy.copy(gateway)
            shop.settings = gateway.settings.model_copy(update={"fleet": FleetSettings.model_validate(fleet)})
            shop.supervisor = Supervisor()
            self._supervisors.append(shop.supervisor)
            self._links.append(make_link(shop, NoActions()))

    async def start(self, spread_s: float) -> None:
        began = time.monotonic()
        starts = sorted(random.uniform(0, spread_s) for _ in self._links)
        for link, after_s in zip(self._links, starts, strict=True):
            await asyncio.sleep(max(0.0, began + after_s - time.monotonic()))
            link.start()

    async def add_event(self) -> None:
        await self._gateway.event_log.append(NewEvent("motion.detected", "cloud", {"vendor_event": 1010}))

    def describe(self) -> dict[str, int]:
        states = [link.status() for link in self._links]
        return {
            "connected": sum(one.connected_since is not None for one in states),
            "behind": sum(one.events_waiting > 0 for one in states),
            "events": self._gateway.event_log.last_published,
        }

    def describe_failures(self) -> dict[str, Any]:
        reports = [report for one in self._supervisors for report in one.reports()]
        reasons = Counter((report.last_failure or "").rpartition("tried again: ")[2] for report in reports)
        del reasons[""]
        return {"failures": sum(report.failures for report in reports), "reasons": dict(reasons.most_common(3))}


async def remember_cameras(path: Path) -> None:
    cameras = [
        StoredCamera(
            sn=f"FM020D8B{number:05}", managed=True, address=f"192.168.1.{number + 2}:443",
            mac=f"02:AB:00:00:00:0{number}", model="FM020", name=f"Camera {number}", software_version="1.2.6",
            activation="activated", certificate_sha256=f"{number:064x}", first_seen=1770000000 + number,
        )
        for number in range(CAMERAS)
    ]  # fmt: skip
    path.parent.mkdir(parents=True)
    database = await Database.open(path)
    await CameraTable(database).save(*cameras)
    await database.close()


async def live(plan: dict[str, Any]) -> None:
    """Live until standard input ends."""
    state = Path(plan["folder"])
    await remember_cameras(state / "gateway.db")
    settings = Settings(
        storage=StorageSettings(directory=str(state)), discovery=DiscoverySettings(interfaces=["lo"], interval_s=0)
    )
    crowd = Crowd(await Gateway.open(settings, Supervisor()), plan["shops"])
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)

    async def report() -> None:
        for turn in itertools.count():
            known = crowd.describe() | (crowd.describe_failures() if turn % FAILURES_EVERY == 0 else {})
            sys.stdout.write(json.dumps(known) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(REPORT_INTERVAL_S)

    async with asyncio.TaskGroup() as group:
        reporting = group.create_task(report())
        await requests.readline()
        starting = group.create_task(crowd.start(plan["spread_s"]))
        while await requests.readline():
            await crowd.add_event()
        for task in (reporting, starting):
            task.cancel()


if __name__ == "__main__":
    logs.configure("error")
    asyncio.run(live(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
