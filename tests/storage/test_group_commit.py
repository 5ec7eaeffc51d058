"""Group commit: who hands over at the same time shares a transaction, and nobody waits for those who do not come."""

import asyncio
import gc
import sqlite3
import time
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
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


async def test_nobody_waits_for_callers_who_do_not_come_back(disk: SlowDisk) -> None:
    await asyncio.gather(*(disk.commit.add(Entry(number)) for number in range(CALLERS)))
    await disk.commit.add(Entry(0))
    assert disk.groups[-1] == 1


class Bug(Exception):
    """What nobody foresaw."""


class Notes:
    """Stores numbers, and fails at the odd ones as a bug does: with a query that is read in part."""

    def __init__(self, database: Database, supervisor: Supervisor) -> None:
        self.committed: list[int] = []
        self.commit: GroupCommit[Entry, int] = GroupCommit(
            database, supervisor, "writer", store=self._store, committed=self._note, vital=True
        )

    def _store(self, connection: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
        for entry in entries:
            connection.execute("INSERT INTO note VALUES (?)", (entry.number,))
            rows = connection.execute("SELECT number FROM note, (VALUES (1), (2))")
            for _ in rows:
                if entry.number % 2:
                    raise Bug(entry.number)
        return [entry.number for entry in entries]

    def _note(self, stored: Sequence[tuple[Entry, int]]) -> None:
        self.committed += [number for _, number in stored]


@pytest.fixture
async def notes(database: Database, supervisor: Supervisor) -> AsyncIterator[Notes]:
    await database.execute("CREATE TABLE note (number INTEGER PRIMARY KEY)")
    notes = Notes(database, supervisor)
    yield notes
    await notes.commit.close()


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_an_entry_and_a_job_that_cannot_be_done_fail_alone(
    notes: Notes, supervisor: Supervisor, database: Database
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise Bug

    results = await asyncio.gather(
        *(notes.commit.add(Entry(number)) for number in range(5)),
        notes.commit.write(fail),
        notes.commit.write(lambda connection: connection.execute("INSERT INTO note VALUES (100)").rowcount),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [int, Bug, int, Bug, int, Bug, int]
    assert [row[0] for row in await database.read("SELECT number FROM note")] == [0, 2, 4, 100]
    assert notes.committed == [0, 2, 4]
    [report] = [one for one in supervisor.reports() if one.name == "writer"]
    assert (report.state, report.failures) == ("running", 0)


@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_failure_keeps_no_query_open_that_would_prevent_a_write_after_another_programs(
    notes: Notes, database: Database
) -> None:
    kept = await asyncio.gather(notes.commit.add(Entry(1)), return_exceptions=True)
    with closing(sqlite3.connect(database.path)) as shell, shell:
        shell.execute("INSERT INTO note VALUES (50)")
    assert await notes.commit.add(Entry(2)) == 2
    assert isinstance(kept[0], Bug), "somebody holds the failure all the while"


@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_failure_is_no_part_of_a_reference_cycle(notes: Notes) -> None:
    with pytest.raises(Bug) as caught:
        await notes.commit.add(Entry(1))
    failure = weakref.ref(caught.value)
    del caught
    while failure() is not None:  # the database's thread may hold it for a moment
        await asyncio.sleep(0.005)
