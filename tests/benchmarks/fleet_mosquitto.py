"""Benchmark: what a Mosquitto bridge loses that does the job of the link, under the same kills.

`python tests/benchmarks/fleet_mosquitto.py [--kills N]`. A till in a shop hands over the same events to each of them,
one each 20 ms, and each until the shop's own store has acknowledged it; they have to reach the head office. At the
same moments the shop's process and a server of the head office are killed with -9 in turns, and started again half a
second later. The link is that of a gateway, with its event log and three NATS servers; the bridge has a Mosquitto in
the shop and one at the head office with persistence, QoS 1 and sessions that stay. It does so once as Mosquitto comes,
which saves every 30 minutes, and once saving after each change. Needs Debian's mosquitto.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

import aiohttp
import nats.errors
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway.protocol.signing import add_signature
from gateway.simulator.account import APP_ID, SECRET_KEY
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import folder
from tests.fleet.cluster import HeadOffice, Node
from tests.outbox.process import GatewayProcess

INTERVAL_S: Final = 0.02
"""How long it is from one event to the next."""
KILL_INTERVAL_S: Final = 3.0
"""How long it is from one kill to the next."""
DOWN_S: Final = 0.5
"""How long what was killed is off."""
QUIET_S: Final = 15.0
"""How long nothing arrives before the rest counts as lost."""
SHOP: Final = "shop-1"


class Kill(NamedTuple):
    """Something that dies."""

    at_s: float
    """When, since the first event."""
    in_shop: bool
    """Whether it is the shop's process; else it is a server of the head office."""
    node: int
    """Which server, where there are three."""


class Contestant(ABC):
    """Brings events from a shop to the head office."""

    name: str

    @abstractmethod
    async def start(self) -> None:
        """Start everything."""

    @abstractmethod
    async def offer(self, number: int) -> None:
        """Hand over an event in the shop, until it is acknowledged."""

    @abstractmethod
    async def kill(self, kill: Kill) -> None:
        """Kill what is to die."""

    @abstractmethod
    async def revive(self, kill: Kill) -> None:
        """Start it again."""

    @abstractmethod
    async def count_arrived(self) -> int:
        """Return how many messages have arrived so far; those that came again count."""

    @abstractmethod
    async def list_arrived(self) -> list[int]:
        """Return the number of each event that has arrived, as often as it came."""

    @abstractmethod
    async def stop(self) -> None:
        """End everything."""


class Link(Contestant):
    """The link of a gateway, and three servers."""

    name = "link"

    def __init__(self, where: Path) -> None:
        (where / "office").mkdir()
        self._office = HeadOffice(where / "office", SHOP)
        account = f'app_id = "{APP_ID}"\nsecret_key = "{SECRET_KEY}"'
        cloud = f'[cloud]\nbase_url = "https://127.0.0.1:{find_free_port()}/openapi"\n{account}\n'
        self._gateway = GatewayProcess(where / "gateway", cloud, CloudCertificateAuthority.create().ca_pem)
        with self._gateway.config.open("a", encoding="utf-8") as config:
            config.write(self._office.section(SHOP, people=True))
        self._till: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        await self._office.start()
        await self._gateway.start()
        self._till = aiohttp.ClientSession(self._gateway.url, timeout=aiohttp.ClientTimeout(total=5))

    async def offer(self, number: int) -> None:
        assert self._till is not None
        while True:
            payload = json.dumps({"face_id": str(number), "text": "x" * 200})
            fields = add_signature(
                {"event": "2001", "payload": payload},
                app_id=APP_ID,
                key=SECRET_KEY,
                timestamp=int(time.time()),
                random=f"{random.randrange(10**9):09}",
            )
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._till.post("/hooks/cloud", data=fields) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)

    async def kill(self, kill: Kill) -> None:
        await (self._gateway.kill() if kill.in_shop else self._node(kill).kill())

    async def revive(self, kill: Kill) -> None:
        await (self._gateway.spawn() if kill.in_shop else self._node(kill).start())

    async def count_arrived(self) -> int:
        return len(await self.list_arrived())

    async def list_arrived(self) -> list[int]:
        while True:
            with contextlib.suppress(nats.errors.Error):  # while the servers choose a leader, nobody can read
                events = await self._office.read_events(SHOP)
                return [int(event["data"]["face_id"]) for _, event in events if "face_id" in event["data"]]
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        if self._till is not None:
            await self._till.close()
        await self._gateway.discard()
        await self._office.stop()

    def _node(self, kill: Kill) -> Node:
        return self._office.nodes[kill.node]


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
        if self._process is not None and self._process.returncode is None:
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
        self._arrived: list[int] = []
        self._lock = threading.Lock()
        self._reader = Client(
            CallbackAPIVersion.VERSION2, client_id="office-reader", clean_session=False, protocol=MQTTv311
        )
        self._reader.on_message = self._take
        self._reader.on_connect = lambda client, *_: client.subscribe("shop/#", qos=1)
        self._writer = Client(CallbackAPIVersion.VERSION2, client_id="till", clean_session=False, protocol=MQTTv311)
        self._taken: set[int] = set()
        """The numbers of messages that the broker has acknowledged."""
        self._writer.on_publish = lambda _, __, number, ___, ____: self._taken.add(number)

    async def start(self) -> None:
        await self._office.start()
        await self._shop.start()
        for client, broker in ((self._reader, self._office), (self._writer, self._shop)):
            client.reconnect_delay_set(1, 1)
            client.connect_async("127.0.0.1", broker.port)
            client.loop_start()

    async def offer(self, number: int) -> None:
        payload = json.dumps({"id": number, "text": "x" * 200})
        sent = self._writer.publish("shop/event", payload, qos=1)  # the client sends it again when it is connected
        while sent.mid not in self._taken:
            await asyncio.sleep(0.001)
        self._taken.clear()

    async def kill(self, kill: Kill) -> None:
        await self._broker(kill).kill()

    async def revive(self, kill: Kill) -> None:
        await self._broker(kill).start()

    async def count_arrived(self) -> int:
        return len(self._arrived)

    async def list_arrived(self) -> list[int]:
        with self._lock:
            return [*self._arrived]

    async def stop(self) -> None:
        for client in (self._reader, self._writer):
            client.disconnect()
            client.loop_stop()
        await self._shop.kill()
        await self._office.kill()

    def _broker(self, kill: Kill) -> Broker:
        return self._shop if kill.in_shop else self._office

    def _take(self, _: Client, __: object, message: MQTTMessage) -> None:
        with self._lock:
            self._arrived.append(json.loads(message.payload)["id"])


def plan_kills(count: int) -> Sequence[Kill]:
    """Return what dies when: the same for all."""
    dice = random.Random(1)
    return [
        Kill(KILL_INTERVAL_S * (number + 1) + dice.uniform(0, 1), number % 2 == 0, dice.randrange(3))
        for number in range(count)
    ]


async def compete(contestant: Contestant, kills: Sequence[Kill]) -> int:
    """Return how many acknowledged events did not arrive."""
    events = int((kills[-1].at_s + KILL_INTERVAL_S) / INTERVAL_S)
    try:
        await contestant.start()
        await asyncio.sleep(3)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(offer_all(contestant, events, began))
            group.create_task(kill_all(contestant, kills, began))
        last, since = -1, time.monotonic()
        while time.monotonic() - since < QUIET_S:
            if (count := await contestant.count_arrived()) > last:
                last, since = count, time.monotonic()
            await asyncio.sleep(1)
        arrived = Counter(await contestant.list_arrived())
    finally:
        await contestant.stop()
    lost, doubles = events - len(arrived), arrived.total() - len(arrived)
    print(f"{contestant.name:<42} {len(kills):>6} {events:>13} {lost:>6} {doubles:>8}", flush=True)
    return lost


async def offer_all(contestant: Contestant, events: int, began: float) -> None:
    """Hand over each event when it is time, or as soon as those before it are acknowledged."""
    for number in range(events):
        await wait_until(began + number * INTERVAL_S)
        await contestant.offer(number)


async def kill_all(contestant: Contestant, kills: Sequence[Kill], began: float) -> None:
    for kill in kills:
        await wait_until(began + kill.at_s)
        await contestant.kill(kill)
        await wait_until(began + kill.at_s + DOWN_S)
        await contestant.revive(kill)


async def wait_until(time_s: float) -> None:
    """Wait until the monotonic clock shows a time."""
    await asyncio.sleep(max(0.0, time_s - time.monotonic()))


async def measure(where: Path, kills: Sequence[Kill]) -> int:
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
        lost = asyncio.run(measure(where, plan_kills(arguments.kills)))
    sys.exit(f"missed: the link has lost {lost} events" if lost else 0)


if __name__ == "__main__":
    main()
