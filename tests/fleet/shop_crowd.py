"""Many shops in one process, each with its own database and the real link: `python -m tests.fleet.shop_crowd FILE`.

FILE is JSON: `shops` has the settings `[fleet]` of each by its name, `folder` is where their databases are,
`interval_s` is how long a shop waits between two events on average, and `backlog` how many events each has at the
start. A line `SHOP ID` on standard output says that the event log has acknowledged an event. The tokens that the head
office has a shop revoke are in the file `revoked.txt` beside its database: a line each time that it acted.
"""

import asyncio
import json
import random
import signal
import sys
from pathlib import Path
from typing import Any

from gateway.api.fleet_actions import FleetActions
from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.fleet.commands import CommandArguments
from gateway.fleet_settings import FleetSettings
from gateway.runtime import logs
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings, Settings, StorageSettings


class RecordedActions(FleetActions):
    """What a gateway does for the head office, and a file that says so."""

    def __init__(self, gateway: Gateway, file: Path) -> None:
        super().__init__(gateway)
        self._shop = gateway
        self._file = file

    async def act(self, arguments: CommandArguments) -> dict[str, Any]:
        with self._file.open("a") as file:
            file.write(f"{arguments.subject}\n")
        await self._shop.tokens.create(arguments.subject, "pos")  # else there is none to revoke
        return await super().act(arguments)


class CrowdShop:
    """One shop: a gateway that serves nobody, and in which events happen."""

    def __init__(self, name: str, folder: Path, fleet: dict[str, Any]) -> None:
        self.name = name
        self._acts = folder / name / "revoked.txt"
        self._settings = Settings(
            storage=StorageSettings(directory=str(folder / name)),
            discovery=DiscoverySettings(interfaces=["lo"], interval_s=0),
            fleet=FleetSettings.model_validate(fleet),
        )

    async def live(self, interval_s: float, backlog: int, dice: random.Random) -> None:
        """Open the database, connect, and let events happen until the task is cancelled."""
        gateway = await Gateway.open(self._settings, Supervisor(initial_delay_s=0.2, max_delay_s=2))
        try:
            gateway.start_fleet_link(RecordedActions(gateway, self._acts))
            await asyncio.gather(*(self._happen(gateway, number) for number in range(backlog)))
            number = backlog
            while True:
                await asyncio.sleep(dice.expovariate(1 / interval_s))
                await self._happen(gateway, number)
                number += 1
        finally:
            await gateway.close()

    async def _happen(self, gateway: Gateway, number: int) -> None:
        event = await gateway.event_log.append(
            NewEvent("motion.detected", "cloud", {"vendor_event": 1010, "payload": {"number": number}})
        )
        assert event is not None
        sys.stdout.write(f"{self.name} {event.id}\n")
        sys.stdout.flush()


async def live(plan: dict[str, Any]) -> None:
    """Let all shops live until this process is asked to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    dice = random.Random()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                CrowdShop(name, Path(plan["folder"]), fleet).live(plan["interval_s"], plan["backlog"], dice)
            )
            for name, fleet in plan["shops"].items()
        ]
        await ended.wait()
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    logs.configure("warning")
    asyncio.run(live(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
