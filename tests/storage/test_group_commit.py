"""Group commit: who hands over at the same time shares a transaction, and nobody waits for those who do not come."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import pytest

from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit

FLUSH_S = 0.02
CALLERS = 16


class Entry(NamedTuple):
    number: int
    size: int = 1


class SlowDisk:
    """Stores nothing, slowly, and keeps how many entries each transaction had."""

    def __init__(self, database: Database, supervisor: Supervisor) -> None:
        self.groups: list[int] = []
        self.commit: GroupCommit[Entry, int] = GroupCommit(
            database, supervisor, "writer", store=self._store, committed=lambda _: None
        )

    def _store(self, _: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
        self.groups.append(len(entries))
        time.sleep(FLUSH_S)
        return [entry.number for entry in entries]


@pytest.fixture
async def disk(database: Database, supervisor: Supervisor) -> AsyncIterator[SlowDisk]:
    disk = SlowDisk(database, supervisor)
    yield disk
    await disk.commit.close()


async def test_callers_that_fell_into_two_halves_meet_again(disk: SlowDisk) -> None:
    async def caller(number: int) -> None:
        if number % 2:
            await asyncio.sleep(FLUSH_S / 2)  # while the others' transaction is under way
        for _ in range(10):
            assert await disk.commit.add(Entry(number)) == number
            await asyncio.sleep(0.001)

    await asyncio.gather(*map(caller, range(CALLERS)))
    assert sum(disk.groups) == 10 * CALLERS
    assert disk.groups[0] <= CALLERS / 2
    assert len(disk.groups) <= 15, "two halves that take turns would need 20 transactions"


async def test_nobody_waits_long_for_callers_who_do_not_come_back(disk: SlowDisk) -> None:
    await asyncio.gather(*(disk.commit.add(Entry(number)) for number in range(CALLERS)))
    began = time.monotonic()
    await disk.commit.add(Entry(0))
    assert time.monotonic() - began < 3 * FLUSH_S
    assert disk.groups[-1] == 1
