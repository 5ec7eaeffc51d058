"""Group commit: writes that are asked for at the same time share one transaction, and so one flush of the disk."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from gateway.errors import Problem, StateError
from gateway.storage.database import Database

_STEP_S: Final = 0.002
"""How long nobody may come before the company counts as complete: the event loop knows no shorter times than 1 ms."""
_GATHER_S: Final = 0.006
"""How long company is waited for where flushes take no time."""
_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
"""How much goes into one transaction: the reserve on the disk has to hold it, and everybody else waits for it."""

T = TypeVar("T")


class _Offered(Protocol):
    @property
    def size(self) -> int: ...


O = TypeVar("O", bound=_Offered)  # noqa: E741
R = TypeVar("R")


class GroupCommit(Generic[O, R]):
    """Collects writes while a transaction is under way, and then writes them together.

    `bulk` writes all offers of a transaction at once and returns for each its result, or the problem that it meets;
    `last` ends each transaction. Both run in the database's thread, as jobs do. `committed` is told in the event loop,
    before anything else can happen to what was written.
    """

    def __init__(
        self,
        database: Database,
        *,
        bulk: Callable[[sqlite3.Connection, Sequence[O]], Sequence[R | Problem]],
        last: Callable[[sqlite3.Connection], None],
        committed: Callable[[Sequence[tuple[O, R]]], None],
    ) -> None:
        self._database = database
        self._bulk = bulk
        self._last = last
        self._committed = committed
        self._offers: list[tuple[O, asyncio.Future[R]]] = []
        self._jobs: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._flush_s = 0.0
        self._company = 0
        """How many callers are known to be about: those who were answered last, and those who waited then."""
        self._complete = asyncio.Event()

    async def offer(self, one: O) -> R:
        """Write one thing in bulk with others and return its result.

        Raises the problem that it meets, or `StateError` if the transaction failed: then nothing of it was written.
        """
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._offers.append((one, future))
        if len(self._offers) == self._company:
            self._complete.set()
        self._begin()
        return await future

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job in the next transaction and return its result. A problem must be met before anything is written."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, future))
        self._begin()
        return await future

    async def close(self) -> None:
        """Write what was asked for."""
        if self._task is not None:
            await self._task

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._offers or self._jobs:
            await self._gather()
            offers, jobs = self._taken(), self._jobs
            self._jobs = []
            began = time.monotonic()
            try:
                results, done = await self._database.transact(lambda c, o=offers, j=jobs: self._work(c, o, j))  # type: ignore[misc]
            except BaseException as exc:
                if offers and isinstance(exc, StateError):
                    self._jobs[:0] = jobs  # what has no room must not take the rest down with it
                    jobs = []
                for _, future in (*offers, *jobs):
                    _settle(future, exc)
                if not isinstance(exc, Exception):
                    raise
                continue
            self._flush_s = time.monotonic() - began
            self._company = len(offers) + len(self._offers)
            good = [(one, got) for (one, _), got in zip(offers, results, strict=True) if not isinstance(got, Problem)]
            self._committed(good)
            for (_, future), result in zip((*offers, *jobs), (*results, *done), strict=True):
                _settle(future, result)

    async def _gather(self) -> None:
        """Wait for those who are known to be about, as long as some of them come.

        Who was answered just now is soon back: without this, callers that hand over one thing after the other fall into
        two halves that take turns, and each half costs a transaction and a flush.
        """
        await asyncio.sleep(0)
        ends = time.monotonic() + max(_GATHER_S, self._flush_s / 2)
        there = -1
        while there < len(self._offers) < self._company and time.monotonic() < ends:
            there = len(self._offers)
            self._complete.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STEP_S):
                    await self._complete.wait()

    def _taken(self) -> list[tuple[O, asyncio.Future[R]]]:
        size = count = 0
        for one, _ in self._offers:
            size += one.size
            if count and size > _TRANSACTION_BYTES:
                break
            count += 1
        taken, self._offers = self._offers[:count], self._offers[count:]
        return taken

    def _work(
        self,
        connection: sqlite3.Connection,
        offers: Sequence[tuple[O, asyncio.Future[R]]],
        jobs: Sequence[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]],
    ) -> tuple[Sequence[R | Problem], list[Any]]:
        results = self._bulk(connection, [one for one, _ in offers]) if offers else []
        done: list[Any] = []
        for job, _ in jobs:
            try:
                done.append(job(connection))
            except Problem as exc:
                done.append(exc)
        self._last(connection)
        return results, done


def _settle(future: asyncio.Future[Any], result: object) -> None:
    if future.done():  # who waited was cancelled
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
