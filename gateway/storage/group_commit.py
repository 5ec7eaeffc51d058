"""Group commit: writes that are asked for at the same time share one transaction, and so one flush of the disk."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from firmware_tools.language import message
from gateway.errors import Problem, StateError
from gateway.runtime.supervisor import Service, Supervisor
from gateway.storage.database import Database

_MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
"""How much one transaction stores: the reserve on the disk must hold it, and everybody else waits for it."""
_CLOSE_TIMEOUT_S: Final = 5.0
"""How long `close` waits for the writes under way."""
_MAX_RESTART_DELAY_S: Final = 10.0
"""How long callers wait at most for a writer that failed."""
_TRANSACTION_SHARE: Final = 0.1
"""How long to wait for more writes where there were several, as a share of the time of the last transaction.

Without it, callers that write again as soon as they are answered fall into two halves that take turns.
"""
_MAX_DELAY_S: Final = 0.002
"""The longest such wait."""

T = TypeVar("T")
WantedT = TypeVar("WantedT")


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


EntryT = TypeVar("EntryT", bound=_Sized)
ResultT = TypeVar("ResultT")
Job = Callable[[sqlite3.Connection], Any]


class GroupCommit(Generic[EntryT, ResultT]):
    """Collects writes while a transaction is under way, and then does them in the next one."""

    def __init__(
        self,
        database: Database,
        supervisor: Supervisor,
        name: str,
        *,
        store: Callable[[sqlite3.Connection, Sequence[EntryT]], Sequence[ResultT | Problem]],
        committed: Callable[[Sequence[tuple[EntryT, ResultT]]], None],
        vital: bool = False,
    ) -> None:
        """Take what stores the entries of a transaction, and what is called when they are on the disk.

        `store` runs in the database's thread, like the jobs. It returns the result of each entry, or its problem.
        `committed` runs in the event loop, before anything else can happen to the entries. `name` is the
        service's, which may be `vital`.
        """
        self._database = database
        self._store = store
        self._committed = committed
        self._entries: list[tuple[EntryT, asyncio.Future[ResultT]]] = []
        self._jobs: list[tuple[Job, asyncio.Future[Any]]] = []
        self._wanted = asyncio.Event()
        self._delay_s = 0.0
        self._service = supervisor.start_service(name, self._run, max_delay_s=_MAX_RESTART_DELAY_S, vital=vital)

    async def add(self, entry: EntryT) -> ResultT:
        """Store an entry together with others and return its result.

        Raises its problem, or `StateError` if the transaction failed: then nothing of it was stored.
        """
        return await self._put(self._entries, entry)

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job in the next transaction and return its result. It must meet a problem before it writes anything."""
        result: T = await self._put(self._jobs, job)
        return result

    def _put(self, queue: list[tuple[WantedT, asyncio.Future[T]]], wanted: WantedT) -> asyncio.Future[T]:
        """Put an entry or a job in its queue and return what its result comes with.

        Callers do not name that: a failure refers to their frames, and would live until the next garbage collection.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        queue.append((wanted, future))
        self._wanted.set()
        return future

    async def close(self) -> None:
        """Do what was asked for, then stop. What cannot be done within some seconds fails with `StateError`."""
        with suppress(TimeoutError, StateError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                while self._entries or self._jobs:
                    await self.write(lambda _: None)
        await self._service.stop()
        for _, future in (*self._entries, *self._jobs):
            _resolve(future, StateError(message("the gateway stops; nothing was stored")))

    async def _run(self, service: Service) -> None:
        while True:
            service.pause()
            await self._wanted.wait()
            service.expect_turn()
            await asyncio.sleep(self._delay_s)
            await self._commit()
            service.heartbeat()
            if not self._entries and not self._jobs:
                self._wanted.clear()

    async def _commit(self) -> None:
        """Do what is asked for in one transaction. Whoever asked gets the result or the failure.

        If the transaction fails in a way that nobody foresaw, each entry and job is done again in a transaction of its
        own, so that one that cannot be done fails alone.
        """
        groups = [_Group(self._take_entries(), self._jobs)]
        self._jobs = []
        while groups:
            group = groups.pop(0)
            try:
                results, done = await self._transact(group)
            except StateError as exc:
                if group.entries:
                    self._jobs[:0] = group.jobs  # what has no room must not take the rest down with it
                    group.jobs.clear()
                group.fail(exc)
            except Exception as exc:
                if len(group.entries) + len(group.jobs) > 1:
                    groups = group.split()
                else:
                    group.fail(exc)
            except BaseException:
                for unfinished in (group, *groups):
                    unfinished.fail(StateError(message("the gateway stops; nothing was stored")))
                raise
            else:
                self._finish(group, results, done)

    async def _transact(self, group: "_Group[EntryT, ResultT]") -> tuple[Sequence[ResultT | Problem], list[Any]]:
        began = time.monotonic()
        results, done = await self._database.transact(lambda connection: self._work(connection, group))
        transaction_s = time.monotonic() - began
        writes = len(group.entries) + len(group.jobs) + len(self._entries) + len(self._jobs)
        self._delay_s = min(_MAX_DELAY_S, _TRANSACTION_SHARE * transaction_s) if writes > 1 else 0.0
        return results, done

    def _finish(
        self, group: "_Group[EntryT, ResultT]", results: Sequence[ResultT | Problem], done: Sequence[Any]
    ) -> None:
        """Report what is on the disk, then answer those who asked for it."""
        stored = [
            (entry, got) for (entry, _), got in zip(group.entries, results, strict=True) if not isinstance(got, Problem)
        ]
        self._committed(stored)
        for (_, future), result in zip((*group.entries, *group.jobs), (*results, *done), strict=True):
            _resolve(future, result)

    def _take_entries(self) -> list[tuple[EntryT, asyncio.Future[ResultT]]]:
        size = count = 0
        for entry, _ in self._entries:
            size += entry.size
            if count and size > _MAX_TRANSACTION_BYTES:
                break
            count += 1
        taken, self._entries = self._entries[:count], self._entries[count:]
        return taken

    def _work(
        self, connection: sqlite3.Connection, group: "_Group[EntryT, ResultT]"
    ) -> tuple[Sequence[ResultT | Problem], list[Any]]:
        results = self._store(connection, [entry for entry, _ in group.entries]) if group.entries else []
        done: list[Any] = []
        for job, _ in group.jobs:
            try:
                done.append(job(connection))
            except Problem as exc:
                done.append(exc)
        return results, done


@dataclass(slots=True)
class _Group(Generic[EntryT, ResultT]):
    """What one transaction does."""

    entries: list[tuple[EntryT, asyncio.Future[ResultT]]]
    """The entries, with what their callers wait for."""
    jobs: list[tuple[Job, asyncio.Future[Any]]]
    """The jobs, likewise."""

    def split(self) -> list["_Group[EntryT, ResultT]"]:
        """Return a group for each entry and each job."""
        return [_Group([one], []) for one in self.entries] + [_Group([], [one]) for one in self.jobs]

    def fail(self, failure: Exception) -> None:
        """Give all callers the failure, and forget them: the failure refers to the frames that refer to this group."""
        for _, future in (*self.entries, *self.jobs):
            _resolve(future, failure)
        self.entries.clear()
        self.jobs.clear()


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if future.done():  # whoever waited was cancelled
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
