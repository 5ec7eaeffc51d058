"""Two head offices at the same time, and kills: of their processes, and of servers. What one does, the other keeps."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.join_code import JoinCode
from gateway.fleet.subjects import CHAIN_KEY, shop_key
from gateway.office.bucket import Bucket
from gateway.office.desired import DesiredBucket
from gateway.office.office import Office
from gateway.office.rollout_documents import ACTIVE, Rollout
from gateway.office.rollouts import RolloutStore
from gateway.simulator.ports import find_free_port
from tests.fleet.cluster import HeadOffice
from tests.forking import Program, start_program
from tests.office.simulated_shop import SimulatedShop, simulate_shops
from tests.system_clock import SystemClock

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROUNDS = 30 if os.environ.get("FULL_PROOFS") == "1" else 2
SHOPS = [f"shop-{number}" for number in range(10)]
P = ParamSpec("P")
T = TypeVar("T")
SERVERS_AWAY = "cannot be reached, or take nothing now"


class OfficeMachine:
    """A machine of the head office: its folder, `office serve`, and whoever gives commands there."""

    def __init__(self, folder: Path, clock: SystemClock | None = None) -> None:
        self.folder = folder
        self._environment = None if clock is None else clock.environment
        self.log = folder.with_name(f"{folder.name}.log")
        self._serving: Program | None = None

    async def begin(self, *words: str) -> Program:
        """Give a command."""
        words = ("--no-input", "office", *words, "--folder", str(self.folder))
        return await start_program("tests.office.impatient_office", *words, environment=self._environment)

    async def run(self, *words: str) -> tuple[int, str, str]:
        """Give a command; return its status, and what it writes."""
        process = await self.begin(*words)
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()

    async def serve(self) -> None:
        """Start `office serve`, again whenever it ends by itself since the servers are away: systemd does that."""
        with self.log.open("ab") as log:
            words = ("office", "serve", "--port", "0", "--folder", str(self.folder))
            self._serving = await start_program(
                "tests.office.impatient_office", *words, environment=self._environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """Kill `office serve`."""
        if self._serving is not None:
            self._serving.kill()
            await self._serving.wait()


class TwoOffices:
    """A chain, two machines of its head office, and what goes on there."""

    def __init__(
        self, head: HeadOffice, office: Office, machines: list[OfficeMachine], shops: Mapping[str, SimulatedShop]
    ) -> None:
        self.head = head
        self.office = office
        self.machines = machines
        self.shops = shops
        self.done: Counter[str] = Counter()
        self._dice = random.Random(int(os.environ.get("PROOF_SEED", "1")))

    async def go_through(self, number: int) -> None:
        """Let both offices do everything at the same time, while something dies."""
        interval, pushes = 10.0 + number, 1 + number
        titles = (f"discovery.interval_s={interval}", f"labels.pushes_at_once={pushes}")
        machines = self._dice.sample(self.machines, 2)
        watching = [
            await machine.begin("set", title, "--all", *_IN_WAVES)
            for machine, title in zip(machines, titles, strict=True)
        ]
        await self._wait_for(*titles)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._make_trouble(number, watching))
            group.create_task(self._set_at_once(number))
            group.create_task(self._enrol_twice(number))
        for process in watching:
            await process.communicate()
        rollouts = await self._wait_for(*titles, ended=True)
        assert [(one.state, one.reason, one.outcomes) for one in rollouts] == [("done", "", {"applied": 10})] * 2
        desired = DesiredBucket(self.office)
        assert (await _read(desired.get, CHAIN_KEY)).document["settings"] == {
            "discovery": {"interval_s": interval},
            "labels": {"pushes_at_once": pushes},
        }
        for shop in SHOPS:
            own = (await _read(desired.get, shop_key(shop))).document.get("settings", {})
            assert own == ({"cameras": {"timeout_s": 1 + number}, "outbox": {"max_bytes": 2**20 + number}}
                           if shop == SHOPS[3] else {})  # fmt: skip
        wanted = {"settings.discovery.interval_s": interval, "settings.labels.pushes_at_once": pushes}
        for one in self.shops.values():
            while not wanted.items() <= one.values.items():
                await asyncio.sleep(0.02)

    async def _make_trouble(self, number: int, watching: list[Program]) -> None:
        """Kill each kind in turn, so that there is each of them."""
        await asyncio.sleep(self._dice.uniform(0, 1))
        machine, node = self._dice.choice(self.machines), self._dice.choice(self.head.nodes)
        with contextlib.suppress(ProcessLookupError):  # it has ended
            self._dice.choice(watching).kill()
        self.done["command"] += 1
        await asyncio.sleep(self._dice.uniform(0, 1))
        if number % 2:
            await machine.kill()
            await asyncio.sleep(self._dice.uniform(0, 1))
            await machine.serve()
            self.done["office serve"] += 1
        else:
            assert node.is_running
            await node.kill()
            await asyncio.sleep(self._dice.uniform(0, 4))
            await node.start()
            self.done["server"] += 1

    async def _set_at_once(self, number: int) -> None:
        """Set two settings of one shop in two places, each until it is said to be done."""

        async def set_one(machine: OfficeMachine, setting: str) -> None:
            while (ended := await machine.run("set", setting, "--shop", SHOPS[3]))[0] != 0:
                assert SERVERS_AWAY in ended[2], ended

        settings = (f"cameras.timeout_s={1 + number}", f"outbox.max_bytes={2**20 + number}")
        await asyncio.gather(*map(set_one, self.machines, settings))

    async def _enrol_twice(self, number: int) -> None:
        """Enrol a shop of one name in two places: one code is good at most, and the other office is told."""
        shop = f"new-{number}"
        ended = await asyncio.gather(*(machine.run("enrol", shop, "--json") for machine in self.machines))
        codes = [json.loads(output)["code"] for status, output, _ in ended if status == 0]
        for status, _, errors in ended:
            assert status == 0 or f"{shop} is enrolled since" in errors or SERVERS_AWAY in errors, errors
        assert len(codes) <= 1
        again = ["--again"]
        while not codes:  # the servers have died before they could say whether they have stored it
            status, output, errors = await self.machines[0].run("enrol", shop, *again, "--json")
            codes = [json.loads(output)["code"]] if status == 0 else []
            unexpected = f"no shop is called {shop}" if again else f"{shop} is enrolled since"
            if unexpected in errors:
                again = [] if again else ["--again"]
            else:
                assert codes or SERVERS_AWAY in errors, errors
        record = json.loads((await _read(Bucket(self.office, "shops").get, shop)).value or b"{}")
        assert record["code_sha256"] == hashlib.sha256(JoinCode.parse(codes[0]).secret).hexdigest()

    async def _wait_for(self, *titles: str, ended: bool = False) -> list[Rollout]:
        """Wait until there are roll-outs with these titles, and they have ended; return them."""
        while True:
            found = {one.title: one for one in await _read(RolloutStore(self.office).list_all)}
            rollouts = [found[title] for title in titles if title in found]
            if len(rollouts) == len(titles) and not (ended and any(one.state in ACTIVE for one in rollouts)):
                return rollouts
            await asyncio.sleep(0.1)


async def _read(read: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read something at the servers, again as long as a server that has died is missing."""
    while True:
        with contextlib.suppress(HeadOfficeUnavailable):
            return await read(*args, **kwargs)
        await asyncio.sleep(0.1)


_IN_WAVES = ("--waves", "10,20,30,40,50,60,70,80,90,100", "--wait", "120", "--stop-at", "100%")
"""It takes some seconds. A server that dies takes shops with it for a moment: that is no failure of the change."""


@pytest.fixture
async def head(tmp_path: Path) -> AsyncIterator[HeadOffice]:
    """Run three nodes that die in the test."""
    folder = tmp_path / "head"
    folder.mkdir()
    made = HeadOffice(folder)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def copy_folder(head: HeadOffice, folder: Path) -> Path:
    """Return a copy of the chain's folder for another machine, where shops join at another address."""
    other = folder / "other"
    shutil.copytree(head.chain.path, other, ignore=shutil.ignore_patterns("servers"))
    plan = other / "office.toml"
    plan.write_text(plan.read_text().replace(str(head.chain.plan.join_address), f"127.0.0.1:{find_free_port()}"))
    return other


@pytest.fixture
async def machines(head: HeadOffice, tmp_path: Path) -> AsyncIterator[list[OfficeMachine]]:
    """Run two machines."""
    made = [OfficeMachine(head.chain.path), OfficeMachine(copy_folder(head, tmp_path))]
    for machine in made:
        await machine.serve()
    yield made
    for machine in made:
        await machine.kill()


async def test_two_offices_keep_what_the_other_does_whoever_dies(
    head: HeadOffice, machines: list[OfficeMachine], tmp_path: Path
) -> None:
    names: dict[str, tuple[str, ...]] = dict.fromkeys(SHOPS, ())
    async with head.connect() as office, simulate_shops(head, office, tmp_path, names) as shops:
        chain = TwoOffices(head, office, machines, shops)
        for number in range(ROUNDS):
            await chain.go_through(number)
    sys.stdout.write(f"{ROUNDS} rounds, killed: {dict(chain.done)}\n")
    assert chain.done.keys() == {"command", "office serve", "server"}
