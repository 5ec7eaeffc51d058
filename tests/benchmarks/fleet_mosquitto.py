"""Benchmark: what a Mosquitto bridge loses that does the job of the link, under the same kills.

`python tests/benchmarks/fleet_mosquitto.py [--kills N]`. In a shop something happens a hundred times a second; what
the shop's own store has acknowledged has to reach the head office. The shop's process and a server of the head office
are killed with -9 in turns and started again. The link has its event log and three NATS servers; the bridge has a
Mosquitto in the shop and one at the head office with persistence, QoS 1 and sessions that stay. It does so once as
Mosquitto comes, which saves every 30 minutes, and once saving after each change. Needs Debian's mosquitto.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

import nats.errors
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import folder
from tests.fleet.chain_run import Crowd
from tests.fleet.cluster import HeadOffice
from tests.fleet.hosts import LoneHost

INTERVAL_S: Final = 0.01
"""How long a shop waits between two events, on average."""
QUIET_S: Final = 15.0
"""How long nothing arrives before the rest counts as lost."""
SHOP: Final = "shop-1"


class Contestant(ABC):
    """Brings events from a shop to the head office."""

    name: str

    @abstractmethod
    async def start(self) -> None:
        """Start everything; from now on something happens in the shop."""

    @abstractmethod
    async def kill_shop(self) -> None:
        """Kill the shop's process and start it again."""

    @abstractmethod
    async def kill_office(self, dice: random.Random) -> None:
        """Kill a server of the head office and start it again."""

    @abstractmethod
    async def settle(self) -> None:
        """Let nothing more happen in the shop, and wait until nothing more arrives."""

    @abstractmethod
    async def count(self) -> tuple[set[str], Counter[str]]:
        """Return what was acknowledged in the shop, and how often each arrived."""

    @abstractmethod
    async def stop(self) -> None:
        """End everything."""


class Link(Contestant):
    """The link of the gateway, and three servers."""

    name = "link"

    def __init__(self, where: Path) -> None:
        (where / "office").mkdir()
        self._office = HeadOffice(where / "office", SHOP)
        self._crowd = Crowd(0, where, {SHOP: self._office.settings(SHOP).model_dump()}, LoneHost())

    async def start(self) -> None:
        await self._office.start()
        await self._crowd.open(interval_s=INTERVAL_S)

    async def kill_shop(self) -> None:
        await self._crowd.end()
        await self._crowd.open(interval_s=INTERVAL_S)

    async def kill_office(self, dice: random.Random) -> None:
        node = dice.choice(self._office.nodes)
        await node.kill()
        await asyncio.sleep(0.5)
        await node.start()

    async def settle(self) -> None:
        await self._crowd.end()
        await self._crowd.open(interval_s=1e9)
        last, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            with contextlib.suppress(nats.errors.Error):
                if (count := len(await self._office.read_events(SHOP))) > last:
                    last, since = count, time.monotonic()
            await asyncio.sleep(1)

    async def count(self) -> tuple[set[str], Counter[str]]:
        acknowledged = {line.partition(" ")[2] for line in self._crowd.lines}
        return acknowledged, Counter(event["id"] for _, event in await self._office.read_events(SHOP))

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            await self._crowd.end()
        await self._office.stop()


class Broker:
    """A Mosquitto."""

    def __init__(self, where: Path, *lines: str) -> None:
        where.mkdir()
        self.port = find_free_port()
        self._log = where / "mosquitto.log"
        self._configuration = where / "mosquitto.conf"
        self._configuration.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    "allow_anonymous true",
                    "user root",
                    "persistence true",
                    f"persistence_location {where}/",
                    "max_queued_messages 0",
                    *lines,
                    "",
                ]
            )
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("mosquitto", "-c", str(self._configuration)), stdout=log, stderr=log
            )

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Bridge(Contestant):
    """A Mosquitto in the shop that bridges to one at the head office."""

    def __init__(self, where: Path, name: str, *saving: str) -> None:
        where.mkdir()
        self.name = name
        self._office = Broker(where / "office", *saving)
        self._shop = Broker(
            where / "shop",
            *saving,
            "connection office",
            f"address 127.0.0.1:{self._office.port}",
            "topic # out 1",
            "cleansession false",
            f"remote_clientid {SHOP}",
            "notifications false",
            "restart_timeout 1",
            "bridge_protocol_version mqttv311",
        )
        self._acknowledged: set[str] = set()
        self._arrived: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._reader = Client(
            CallbackAPIVersion.VERSION2, client_id="office-reader", clean_session=False, protocol=MQTTv311
        )
        self._reader.on_message = self._take
        self._reader.on_connect = lambda client, *_: client.subscribe("shop/#", qos=1)
        self._writer = Client(CallbackAPIVersion.VERSION2, client_id="till", clean_session=False, protocol=MQTTv311)
        self._taken: set[int] = set()
        """The numbers of messages that the broker has acknowledged."""
        self._writer.on_publish = lambda _, __, number, ___, ____: self._taken.add(number)
        self._thread = threading.Thread(target=self._happen)

    async def start(self) -> None:
        await self._office.start()
        await self._shop.start()
        for client, broker in ((self._reader, self._office), (self._writer, self._shop)):
            client.reconnect_delay_set(1, 1)
            client.connect_async("127.0.0.1", broker.port)
            client.loop_start()
        self._thread.start()

    async def kill_shop(self) -> None:
        await self._shop.kill()
        await self._shop.start()

    async def kill_office(self, dice: random.Random) -> None:
        await self._office.kill()
        await asyncio.sleep(0.5)
        await self._office.start()

    async def settle(self) -> None:
        self._ended.set()
        await asyncio.to_thread(self._thread.join)
        last, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            if (count := sum(self._arrived.values())) > last:
                last, since = count, time.monotonic()
            await asyncio.sleep(1)

    async def count(self) -> tuple[set[str], Counter[str]]:
        with self._lock:
            return set(self._acknowledged), Counter(self._arrived)

    async def stop(self) -> None:
        for client in (self._reader, self._writer):
            client.disconnect()
            client.loop_stop()
        await self._shop.kill()
        await self._office.kill()

    def _happen(self) -> None:
        """Publish until told to end, each event when the one before is acknowledged."""
        dice, number = random.Random(), 0
        while not self._ended.wait(dice.expovariate(1 / INTERVAL_S)):
            number += 1
            payload = json.dumps({"id": str(number), "text": "x" * 200})
            sent = self._writer.publish("shop/event", payload, qos=1)  # the client keeps it while there is no broker
            while sent.mid not in self._taken and not self._ended.is_set():
                time.sleep(0.001)
            if sent.mid in self._taken:
                self._taken.clear()
                self._acknowledged.add(str(number))

    def _take(self, _: Client, __: object, message: MQTTMessage) -> None:
        with self._lock:
            self._arrived[json.loads(message.payload)["id"]] += 1


async def compete(contestant: Contestant, kills: int) -> int:
    """Return how many acknowledged events did not arrive."""
    dice = random.Random(1)
    await contestant.start()
    try:
        await asyncio.sleep(3)
        for number in range(kills):
            await asyncio.sleep(dice.uniform(1, 2))
            await (contestant.kill_office(dice) if number % 2 else contestant.kill_shop())
        await contestant.settle()
        acknowledged, arrived = await contestant.count()
    finally:
        await contestant.stop()
    lost = len(acknowledged - set(arrived))
    doubles = sum(arrived.values()) - len(arrived)
    print(f"{contestant.name:<42} {kills:>6} {len(acknowledged):>13} {lost:>6} {doubles:>8}", flush=True)
    return lost


async def measure(where: Path, kills: int) -> int:
    """Return how many events the link has lost."""
    print(f"{'':<42} {'kills':>6} {'acknowledged':>13} {'lost':>6} {'doubles':>8}")
    contestants: list[Contestant] = [
        Link(where),
        Bridge(where / "default", "Mosquitto bridge, as it comes"),
        Bridge(
            where / "saving",
            "Mosquitto bridge, saving after each change",
            "autosave_interval 1",
            "autosave_on_changes true",
        ),
    ]
    lost = {contestant.name: await compete(contestant, kills) for contestant in contestants}
    return lost[Link.name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    if shutil.which("mosquitto") is None:
        sys.exit("mosquitto is not installed")
    with folder() as where:
        lost = asyncio.run(measure(where, arguments.kills))
    sys.exit(f"missed: the link has lost {lost} events" if lost else 0)


if __name__ == "__main__":
    main()
