"""A chain that goes through what chains go through: kills, cut lines, days without a head office.

`python -m tests.fleet.chain_run FOLDER --shops N --processes N --seconds S [--seed N] [--hosts]` runs three servers,
many shops and a reader, and prints as JSON what came of it. With `--hosts` each server and each process with shops is
a host of its own, whose line is cut, too; then it must run in namespaces of its own (`tests.fleet.hosts.UNSHARE`).
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
from collections.abc import Callable
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
SHORTEST_WINDOW_S: Final = 0.1
"""The shortest time for which the servers can remember ids."""


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
    """How many commands had which outcome."""
    acted_twice: list[str] = field(default_factory=list)
    """Those that a shop acted on more than once."""
    not_acted: list[str] = field(default_factory=list)
    """Those that a shop has answered and not acted on."""
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

    def __init__(self, folder: Path, shops: int, processes: int, hosts: Hosts, dice: random.Random) -> None:
        self._folder = folder
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
                await self._trouble(seconds)
                ended.set()
            await self._settle()
            stored = await self._read_stream()
            self.outcome.doubles = len(stored) - len(set(stored))
            await self._be_offline_for_days()
            stored = await self._read_stream()
            self.outcome.doubles_after_days = len(stored) - len(set(stored)) - self.outcome.doubles
            await self._judge(set(stored))
        finally:
            await self._office.stop()

    async def _trouble(self, seconds: float) -> None:
        """Kill and cut in whole rounds, and never more servers at a time than the cluster can lose."""
        end = time.monotonic() + seconds
        trouble: list[Callable[[], Any]] = [self._kill_shops, self._kill_server, self._freeze_server, self._kill_reader]
        if isinstance(self._hosts, BridgedHosts):
            trouble += [self._cut_server, self._cut_shops]
        waiting: list[Callable[[], Any]] = []
        while waiting or time.monotonic() < end:
            waiting = waiting or self._dice.sample(trouble, len(trouble))
            await asyncio.sleep(self._dice.uniform(0, 1))
            make = waiting.pop()
            self.outcome.done[make.__name__.strip("_").replace("_", " ")] += 1
            await make()

    async def _command(self, commander: int, ended: asyncio.Event) -> None:
        """Give one command after the other, each until a shop has said what became of it."""
        number = 0
        while not ended.is_set():
            number += 1
            shop, token, response = self._dice.choice(self._names), f"till-{commander}-{number}", {"outcome": "running"}
            while response["outcome"] == "running":
                response = await self._office.command(shop, "token_revoke", {"name": token}, id=f"command-{token}")
            self._answers[token] = response["outcome"]

    async def _kill_shops(self) -> None:
        crowd = self._dice.choice(self._crowds)
        await crowd.end()
        await asyncio.sleep(self._dice.uniform(0, 1))
        await crowd.open()

    async def _kill_server(self) -> None:
        node = self._dice.choice(self._office.nodes)
        await node.kill()
        await asyncio.sleep(self._dice.uniform(0, 4))
        await node.start()

    async def _freeze_server(self) -> None:
        node = self._dice.choice(self._office.nodes)
        node.freeze()
        await asyncio.sleep(self._dice.uniform(1, 6))
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
        await asyncio.sleep(self._dice.uniform(1, 12))
        self._hosts.mend(host)

    async def _settle(self) -> None:
        """Let no more events happen, and wait until the stream has all."""
        for crowd in self._crowds:
            await crowd.end()
            await crowd.open(interval_s=NEVER_S)
        await self._wait_for_stream()

    async def _be_offline_for_days(self) -> None:
        """Let shops live for days without a head office, which has forgotten the ids of all events when it is back."""
        async with self._office.client() as client:
            jetstream = client.jetstream(timeout=3)
            config = (await jetstream.stream_info(EVENTS)).config
            config.duplicate_window = SHORTEST_WINDOW_S
            await jetstream.update_stream(config)
        for node in self._office.nodes:
            await node.kill()
        clock = f"+{AHEAD_S + OFFLINE_HOURS * 3600}"
        for crowd in self._crowds:
            await crowd.end()
            wanted = len(crowd.lines) + OFFLINE_EVENTS * len(crowd.shops)
            await crowd.open(interval_s=NEVER_S, backlog=OFFLINE_EVENTS, clock=clock)
            while len(crowd.lines) < wanted:
                await asyncio.sleep(0.05)
            await crowd.end()
            await crowd.open(interval_s=NEVER_S, clock=clock)
        began = time.monotonic()
        for node in self._office.nodes:
            await node.start()
        await self._wait_for_stream()
        self.outcome.catch_up_s = time.monotonic() - began

    async def _wait_for_stream(self) -> None:
        """Wait until the stream has all that the databases hold. Gives up when nothing more arrives for long."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < PATIENCE_S:
            with contextlib.suppress(nats.errors.Error):
                stored = set(await self._read_stream())
                if self._read_logs() <= stored:
                    return
                if len(stored) > last:
                    last, since = len(stored), time.monotonic()
            await asyncio.sleep(1)

    async def _read_stream(self) -> list[str]:
        """Return what the headers of the messages name, in the order of the stream."""
        async with self._office.client() as client:
            jetstream = client.jetstream(timeout=3)
            count = (await jetstream.stream_info(EVENTS)).state.messages
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
            token for token, result in self._answers.items() if result != "interrupted" and token not in acted
        )
        outcome.acknowledged, outcome.logged = len(acknowledged), len(logged)
        outcome.not_logged = sorted(acknowledged - logged)
        outcome.not_stored = sorted(logged - stored)
        outcome.not_read = sorted(stored - copied)


async def main(arguments: argparse.Namespace) -> None:
    """Run, and print what came of it."""
    hosts = BridgedHosts() if arguments.hosts else LoneHost()
    dice = random.Random(arguments.seed)
    run = ChainRun(arguments.folder, arguments.shops, arguments.processes, hosts, dice)
    await run.run(arguments.seconds)
    print(json.dumps(vars(run.outcome)))  # noqa: T201  for the test that started this


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shops", type=int, required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hosts", action="store_true")
    asyncio.run(main(parser.parse_args()))
