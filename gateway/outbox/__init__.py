"""The outbox: calls for the cloud that are kept until they have arrived.

What `accept` returns for is on the disk. `claim` hands out what is to be sent next, `settle` writes down what became of
it. Being sent is a matter of memory alone: after a crash everything that was not settled waits again.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Final, NamedTuple, Self, TypeVar

from gateway.errors import DiskFull, OutboxFull, Problem, StateError
from gateway.outbox import hold_table, item_table, quota_table
from gateway.outbox.batching import Fate, Item, State
from gateway.outbox.intake_table import Intake, Offer, Receipt, end_items
from gateway.outbox.item_table import Entry, describe_submission
from gateway.outbox.keys_table import Keys
from gateway.outbox.queue_table import LAST_PRIORITY, Batch, Limit, Queue, alike, settle
from gateway.outbox.waiter import Watch, Watches
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.runtime.failure_log import FailureLog
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit
from gateway.storage.uptime_table import Uptime

__all__ = ["Accepted", "Batch", "Entry", "Outbox", "Watch", "describe_submission"]

HEARTBEAT_S: Final = 600.0
"""How often the running time is stored when nothing else is: what a power cut takes from it at most."""

_QUIET_S: Final = 10.0
"""How long nothing has been accepted when the log of the database is given back to the disk: that stops all else."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Accepted(NamedTuple):
    """What an accepted call became: the numbers of its items with their references, and what watches them, if asked."""

    outbox_id: str
    members: Sequence[int]
    references: Sequence[str]
    watch: Watch | None


class Stats(NamedTuple):
    """How many items wait, and for how many seconds of running time the oldest does."""

    depth: int
    oldest_age_s: float | None


class Outbox:
    """The outbox in the database; made by `open`. Writing raises `StateError` when that fails."""

    def __init__(
        self, database: Database, running: Uptime, keys: Keys, next_sequence: int, depth: int, max_bytes: int
    ) -> None:
        self.running = running
        self.held = False
        """Whether nothing is to be sent until a person lets it go."""
        self.on_work: Callable[[], None] = lambda: None
        """Called when something may have become ready to be sent."""
        self.on_refused: Callable[[int, str, Fate], None] = lambda _sequence, _path, _fate: None
        """Called with number, endpoint and fate of an item that was refused, when that is on the disk."""
        self._database = database
        self._depth = depth
        self._queue = Queue()
        self._intake = Intake(next_sequence, keys, self._queue.in_flight)
        self._room = quota_table.Room(database.path, max_bytes)
        self._tries: dict[int, int] = {}
        self._view = item_table.View(self._queue.in_flight, self._tries, keys)
        self._watches = Watches()
        self._claiming = asyncio.Lock()
        self._making_room = asyncio.Lock()
        self._next_expiry_s: float | None = None
        self._commit: GroupCommit[Offer, Receipt] = GroupCommit(
            database, bulk=self._take, last=keys.write, committed=self._committed
        )
        self._keeper: asyncio.Task[None] | None = None
        self._accepted_at = 0.0

    @classmethod
    async def open(cls, database: Database, *, max_bytes: int) -> Self:
        """Take up the outbox where the last life left it."""
        keys = Keys()
        seconds, number, depth, expiry_s = await database.transact(_begin)
        await database.transact(keys.load)
        outbox = cls(database, Uptime(seconds), keys, number, depth, max_bytes)
        outbox._next_expiry_s = expiry_s
        outbox.held = await database.inspect(hold_table.is_held)
        outbox._keeper = asyncio.create_task(outbox._keep())
        return outbox

    async def close(self) -> None:
        """Write what is under way, and the running time."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        with contextlib.suppress(StateError):
            await self._write(lambda _: None)
        await self._commit.close()

    async def accept(self, call: Call, *, token: str, key: str | None, watched: bool) -> Accepted:
        """Keep a call; it is on the disk when this returns. A repeat returns what the first one became.

        `token` is the name of the caller's token, `key` the idempotency key. With `watched` a watch waits for the
        items. Raises `OutboxFull`, and `Conflict` for a key that was used for another call.
        """
        watch = Watch() if watched else None
        offer = Offer.of(call, token=token, key=key, watch=watch)
        try:
            try:
                receipt = await self._commit.offer(offer)
            except OutboxFull:
                await self._make_room(offer.size)
                receipt = await self._commit.offer(offer)
        except DiskFull as exc:
            raise OutboxFull(f"there is no room left to keep calls for the cloud: {exc}") from exc
        if len(receipt.fresh) < len(receipt.members):
            watch = watch or Watch()
            await self._catch_up(watch, [one for one in receipt.members if one not in receipt.fresh])
            self._watches.add(watch, () if offer.watch else receipt.fresh)
        return Accepted(receipt.outbox_id, receipt.members, [item.reference for item in offer.items], watch)

    async def _make_room(self, wanted: int) -> None:
        """Let go of the content of what is done: piece by piece, since the log can forget each when it is written."""
        async with self._making_room:
            while await self._database.inspect(partial(self._room.needs_more, wanted=wanted)):
                await self._write(quota_table.make_some)

    def forget(self, accepted: Accepted) -> None:
        """End a watch that nobody waits for any more."""
        if accepted.watch is not None:
            self._watches.remove(accepted.watch, accepted.members)

    @property
    def depth(self) -> int:
        """How many items wait or are being sent."""
        return self._depth

    def state(self, sequences: Sequence[int]) -> State:
        """Return the state of items that are not all done."""
        return "waiting" if self._queue.in_flight.isdisjoint(sequences) else "sending"

    def tries(self, sequence: int) -> int:
        """Return how many attempts there were that are not written down yet."""
        return self._tries.get(sequence, 0)

    async def _catch_up(self, watch: Watch, sequences: Sequence[int]) -> None:
        """Let a watch know what became of items that were there before it."""
        self._watches.add(watch, sequences)
        found = await self._database.inspect(partial(item_table.by_number, view=self._view, numbers=sequences))
        for entry in found:
            if entry.state not in ("waiting", "sending"):
                self._watches.tell([entry.sequence], entry.fate)
        dropped = set(sequences) - {entry.sequence for entry in found}
        self._watches.tell(dropped, Fate("expired", meaning="it was dropped by a person"))

    async def claim(self, limit: Limit) -> Batch | None:
        """Return what is to be sent next, or None. `limit` tells of an item in how much company it may go."""
        async with self._claiming:
            self._queue.prepare()
            try:
                take = partial(self._queue.take, limit=limit, now_s=self.running.now())
                batch = await self._database.inspect(take)
            finally:
                self._queue.advance()
        lost = [] if batch is None else [one for parcel in batch.parcels if not parcel.text for one in parcel.sequences]
        if batch is None or not lost:
            return batch
        fate = Fate("refused", meaning="its content was lost when the database was damaged")
        await self.settle(batch, dict.fromkeys(lost, fate))
        batch.parcels = [parcel for parcel in batch.parcels if parcel.text]
        return batch if batch.parcels else await self.claim(limit)

    async def settle(self, batch: Batch, fates: Mapping[int, Fate]) -> None:
        """Write down what became of items of a batch; those that wait on, and the others, are free again after that."""
        outcomes = alike(fates, self._tries)
        await self._write(partial(settle, outcomes=outcomes, now_s=self.running.now()))
        self._forget_tries(fates)
        self._queue.give_back(batch.part(fates))
        for fate, _, sequences in outcomes:
            if fate.state != "waiting":
                self._depth -= len(sequences)
                self._watches.tell(sequences, fate)
            if fate.state == "refused":
                for sequence in sequences:
                    self.on_refused(sequence, batch.endpoint.path, fate)
        self.on_work()

    def release(self, batch: Batch, *, tried: bool) -> None:
        """Let a batch wait again; `tried` counts an attempt."""
        if tried:
            for sequence in batch.sequences:
                self._tries[sequence] = self._tries.get(sequence, 0) + 1
        self._queue.give_back(batch)

    def next_expiry_in_s(self) -> float | None:
        """Return in how many seconds `expire` has something to do, or None."""
        return None if self._next_expiry_s is None else max(0.0, self._next_expiry_s - self.running.now())

    async def expire(self) -> None:
        """End the items that have become worthless."""
        now_s = self.running.now()
        ended, self._next_expiry_s = await self._write(partial(_expire, in_flight=self._queue.in_flight, now_s=now_s))
        self._ended(ended, "expired")

    async def let_go(self) -> None:
        """Hold nothing back any more, after a person has looked at it."""
        await self._write(hold_table.let_go)
        self.held = False
        self.on_work()

    async def stats(self) -> Stats:
        """Return depth and age."""
        if not self._depth:
            return Stats(0, None)
        accepted_s = await self._database.inspect(_oldest)
        return Stats(self._depth, None if accepted_s is None else round(max(0.0, self.running.now() - accepted_s), 1))

    async def counts(self) -> list[item_table.Count]:
        """Return how many items of each endpoint are in each state."""
        return await self._database.inspect(item_table.counts)

    async def entries(
        self, *, token: str | None, state: State | None, path: str | None, after: int, limit: int
    ) -> tuple[list[Entry], int | None]:
        """Return a page of items and the number after which the next one begins; None as `token` is everybody's."""
        listed = partial(
            item_table.entries, view=self._view, token=token, state=state, path=path, after=after, limit=limit
        )
        return await self._database.inspect(listed)

    async def item(self, sequence: int, token: str | None) -> Entry:
        """Return one item. Raises `NotFound`."""
        return await self._database.inspect(partial(item_table.item, view=self._view, sequence=sequence, token=token))

    async def members(self, submission: int, token: str | None) -> list[Entry]:
        """Return the items of a submission. Raises `NotFound`."""
        found = partial(item_table.members, view=self._view, submission=submission, token=token)
        return await self._database.inspect(found)

    async def files(self, sequence: int) -> dict[str, FilePart]:
        """Return the files of an item."""
        return await self._database.inspect(partial(item_table.files, sequence=sequence))

    async def retry(self, sequences: Sequence[int]) -> None:
        """Let refused or expired items wait again. Raises `Conflict`."""
        await self._revive(partial(item_table.revive, view=self._view, sequences=sequences))

    async def edit(self, sequence: int, shared: str, new: Item) -> None:
        """Give a refused or expired item new content and let it wait again. Raises `Conflict`."""
        await self._revive(partial(item_table.edit, view=self._view, sequence=sequence, shared=shared, new=new))

    async def _revive(self, job: Callable[..., list[int]]) -> None:
        revived = await self._write(partial(job, now_s=self.running.now()))
        self._depth += len(revived)
        if self._next_expiry_s is None:
            self._next_expiry_s = self.running.now()  # `expire` finds out when that is
        self._queue.look_from(revived)
        self.on_work()

    async def drop(self, sequences: Sequence[int]) -> None:
        """Remove items that were not delivered. Raises `Conflict`."""
        waited = await self._write(partial(item_table.drop, view=self._view, sequences=sequences))
        self._ended(waited, "expired")

    async def prune(self) -> None:
        """Remove what has been done for long, and give the space back to the disk."""
        while await self._write(partial(quota_table.prune, now_s=self.running.now())):
            pass
        while await self._database.inspect(quota_table.shrink):
            pass
        if time.monotonic() - self._accepted_at > _QUIET_S:
            await self._database.scrub()

    async def _keep(self) -> None:
        untidy = FailureLog(_log, "the outbox cannot be tidied, so it is tried again")
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                await self.prune()
                untidy.recovered()
            except StateError as exc:
                untidy.failed(exc)

    def _forget_tries(self, sequences: Iterable[int]) -> None:
        if self._tries:
            for sequence in sequences:
                self._tries.pop(sequence, None)

    def _ended(self, sequences: Sequence[int], state: State) -> None:
        self._depth -= len(sequences)
        self._forget_tries(sequences)
        self._watches.tell(sequences, Fate(state))

    def _take(self, connection: sqlite3.Connection, offers: Sequence[Offer]) -> Sequence[Receipt | Problem]:
        left = self._room.left(connection, wanted=sum([offer.size for offer in offers]))
        return self._intake.take(connection, offers, now_s=self.running.now(), room=left)

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job in the next transaction, which stores the running time too; new items tell it by themselves."""

        def do(connection: sqlite3.Connection) -> T:
            done = job(connection)
            self.running.store(connection, self._intake.next_sequence)
            return done

        return await self._commit.write(do)

    def _committed(self, accepted: Sequence[tuple[Offer, Receipt]]) -> None:
        for offer, receipt in accepted:
            self._depth += len(receipt.fresh)
            if offer.watch is not None:
                self._watches.add(offer.watch, receipt.fresh)
            if receipt.superseded:
                self._ended(receipt.superseded, "superseded")
            expires_after_s = offer.relay.expires_after_s
            if receipt.fresh and expires_after_s is not None and self._next_expiry_s is None:
                self._next_expiry_s = self.running.now() + expires_after_s
        if accepted:
            self._accepted_at = time.monotonic()
            self.on_work()


def _begin(connection: sqlite3.Connection) -> tuple[float, int, int, float | None]:
    """Return running time, next number, depth and next expiry, whatever a salvage may have left of them."""
    row = connection.execute("SELECT seconds, next_sequence FROM running").fetchone()
    seconds, number = row if row is not None else (0.0, 1)
    if row is None:
        connection.execute("INSERT INTO running VALUES (1, 0, 1)")
    last = connection.execute("SELECT sequence + 1, accepted_s FROM item ORDER BY sequence DESC LIMIT 1").fetchone()
    behind = connection.execute("SELECT id + items + 1 FROM submission ORDER BY id DESC LIMIT 1").fetchone()
    [depth] = connection.execute("SELECT count(*) FROM item WHERE state = 'waiting'").fetchone()
    [expiry_s] = connection.execute(
        "SELECT min(expires_s) FROM item WHERE state = 'waiting' AND expires_s IS NOT NULL"
    ).fetchone()
    if last is not None:
        seconds, number = max(seconds, last[1]), max(number, last[0])
    if behind is not None:
        number = max(number, behind[0])
    return seconds, number, depth, expiry_s


def _oldest(connection: sqlite3.Connection) -> float | None:
    """Return when the oldest waiting item was accepted."""
    first = "SELECT accepted_s FROM item WHERE state = 'waiting' AND priority = ? ORDER BY sequence LIMIT 1"
    rows = [connection.execute(first, (priority,)).fetchone() for priority in range(LAST_PRIORITY + 1)]
    return min((row[0] for row in rows if row is not None), default=None)


def _expire(connection: sqlite3.Connection, in_flight: Set[int], now_s: float) -> tuple[list[int], float | None]:
    rows = connection.execute(
        "SELECT sequence FROM item WHERE state = 'waiting' AND expires_s IS NOT NULL AND expires_s <= ?", (now_s,)
    ).fetchall()
    ended = [row[0] for row in rows if row[0] not in in_flight]
    end_items(connection, "expired", ended, now_s)
    [next_delay_s] = connection.execute(
        "SELECT min(expires_s) FROM item WHERE state = 'waiting' AND expires_s IS NOT NULL AND expires_s > ?", (now_s,)
    ).fetchone()
    return ended, now_s + 1 if len(ended) < len(rows) else next_delay_s
