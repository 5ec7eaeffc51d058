"""A chain that goes through what chains go through: kills, cut lines, days without a head office.

`python -m tests.fleet.chain_run FOLDER --shops N --processes N --seconds S [--longest S] [--seed N] [--hosts]` runs
three servers, many shops and a reader, and prints as JSON what came of it. With `--hosts` each server and each process
with shops is a host of its own, whose line is cut, too; then it must run in namespaces of its own
(`tests.fleet.hosts.UNSHARE`).
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nats.errors

from gateway.fleet.subjects import EVENTS
from tests.fleet.cluster import HeadOffice
from tests.fleet.hosts import BridgedHosts, Hosts, LoneHost
from tests.fleet.readers import EXAMPLES, write_reader_files
from tests.system_clock import AHEAD_S, LIBRARY

READER: Final = "reader"
EVENT_INTERVAL_S: Final = 1.0
"""How long a shop waits between two events on average."""
OFFLINE_HOURS: Final = 48
OFFLINE_EVENTS: Final = 96
"""How many events each shop has in that time."""
COMMANDERS: Final = 3
"""How many commands are under way at the same time."""
NEVER_S: Final = 1e9
PATIENCE_S: Final = 120
"""How long nothing may arrive before it counts as missing."""
LOOK_INTERVAL_S: Final = 0.5
"""How often the stream is looked at."""
SHORTEST_WINDOW_S: Final = 0.1
"""The shortest time for which the servers can remember ids."""
Trouble = Callable[[], Awaitable[None]]
"""Makes trouble once."""


@dataclass
class Outcome:
    """What came of a run. Events are named `SHOP/ID`, as the header of their messages names them."""

    done: Counter[str] = field(default_factory=Counter)
    """How often what was done to the chain."""
    acknowledged: int = 0
    """How many events the databases of shops acknowledged, and their processes lived to say so."""
    logged: int = 0
    """How many the databases hold."""
    not_logged: list[str] = field(default_factory=list)
    """Those that were acknowledged and that no database holds."""
    not_stored: list[str] = field(default_factory=list)
    """Those that databases hold and that the stream does not have."""
    doubles: int = 0
    """How many messages the stream had twice before the days without a line."""
    doubles_after_days: int = 0
    """How many it has twice after them, when the servers had forgotten the ids."""
    not_read: list[str] = field(default_factory=list)
    """Those that the reader does not have."""
    commands: Counter[str] = field(default_factory=Counter)
    """How many commands had which outcome; each of them was answered."""
    acted_twice: list[str] = field(default_factory=list)
    """Those that a shop acted on more than once."""
    not_acted: list[str] = field(default_factory=list)
    """Those that a shop said it has done and has not acted on."""
    catch_up_s: float = 0
    """How long it took after the days without a line until the stream had everything."""


class Child:
    """A process that is killed and started again."""

    def __init__(self, name: str, log: Path, *command: str) -> None:
        self.name = name
        self._log = log
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.lines: set[str] = set()
        """The lines that it wrote to the end."""

    async def start(self, **environment: str) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
            )
        self._reading = asyncio.create_task(self._read(self._process))

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, as a power cut would unless told otherwise. It must be alive."""
        assert self._process is not None
        assert self._reading is not None
        assert self._process.returncode is None, f"{self.name} ended by itself:\n{self._log.read_text()[-4000:]}"
        self._process.send_signal(number)
        await self._process.wait()
        await self._reading

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while (line := await process.stdout.readline()).endswith(b"\n"):
            self.lines.add(line.decode().strip())


class Crowd(Child):
    """A process with shops."""

    def __init__(self, number: int, folder: Path, shops: dict[str, dict[str, Any]], hosts: Hosts) -> None:
        name = f"shops-{number}"
        self.shops = list(shops)
        self._plan = folder / f"{name}.json"
        self._values = {"shops": shops, "folder": str(folder)}
        command = (*hosts.add(name).begin, sys.executable, "-m", "tests.fleet.shop_crowd", str(self._plan))
        super().__init__(name, folder / f"{name}.log", *command)

    async def open(self, *, interval_s: float = EVENT_INTERVAL_S, backlog: int = 0, clock: str = "") -> None:
        """Start; `clock` moves its system clock, as `+172800`."""
        self._plan.write_text(json.dumps(self._values | {"interval_s": interval_s, "backlog": backlog}))
        moved = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        await self.start(**(moved if clock else {}))


class ChainRun:
    """A head office, its shops and a reader."""

    def __init__(
        self, folder: Path, shops: int, processes: int, hosts: Hosts, dice: random.Random, longest_s: float
    ) -> None:
        """Take how long a line is cut at most, in seconds; a server is frozen half, and dead a third as long."""
        self._folder = folder
        self._longest_s = longest_s
        self._hosts = hosts
        self._dice = dice
        self.outcome = Outcome()
        names = [f"shop-{number}" for number in range(shops)]
        (folder / "office").mkdir()
        self._office = HeadOffice(folder / "office", *names, hosts=hosts)
        fleets = {name: self._office.settings(name, may=["token_revoke"]).model_dump() for name in names}
        self._crowds = [
            Crowd(number, folder, {name: fleets[name] for name in names[number::processes]}, hosts)
            for number in range(processes)
        ]
        self._names = names
        self._answers: dict[str, str] = {}
        """What became of each command, by the name of its token."""
        self._copy = folder / "read.db"
        words = (",".join(self._office.servers), str(folder / READER), READER, str(self._copy))
        self._reader = Child(READER, folder / "reader.log", sys.executable, str(EXAMPLES / "read_events.py"), *words)

    async def run(self, seconds: float) -> None:
        """Go through everything."""
        await self._office.start()
        try:
            await write_reader_files(self._office, READER, self._folder / READER)
            await self._reader.start()
            for crowd in self._crowds:
                await crowd.open()
            ended = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for number in range(COMMANDERS):
                    group.create_task(self._command(number, ended))
                async with asyncio.TaskGroup() as lanes:
                    lanes.create_task(self._trouble(self._server_trouble, seconds))
                    lanes.create_task(self._trouble(self._shop_trouble, seconds))
                ended.set()
            stored = await self._settle()
            self.outcome.doubles = len(stored) - len(set(stored))
            stored = await self._be_offline_for_days()
            self.outcome.doubles_after_days = len(stored) - len(set(stored)) - self.outcome.doubles
            await self._judge(set(stored))
        finally:
            await self._office.stop()

    @property
    def _server_trouble(self) -> Sequence[Trouble]:
        """What happens to servers: one thing at a time, since a cluster of three can lose one."""
        cut = [self._cut_server] if self._hosts.can_cut else []
        return [self._kill_server, self._freeze_server, *cut]

    @property
    def _shop_trouble(self) -> Sequence[Trouble]:
        """What happens to shops and the reader meanwhile."""
        cut = [self._cut_shops] if self._hosts.can_cut else []
        return [self._kill_shops, self._kill_reader, *cut]

    async def _trouble(self, kinds: Sequence[Trouble], seconds: float) -> None:
        """Make trouble in whole rounds, so that there is each kind, however slow the machine is."""
        end = time.monotonic() + seconds
        waiting: list[Trouble] = []
        while waiting or time.monotonic() < end:
            waiting = waiting or self._dice.sample(kinds, len(kinds))
            await asyncio.sleep(self._dice.uniform(0, 1))
            make = waiting.pop()
            await make()
            self.outcome.done[make.__name__.strip("_").replace("_", " ")] += 1

    async def _command(self, commander: int, ended: asyncio.Event) -> None:
        """Give one command after the other, each until a shop has said what became of it, and until one is done."""
        number, given = 0, set[str]()
        while "done" not in given or not ended.is_set():
            number += 1
            shop, token, outcome = self._dice.choice(self._names), f"till-{commander}-{number}", "running"
            while outcome == "running":
                key, arguments = f"command-{token}", {"name": token}
                response = await self._office.command(shop, "token_revoke", arguments, id=key, wait_s=1)
                outcome = response["outcome"]
            self._answers[token] = outcome
            given.add(outcome)

    async def _kill_shops(self) -> None:
        crowd = self._dice.choice(self._crowds)
        await crowd.end()
        await asyncio.sleep(self._dice.uniform(0, 1))
        await crowd.open()

    async def _kill_server(self) -> None:
        node = self._dice.choice(self._office.nodes)
        assert node.is_running, f"{node.name} ended by itself"
        await node.kill()
        await asyncio.sleep(self._dice.uniform(0, self._longest_s / 3))
        await node.start()

    async def _freeze_server(self) -> None:
        node = self._dice.choice(self._office.nodes)
        node.freeze()
        await asyncio.sleep(self._dice.uniform(1, self._longest_s / 2))
        node.thaw()

    async def _kill_reader(self) -> None:
        await self._reader.end()
        await self._reader.start()

    async def _cut_server(self) -> None:
        await self._cut(self._dice.choice(self._office.nodes).name)

    async def _cut_shops(self) -> None:
        await self._cut(self._dice.choice(self._crowds).name)

    async def _cut(self, host: str) -> None:
        assert isinstance(self._hosts, BridgedHosts)
        self._hosts.cut(host)
        assert not await asyncio.to_thread(self._hosts.reaches, host)
        await asyncio.sleep(self._dice.uniform(1, self._longest_s))
        self._hosts.mend(host)

    async def _settle(self) -> list[str]:
        """Let no more events happen, wait until the stream has all, and return what it has."""
        for crowd in self._crowds:
            await crowd.end()
            await crowd.open(interval_s=NEVER_S)
        return await self._wait_for_stream()

    async def _be_offline_for_days(self) -> list[str]:
        """Let shops live for days without a head office, which has forgotten the ids of all events when it is back.

        Return what the stream has then.
        """
        async with self._office.client() as client:
            jetstream = client.jetstream(timeout=3)
            config = (await jetstream.stream_info(EVENTS)).config
            config.duplicate_window = SHORTEST_WINDOW_S
            await jetstream.update_stream(config)
        for node in self._office.nodes:
            await node.kill()
        await asyncio.gather(*map(self._live_for_days, self._crowds))
        began = time.monotonic()
        for node in self._office.nodes:
            await node.start()
        stored = await self._wait_for_stream()
        self.outcome.catch_up_s = time.monotonic() - began
        return stored

    async def _live_for_days(self, crowd: Crowd) -> None:
        clock = f"+{AHEAD_S + OFFLINE_HOURS * 3600}"
        await crowd.end()
        wanted = len(crowd.lines) + OFFLINE_EVENTS * len(crowd.shops)
        await crowd.open(interval_s=NEVER_S, backlog=OFFLINE_EVENTS, clock=clock)
        while len(crowd.lines) < wanted:
            await asyncio.sleep(0.05)
        await crowd.end()
        await crowd.open(interval_s=NEVER_S, clock=clock)

    async def _wait_for_stream(self) -> list[str]:
        """Wait until the stream has all that the databases hold, and return what it has.

        Gives up when nothing more arrives for long.
        """
        last, since, stored = -1, time.monotonic(), list[str]()
        while time.monotonic() - since < PATIENCE_S:
            with contextlib.suppress(nats.errors.Error):  # while the servers choose a leader, nobody can read
                logged, count = self._read_logs(), await self._count_stream()
                if count > last:
                    last, since = count, time.monotonic()
                if count >= len(logged) and logged <= {*(stored := await self._read_stream())}:
                    return stored
            await asyncio.sleep(LOOK_INTERVAL_S)
        return stored

    async def _count_stream(self) -> int:
        async with self._office.client() as client:
            return (await client.jetstream(timeout=3).stream_info(EVENTS)).state.messages

    async def _read_stream(self) -> list[str]:
        """Return what the headers of the messages name, in the order of the stream."""
        count = await self._count_stream()
        async with self._office.client() as client:
            jetstream = client.jetstream(timeout=3)
            messages = await jetstream.subscribe("", stream=EVENTS, ordered_consumer=True, headers_only=True)
            headers = [(await messages.next_msg(timeout=5)).headers or {} for _ in range(count)]
        return [one["Nats-Msg-Id"] for one in headers]

    def _read_logs(self) -> set[str]:
        """Return what the databases of the shops hold."""
        found = set()
        for shop in (shop for crowd in self._crowds for shop in crowd.shops):
            file = self._folder / shop / "gateway.db"
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as database:
                rows = database.execute("SELECT epoch, number FROM event_log, event")
                found |= {f"{shop}/{epoch}-{number}" for epoch, number in rows}
        return found

    def _read_copy(self) -> set[str]:
        """Return what the reader has."""
        with contextlib.closing(sqlite3.connect(f"file:{self._copy}?mode=ro", uri=True, timeout=30)) as database:
            return {row[0] for row in database.execute("SELECT id FROM event")}

    async def _judge(self, stored: set[str]) -> None:
        """Compare what shops, stream and reader have, and end all."""
        logged = self._read_logs()
        acknowledged = {line.replace(" ", "/") for crowd in self._crowds for line in crowd.lines}
        last, since = -1, time.monotonic()
        while not stored <= (copied := self._read_copy()) and time.monotonic() - since < PATIENCE_S:
            if len(copied) > last:
                last, since = len(copied), time.monotonic()
            await asyncio.sleep(0.5)
        for child in (*self._crowds, self._reader):
            await child.end()
        outcome = self.outcome
        outcome.commands = Counter(self._answers.values())
        acted = Counter(
            token
            for name in self._names
            if (file := self._folder / name / "revoked.txt").exists()
            for token in file.read_text().split()
        )
        outcome.acted_twice = sorted(token for token, count in acted.items() if count > 1)
        outcome.not_acted = sorted(
            token for token, result in self._answers.items() if result == "done" and token not in acted
        )
        outcome.acknowledged, outcome.logged = len(acknowledged), len(logged)
        outcome.not_logged = sorted(acknowledged - logged)
        outcome.not_stored = sorted(logged - stored)
        outcome.not_read = sorted(stored - copied)


async def main(arguments: argparse.Namespace) -> None:
    """Run, and print what came of it."""
    hosts = BridgedHosts() if arguments.hosts else LoneHost()
    dice = random.Random(arguments.seed)
    run = ChainRun(arguments.folder, arguments.shops, arguments.processes, hosts, dice, arguments.longest)
    await run.run(arguments.seconds)
    print(json.dumps(vars(run.outcome)))  # noqa: T201  for the test that started this


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shops", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--longest", type=float, default=12, help="how long a line is cut at most, in seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hosts", action="store_true")
    asyncio.run(main(parser.parse_args()))
