"""The relay: sends what the outbox holds to the cloud, as soon and as fast as the cloud lets it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.cloud.client import Cloud
from gateway.errors import (
    CloudRejectedCredentials,
    CloudUnreachable,
    Conflict,
    PeerTimeout,
    Problem,
    RateLimited,
    StateError,
    TooLarge,
    VendorRefused,
)
from gateway.outbox import Batch, Outbox
from gateway.outbox.batching import Fate, Member, State, aggregate, fates, named, policy, refused
from gateway.outbox.relay_events import CloudBack, CloudLost, ItemRefused, Listener, News
from gateway.outbox.retry import FIRST_PAUSE_S, LONGEST_PAUSE_S, Doubts
from gateway.protocol.endpoint import Call
from gateway.protocol.return_codes import CLOUD_ACCOUNT_ERROR_CODES, CLOUD_INTERNAL_ERROR_CODES
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.logs.calls import Origins
from gateway.runtime.token_bucket import TokenBucket

_AT_ONCE: Final = 4
"""How many calls are under way at the same time."""
_CALLS_PER_S: Final = 40.0
_CALLS_IN_A_ROW: Final = 100.0
"""How many calls may come at once after a pause; from then on there are so many in each second."""
_STORE_AGAIN_S: Final = 2.0
_LAST_MOMENT_S: Final = 2.0
_TRIES_IN_TROUBLE: Final = 4
"""How often an item is sent again while the cloud says that it has trouble of its own."""
_ABOUT_ALL: Final = (RateLimited, CloudRejectedCredentials, Conflict)
"""Failures that no item is to blame for."""
_AWAY: Final = (CloudUnreachable, PeerTimeout, *_ABOUT_ALL)

_log = logging.getLogger(__name__)


class Submitted(NamedTuple):
    """A call that was accepted: what it is called in the outbox, its state, and what became of each of its items."""

    outbox_id: str
    state: State
    members: Sequence[Member]


class Relay:
    """Drains the outbox. `away` is why the cloud cannot be reached, from a failed attempt until it answers again."""

    def __init__(self, cloud: Cloud, outbox: Outbox) -> None:
        self.away: str | None = None
        self._cloud = cloud
        self._outbox = outbox
        self._wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None
        self._back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._try_at = 0.0
        self._hold_until = 0.0
        self._pace = TokenBucket(_CALLS_PER_S, _CALLS_IN_A_ROW)
        self._doubts = Doubts()
        self._unsettled = FailureLog(_log, "what became of calls cannot be written down, so it is tried again")
        self._origins = Origins()
        self._listeners: list[Listener] = []
        cloud.on_answer = self._answered
        outbox.on_work = self._wake.set
        outbox.on_refused = self._item_refused

    def subscribe(self, listener: Listener) -> None:
        """Tell the listener of everything that changes from now on."""
        self._listeners.append(listener)

    def _tell(self, news: News) -> None:
        for listener in self._listeners:
            listener(news)

    def start(self) -> None:
        """Begin to send what waits. `submit` does so too."""
        if self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch())

    async def close(self) -> None:
        """Stop sending. Calls under way are given a moment to end: their outcome is worth knowing."""
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dispatcher
        if self._sending:
            await asyncio.wait(self._sending, timeout=_LAST_MOMENT_S)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def submit(self, call: Call, *, token: str, key: str | None, wait_s: float) -> Submitted:
        """Accept a call, and wait for its fate: at most `wait_s` seconds, and not at all while nothing is sent.

        `token` is the name of the caller's token and `key` the idempotency key. Raises `OutboxFull`, and `Conflict` for
        a key that was used for another call or when the cloud's credentials are not set.
        """
        self._cloud.check_credentials()
        self.start()
        accepted = await self._outbox.accept(call, token=token, key=key, watched=wait_s > 0 and not self._stopped)
        self._origins.note(accepted.members)
        try:
            if accepted.watch is None or not await accepted.watch.wait(0 if self._stopped else wait_s):
                return Submitted(accepted.outbox_id, self._outbox.state(accepted.members), ())
            found = accepted.watch.fates
            members = [
                Member(name, found[one]) for name, one in zip(accepted.references, accepted.members, strict=True)
            ]
            return Submitted(accepted.outbox_id, aggregate([member.fate.state for member in members]), members)
        finally:
            self._outbox.forget(accepted)

    @property
    def _stopped(self) -> bool:
        """Whether nothing can be sent now: the cloud is away, or a restored outbox is held back."""
        return self.away is not None or self._outbox.held

    async def _dispatch(self) -> None:
        unread = FailureLog(_log, "the outbox cannot be read, so it is tried again")
        while True:
            self._wake.clear()
            try:
                wait_s = await self._step()
                unread.recovered()
            except StateError as exc:
                unread.failed(exc)
                wait_s = _STORE_AGAIN_S
            if wait_s is None or wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()

    async def _step(self) -> float | None:
        """Send one batch if that may be; return in how many seconds to look again, None for when something happens."""
        expiry_s = self._outbox.next_expiry_in_s()
        if expiry_s == 0:
            await self._outbox.expire()
            return 0
        if self._outbox.held or len(self._sending) >= (1 if self.away else _AT_ONCE):
            return expiry_s
        if (wait_s := self._wait_s()) > 0:
            return _sooner(wait_s, expiry_s)
        batch = await self._outbox.claim(self._company)
        if batch is None and self.away:
            batch = await self._outbox.claim(lambda _: 1)
        if batch is not None and (wait_s := self._wait_s()) > 0:
            self._outbox.release(batch, tried=False)  # the cloud went away while this was looked up
            return _sooner(wait_s, expiry_s)
        if batch is None:
            if not self._sending and not self._outbox.depth:
                self._doubts.clear()
            return _sooner(self._doubts.next_in_s(), expiry_s)
        task = asyncio.create_task(self._carry(batch))
        self._sending.add(task)
        task.add_done_callback(self._carried)
        return 0

    def _wait_s(self) -> float:
        """Return in how many seconds the next call may be made."""
        now = time.monotonic()
        return max(self._hold_until - now, self._pace.delay_s(), self._try_at - now if self.away else 0.0)

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._wake.set()
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("a call for the cloud failed in a way that nobody foresaw", exc_info=failure)

    def _company(self, sequence: int) -> int:
        """Tell in how much company an item may go now: 0 if it has to wait, 1 as long as the cloud may be away."""
        most = self._doubts.company(sequence)
        return min(most, 1) if self.away else most

    async def _carry(self, batch: Batch) -> None:
        """Send a batch; in ever smaller parts, where the cloud refuses it as a whole."""
        parts = [batch]
        try:
            while parts:
                await asyncio.sleep(self._pace.delay_s())
                smaller = await self._send(parts[0])
                parts[:1] = smaller
                if self.away:
                    break
        finally:
            for part in parts:
                self._outbox.release(part, tried=False)

    async def _send(self, batch: Batch) -> Sequence[Batch]:
        """Send a batch and settle what became of its items, or else return the parts that are to be sent instead."""
        self._pace.take()
        self._origins.resume(batch.sequences)
        try:
            answer = await self._cloud.call(batch.call())
        except VendorRefused as exc:
            if exc.vendor_code in policy(batch.endpoint).done_codes:
                await self._settle(batch, [Fate("delivered")])
                return ()
            if (
                exc.vendor_code in CLOUD_INTERNAL_ERROR_CODES
                and min(map(self._outbox.tries, batch.sequences)) < _TRIES_IN_TROUBLE
            ):
                self._failed(batch, exc)
                return ()
            return await self._refused(batch, exc)
        except TooLarge as exc:
            if len(batch.parcels) > 1:
                return batch.halves()
            await self._settle(batch, [Fate("refused", meaning=exc.detail)])
        except _AWAY as exc:
            self._failed(batch, exc)
        else:
            texts = [(parcel.reference, parcel.text) for parcel in batch.parcels]
            await self._settle(batch, fates(batch.endpoint, answer, texts))
        return ()

    async def _refused(self, batch: Batch, refusal: VendorRefused) -> Sequence[Batch]:
        fate = refused(refusal.vendor_code, refusal.vendor_meaning, refusal.vendor_answer)
        lists = named(batch.endpoint, refusal.vendor_answer)
        bad = [parcel for parcel in batch.parcels if parcel.reference in lists]
        if bad and len(bad) < len(batch.parcels):
            await self._settle(batch.of(bad), [fate] * len(bad))
            return [batch.of([parcel for parcel in batch.parcels if parcel.reference not in lists])]
        if len(batch.parcels) > 1 and refusal.vendor_code not in CLOUD_ACCOUNT_ERROR_CODES:
            return batch.halves()
        await self._settle(batch, [fate] * len(batch.parcels))
        return ()

    async def _settle(self, batch: Batch, outcome: Sequence[Fate]) -> None:
        """Write down what became of each parcel, however long the disk refuses; merged items are refused one by one."""
        known: dict[int, Fate] = {}
        apart = []
        for parcel, fate in zip(batch.parcels, outcome, strict=True):
            if fate.state == "refused" and len(parcel.sequences) > 1:
                apart.append(parcel)
                continue
            for sequence in parcel.sequences:
                known[sequence] = fate
        if apart:
            self._doubts.part(batch.of(apart).sequences, self._cloud.clock.now())
            self._outbox.release(batch.of(apart), tried=True)
        while known:
            try:
                await self._outbox.settle(batch, known)
                self._unsettled.recovered()
                break
            except StateError as exc:
                self._unsettled.failed(exc)
                await asyncio.sleep(_STORE_AGAIN_S)
        self._doubts.settled(known)

    def _failed(self, batch: Batch, problem: Problem) -> None:
        """Let a batch wait that brought no clear answer, and with it the rest, since the cloud seems to be away."""
        now = time.monotonic()
        wait_s = getattr(problem, "retry_after_s", None)
        if wait_s is not None:
            self._hold_until = max(self._hold_until, now + wait_s)
        was_there, theirs = self.away is None, isinstance(problem, _ABOUT_ALL)
        poisoned = was_there and not theirs and self._doubts.poisoned(batch)
        blocked = self._doubts.failed(
            batch, blame=was_there and not theirs, pause_s=2 * self._back_off.ceiling_s, since=self._cloud.clock.now()
        )
        self._outbox.release(batch, tried=True)
        if blocked is not None:
            _log.warning(
                "item %s (%s) fails again and again, what is behind it waits: %s",
                blocked.outbox_id,
                blocked.path,
                problem.detail,
            )
            self._tell(blocked)
        if poisoned:  # says nothing of the cloud
            return
        self.away = problem.detail
        self._try_at = now + self._back_off.next_delay_s()
        if was_there:
            level = logging.ERROR if isinstance(problem, CloudRejectedCredentials) else logging.WARNING
            _log.log(level, "the cloud is away, calls for it wait in the outbox: %s", problem.detail)
            self._tell(CloudLost(problem.detail))

    def _answered(self) -> None:
        """Begin at once when the cloud has answered anybody: nothing waits for a timer then."""
        if self.away is None:
            return
        _log.info("the cloud is back")
        self.away = None
        self._back_off.reset()
        self._doubts.answered()
        self._tell(CloudBack())
        self._wake.set()

    def _item_refused(self, sequence: int, path: str, fate: Fate) -> None:
        self._tell(ItemRefused(str(sequence), path, fate.code, fate.meaning))


def _sooner(first: float | None, second: float | None) -> float | None:
    return min((one for one in (first, second) if one is not None), default=None)
