"""The outbox: what is accepted is on the disk, and stays there until it has arrived.

`submit` returns when a call is on the disk. `claim` hands out the next batch, `settle` stores the outcomes of its
items. Only the memory knows what is in flight: after a crash, everything without an outcome waits again.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Self, TypeVar

from firmware_tools.language import message
from gateway.errors import Conflict, DiskFull, OutboxFull, Problem, StateError
from gateway.outbox import account_table, item_table, quota_table, reasons, table
from gateway.outbox.account import Account
from gateway.outbox.accounts import Accounts
from gateway.outbox.item import OutboxItem
from gateway.outbox.item_table import Change, Changed, ItemFilter
from gateway.outbox.label_names import LabelNames
from gateway.outbox.model import Batch, Limit, NewItem, Outcome, State, Stats
from gateway.outbox.queue import Queue, Unreadable
from gateway.outbox.queue_table import Claimed, claim_batch, group_outcomes, load_files, store_outcomes
from gateway.outbox.submission import Submission, SubmissionResult, SubmissionStatus, make_final_status
from gateway.outbox.submission_table import SubmissionWriter
from gateway.outbox.waiter import Waiter, Waiters
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.runtime.logs.calls import RequestOrigins
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit
from gateway.storage.uptime_table import Uptime

MAINTENANCE_INTERVAL_S: Final = 600.0
"""How often finished items are pruned."""
_MAX_CHANGED: Final = 500  # items that one transaction of a bulk change touches
_CLOSE_TIMEOUT_S: Final = 5.0
_QUIET_S: Final = 10.0
"""How long nothing must have been accepted before `prune` empties the database's log, which holds up all writes."""
_DROPPED: Final = Outcome("expired", meaning=reasons.DROPPED)

T = TypeVar("T")


class Outbox:
    """The outbox in the database; made by `open`. Writing raises `StateError` when that fails."""

    def __init__(
        self,
        database: Database,
        uptime: Uptime,
        supervisor: Supervisor,
        accounts: Accounts,
        stored: table.StoredState,
        max_bytes: int,
    ) -> None:
        self.accounts = accounts
        """The account of the settings, and others whose items are held."""
        self.depth = stored.depth
        """How many items wait or are being sent."""
        self.held = stored.held
        """Whether nothing is sent until a person releases it."""
        self.unreachable: str | None = None
        """Why the cloud cannot be reached, from a failed attempt until it answers again."""
        self.unclear: str | None = None
        """Why the cloud's last response did not tell the outcome of a call; None once it answers again."""
        self.on_work: Callable[[], None] = lambda: None
        """Called when something may be ready to be sent."""
        self.on_refused: Callable[[int, str, Outcome], None] = lambda _sequence, _path, _outcome: None
        """Called with number, endpoint and outcome of a refused item, once that is on the disk."""
        self.on_ended: list[Callable[[Sequence[int]], None]] = []
        """Each is called with the numbers of items that have their last outcome, once that is on the disk."""
        self.label_names = LabelNames()
        """Which names belong to one shelf label."""
        self.origins = RequestOrigins()
        """The requests that brought the items."""
        self._database = database
        self._uptime = uptime
        self._next_sequence, self._next_expiry_s = stored.next_sequence, stored.next_expiry_s
        self._queue = Queue()
        self._quota = quota_table.StorageQuota(database.path, max_bytes)
        self.attempts: dict[int, int] = {}
        """How often items were sent since attempts were last stored, by number."""
        self._in_flight = item_table.InFlight(self._queue.in_flight, self.attempts)
        self._waiters = Waiters()
        self._claiming = asyncio.Lock()
        self._accepted_at = 0.0
        self._commit: GroupCommit[Submission, SubmissionResult] = GroupCommit(
            database, supervisor, "outbox writer", store=self._store, committed=self._accept, vital=True
        )
        self._maintenance = supervisor.start_periodic(
            "outbox maintenance", self.prune, interval_s=MAINTENANCE_INTERVAL_S, max_turn_s=600
        )

    @classmethod
    async def open(
        cls, database: Database, uptime: Uptime, supervisor: Supervisor, account: Account, *, max_bytes: int
    ) -> Self:
        """Take up the outbox as the previous run of the gateway left it, for the account of the settings."""
        stored = await database.transact(table.load_state)
        uptime.advance_to(stored.accepted_s)
        return cls(database, uptime, supervisor, await Accounts.open(database, account), stored, max_bytes)

    async def close(self) -> None:
        """Store what is under way."""
        await self._maintenance.stop()
        with suppress(StateError, TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._write(lambda _: None)
        await self._commit.close()

    async def submit(
        self, call: Call, *, token: str, idempotency_key: str | None = None, wait_s: float = 0.0
    ) -> SubmissionStatus:
        """Store a call, then wait for its outcome: at most `wait_s` seconds, and not at all while nothing is sent.

        `token` is the name of the caller's token. A repeat returns what became of the first one. Raises `OutboxFull`,
        and `Conflict` for a key that was used for another call.
        """
        waiter = Waiter() if wait_s > 0 and not self._paused else None
        submission = Submission.from_call(
            call, self.accounts.current, self.label_names, token=token, idempotency_key=idempotency_key, waiter=waiter
        )
        try:
            result = await self._commit.add(submission)
        except DiskFull as exc:
            reason = message("there is no room left to keep calls for the cloud: {reason}", reason=exc)
            raise OutboxFull(reason) from exc
        self.origins.note(result.items)
        try:
            waiter = await self._watch_repeated_items(result, waiter)
            if waiter is None or not await waiter.wait(0 if self._paused else wait_s):
                return SubmissionStatus.of_open(result, self._open_state(result.items))
        finally:
            if waiter is not None:
                self._waiters.remove(waiter, result.items)
        # The list that redirected an item is known only to the database.
        stored = await self.outcomes(result.items) if submission.policy.redirect_to else {}
        return make_final_status(submission, result, {**waiter.outcomes, **stored})

    @property
    def _paused(self) -> bool:
        """Whether nothing can be sent now: the cloud is away, or a restored outbox is held."""
        return self.unreachable is not None or self.held

    def _open_state(self, sequences: Sequence[int]) -> State:
        return "waiting" if self._queue.in_flight.isdisjoint(sequences) else "sending"

    async def _watch_repeated_items(self, result: SubmissionResult, waiter: Waiter | None) -> Waiter | None:
        """Let a waiter know the outcomes of items that were submitted before; a repeat gets them without waiting."""
        repeated = [sequence for sequence in result.items if sequence not in result.new]
        if not repeated:
            return waiter
        if waiter is None:
            waiter = Waiter()
            self._waiters.add(waiter, result.new)
        self._waiters.add(waiter, repeated)
        stored = await self.outcomes(repeated)
        for sequence in repeated:
            if (outcome := stored.get(sequence, _DROPPED)).state != "waiting":
                waiter.resolve(sequence, outcome)
        return waiter

    async def claim(self, limit: Limit, *, single: bool = False) -> Batch | None:
        """Return the next batch, or None if nothing can be sent now.

        Its items are in flight until it is settled or released. `limit` returns the largest batch in which an item may
        go; with `single`, the batch has a single entry. Items that can never be sent are refused.
        """
        while True:
            batch, unreadable = await self._claim_once(limit, single)
            if unreadable:
                await self._refuse(unreadable)
            if batch is not None or not unreadable:
                return batch

    async def _claim_once(self, limit: Limit, single: bool) -> Claimed:
        async with self._claiming:
            self._queue.begin_selection()
            try:
                queue, account, uptime_s = self._queue, self.accounts.number, self._uptime.now()
                return await self._database.inspect(
                    partial(claim_batch, queue=queue, account=account, limit=limit, uptime_s=uptime_s, single=single)
                )
            finally:
                self._queue.end_selection()

    async def _refuse(self, unreadable: Sequence[Unreadable]) -> None:
        by_sequence = dict(unreadable)
        await self._write(partial(item_table.refuse_items, reasons=by_sequence, uptime_s=self._uptime.now()))
        paths = {item.sequence: item.path for item in await self.items(list(by_sequence))}
        for sequence, reason in unreadable:
            outcome = Outcome("refused", meaning=reason)
            self._end([sequence], outcome)
            self.on_refused(sequence, paths.get(sequence, ""), outcome)

    async def settle(self, batch: Batch, outcomes: Mapping[int, Outcome]) -> None:
        """Store the outcomes of items of a batch, and end their flight."""
        groups = group_outcomes(outcomes, self.attempts)
        await self._write(partial(store_outcomes, groups=groups, uptime_s=self._uptime.now()))
        self._queue.release(batch.with_items(outcomes))
        for outcome, _, sequences in groups:
            if outcome.state == "waiting":
                self._forget_attempts(sequences)
            else:
                self._end(sequences, outcome)
            if outcome.state == "refused":
                for sequence in sequences:
                    self.on_refused(sequence, batch.endpoint.path, outcome)
        self.on_work()

    def release(self, batch: Batch, *, attempted: bool) -> None:
        """Let a batch wait again; `attempted` counts an attempt."""
        if attempted:
            for sequence in batch.sequences:
                self.attempts[sequence] = self.attempts.get(sequence, 0) + 1
        self._queue.release(batch)

    def end_waits(self) -> None:
        """Answer everybody who waits for an outcome: there will be none soon."""
        self._waiters.give_up()

    def next_expiry_in_s(self) -> float | None:
        """Return in how many seconds `expire` has something to do, or None."""
        return None if self._next_expiry_s is None else max(0.0, self._next_expiry_s - self._uptime.now())

    async def expire(self) -> None:
        """End the items that have expired."""
        job = partial(table.expire, in_flight=self._queue.in_flight, uptime_s=self._uptime.now())
        expired, self._next_expiry_s = await self._write(job)
        self._end(expired, Outcome("expired"))

    async def release_hold(self) -> None:
        """Send what a restored outbox holds back."""
        await self._write(table.release_hold)
        self.held = False
        self.on_work()

    async def move_to_current(self) -> account_table.Moved:
        """Give the current account what waits for others, and send it."""
        current, in_flight = self.accounts.stored, self._queue.in_flight
        moved = await self._write(partial(account_table.move_to_current, current=current, in_flight=in_flight))
        self._queue.revisit([0])
        self.on_work()
        return moved

    async def stats(self) -> Stats:
        """Return how much waits, and for how long."""
        oldest_s = await self._database.inspect(table.find_oldest) if self.depth else None
        return Stats(self.depth, None if oldest_s is None else round(max(0.0, self._uptime.now() - oldest_s), 1))

    async def counts(self) -> list[item_table.Count]:
        """Return how many items of each endpoint are in each state."""
        return await self._database.inspect(item_table.count_items)

    async def list_items(
        self, wanted: ItemFilter = item_table.ALL_ITEMS, *, after: int = 0, limit: int = 50
    ) -> tuple[list[OutboxItem], int | None]:
        """Return a page of items and the number after which the next one begins."""
        job = partial(item_table.list_items, in_flight=self._in_flight, wanted=wanted, after=after, limit=limit)
        return await self._database.inspect(job)

    async def item(self, sequence: int, token: str | None = None) -> OutboxItem:
        """Return one item. Raises `NotFound`."""
        job = partial(item_table.get_item, in_flight=self._in_flight, sequence=sequence, token=token)
        return await self._database.inspect(job)

    async def items(self, sequences: Sequence[int]) -> list[OutboxItem]:
        """Return the items with these numbers that are there."""
        job = partial(item_table.get_items, in_flight=self._in_flight, sequences=sequences)
        return await self._database.inspect(job)

    async def outcomes(self, sequences: Sequence[int]) -> dict[int, Outcome]:
        """Return the outcomes of the items with these numbers that are there; `waiting` as long as there is none."""
        return await self._database.inspect(partial(item_table.get_outcomes, sequences=sequences))

    async def submission(self, number: int, token: str | None = None) -> list[OutboxItem]:
        """Return the items of a submission. Raises `NotFound`."""
        job = partial(item_table.get_submission, in_flight=self._in_flight, submission=number, token=token)
        return await self._database.inspect(job)

    async def files(self, sequence: int) -> dict[str, FilePart]:
        """Return the files of an item. Raises `Conflict` if they cannot be read."""
        try:
            return await self._database.inspect(partial(load_files, sequence=sequence))
        except ValueError as exc:
            reason = message("the name of the file of item {sequence} cannot be read; drop it", sequence=sequence)
            raise Conflict(reason) from exc

    async def retry(self, sequences: Sequence[int]) -> Changed:
        """Let refused or expired items wait again. Raises `Conflict` if that is possible with none of them."""
        return (await self.revive(sequences)).check()

    async def edit(self, sequence: int, shared: str, new: NewItem) -> None:
        """Give a refused or expired item new content and let it wait again. Raises `Conflict`."""
        await self._revive(partial(item_table.edit_item, sequence=sequence, shared=shared, new=new))

    async def drop(self, sequences: Sequence[int]) -> Changed:
        """Remove items that were not delivered. Raises `Conflict` if that is possible with none of them."""
        return (await self.remove(sequences)).check()

    async def change_all(self, wanted: ItemFilter, change: Change) -> Changed:
        """Revive or remove many items, some at a time, so that others can write in between."""
        changed, last = Changed([], []), 0
        find = partial(item_table.find_items, in_flight=self._in_flight, wanted=wanted, limit=_MAX_CHANGED)
        while some := await self._database.inspect(partial(find, after=last)):
            changed.add(await change(some))
            last = some[-1]
        return changed

    async def revive(self, sequences: Sequence[int]) -> Changed:
        """Let those of some items wait again with which that is possible."""
        return await self._revive(partial(item_table.revive_items, sequences=sequences))

    async def remove(self, sequences: Sequence[int]) -> Changed:
        """Remove those of some items with which that is possible."""
        job = partial(item_table.drop_items, in_flight=self._in_flight, sequences=sequences)
        changed, waited = await self._write(job)
        self._end(waited, _DROPPED)
        return changed

    async def prune(self) -> None:
        """Remove what was finished long ago, and give the space back to the disk."""
        while await self._write(partial(quota_table.prune, uptime_s=self._uptime.now())):
            pass
        while await self._database.inspect(quota_table.shrink):
            pass
        if time.monotonic() - self._accepted_at > _QUIET_S:
            await self._database.checkpoint()

    async def _revive(self, job: Callable[..., Changed]) -> Changed:
        uptime_s = self._uptime.now()
        changed = await self._write(partial(job, in_flight=self._in_flight, uptime_s=uptime_s))
        self.depth += len(changed.sequences)
        if self._next_expiry_s is None:
            self._next_expiry_s = uptime_s  # `expire` finds out when that is
        self._queue.revisit(changed.sequences)
        self.on_work()
        return changed

    def _end(self, sequences: Sequence[int], outcome: Outcome) -> None:
        """Take note that waiting items have their last outcome."""
        self.depth -= len(sequences)
        self._forget_attempts(sequences)
        self._waiters.resolve(sequences, outcome)
        for note_ended in self.on_ended:
            note_ended(sequences)

    def _forget_attempts(self, sequences: Iterable[int]) -> None:
        if self.attempts:
            for sequence in sequences:
                self.attempts.pop(sequence, None)

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job in the next transaction, which also stores the uptime; new items tell it by themselves."""

        def write(connection: sqlite3.Connection) -> T:
            done = job(connection)
            self._uptime.store(connection)
            table.save_next_sequence(connection, self._next_sequence)
            return done

        return await self._commit.write(write)

    def _store(
        self, connection: sqlite3.Connection, submissions: Sequence[Submission]
    ) -> Sequence[SubmissionResult | Problem]:
        """Store the submissions of one transaction, in the database's thread."""
        free_bytes = self._quota.reserve(connection, sum([submission.size for submission in submissions]))
        writer = SubmissionWriter(
            connection,
            submissions,
            account=self.accounts.number,
            next_sequence=self._next_sequence,
            free_bytes=free_bytes,
            uptime_s=self._uptime.now(),
            in_flight=self._queue.in_flight,
        )
        results = writer.store()
        self._next_sequence = writer.next_sequence
        return results

    def _accept(self, accepted: Sequence[tuple[Submission, SubmissionResult]]) -> None:
        """Take note of submissions that are on the disk, before anything can happen to their items."""
        for submission, result in accepted:
            self.depth += len(result.new) + len(result.revived)
            self._queue.revisit(result.revived)
            if submission.waiter is not None:
                self._waiters.add(submission.waiter, result.new)
            if result.superseded:
                self._end(result.superseded, Outcome("superseded"))
            after_s = submission.policy.expires_after_s
            if result.new and after_s is not None and self._next_expiry_s is None:
                self._next_expiry_s = self._uptime.now() + after_s
        if accepted:
            self._accepted_at = time.monotonic()
            self.on_work()
