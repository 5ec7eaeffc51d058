"""The worker of the outbox: sends what waits to the cloud, as soon and as fast as the cloud lets it."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from firmware_tools.language import fill
from gateway.cloud.client import CloudClient, CloudConnectionLost, CloudNotConnected
from gateway.errors import (
    CloudRefusedAccount,
    CloudRejectedCredentials,
    CloudResponseMalformed,
    CloudUnreachable,
    Conflict,
    PeerTimeout,
    Problem,
    RateLimited,
    StateError,
    TooLarge,
    VendorRefused,
)
from gateway.outbox import reasons
from gateway.outbox.batching import combine, get_relay_policy, make_refusal, names_shop, read_outcomes
from gateway.outbox.events import CloudBack, CloudLost, ItemRefused, OutboxEvent, Subscriber
from gateway.outbox.label_names import names_labels
from gateway.outbox.model import Batch, Outcome
from gateway.outbox.named_items import find_named_items
from gateway.outbox.outbox import Outbox
from gateway.outbox.retry import INITIAL_DELAY_S, MAX_DELAY_S, RetryTracker
from gateway.protocol.endpoint import Call
from gateway.protocol.envelope import VendorResponse
from gateway.protocol.return_codes import CLOUD_INTERNAL_ERROR_CODES
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.token_bucket import TokenBucket

_MAX_CONCURRENCY: Final = 4
"""How many calls are under way at the same time."""
_CALLS_PER_S: Final = 40.0
"""How many calls are made in a second at most, after a burst."""
_BURST_CALLS: Final = 100.0
"""How many calls may be made at once after a pause."""
_MAX_WAIT_S: Final = 60.0
"""How long the worker waits for work before it reports that it is alive."""
_STORE_RETRY_INTERVAL_S: Final = 2.0
"""How often it is tried again to store outcomes that could not be stored."""
_MAX_RESTART_DELAY_S: Final = 30.0
"""The longest pause before a worker that failed is restarted."""
_CLOSE_TIMEOUT_S: Final = 2.0
"""How long `close` waits for the calls under way."""
_MAX_CLOUD_ERROR_ATTEMPTS: Final = 4
"""How often an item is sent again while the cloud reports a failure of its own."""
_MAX_UNFORESEEN_FAILURES: Final = 3
"""After how many failures that no code foresees an item is refused."""
_MAX_UNCLEAR_FAILURES: Final = 20
"""After how many responses that cannot be read an item, sent alone, is refused."""
_MAX_UNCLEAR_DELAY_S: Final = 600.0
"""How long an item waits at most that may have arrived each time."""
_ACCOUNT_FAILURES: Final = (CloudRejectedCredentials, CloudRefusedAccount, Conflict)
"""Failures that last until a person corrects the account settings."""
_NOT_CAUSED_BY_ITEMS: Final = (CloudNotConnected, RateLimited, CloudRejectedCredentials, Conflict)
"""Failures that no item has caused: they concern all calls, so the batch is put together anew."""
_UNCLEAR: Final = (CloudUnreachable, PeerTimeout, *_NOT_CAUSED_BY_ITEMS)
"""Failures after which a call is made again."""

_log = logging.getLogger(__name__)


class OutboxWorker:
    """Sends what the outbox holds."""

    def __init__(self, cloud: CloudClient, outbox: Outbox, supervisor: Supervisor) -> None:
        """Take the cloud, the outbox, and the supervisor under which it runs."""
        self._cloud = cloud
        self._outbox = outbox
        self._supervisor = supervisor
        self._service: Service | None = None
        self._work = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._back_off = BackOff(INITIAL_DELAY_S, MAX_DELAY_S)
        self._retry_at = 0.0
        self._unclear_back_off = BackOff(INITIAL_DELAY_S, MAX_DELAY_S)
        self._unclear_until = 0.0
        self._rate_limited_until = 0.0
        self._bucket = TokenBucket(_CALLS_PER_S, _BURST_CALLS)
        self._retries = RetryTracker()
        self._store_failures = FailureLog(_log, "the outcomes of calls cannot be stored, so it is tried again")
        self._subscribers: list[Subscriber] = []
        cloud.on_response = self._cloud_answered
        outbox.on_work = self._work.set
        outbox.on_refused = self._publish_refused

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call a subscriber with every event from now on."""
        self._subscribers.append(subscriber)

    def start(self) -> None:
        """Begin to send what waits. A second call does nothing."""
        if self._service is None:
            self._service = self._supervisor.start_service(
                "outbox worker", self._run, max_delay_s=_MAX_RESTART_DELAY_S, vital=True
            )

    @property
    def sending(self) -> bool:
        """Whether calls to the cloud are under way."""
        return bool(self._sending)

    async def close(self) -> None:
        """Stop sending. Calls under way get a moment to end: their outcome is worth knowing."""
        if self._service is not None:
            await self._service.stop()
        if self._sending:
            await asyncio.wait(self._sending, timeout=_CLOSE_TIMEOUT_S)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _run(self, service: Service) -> None:
        while True:
            self._work.clear()
            wait_s = await self._take_step()
            service.heartbeat()
            if wait_s != 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(_MAX_WAIT_S, wait_s or _MAX_WAIT_S)):
                        await self._work.wait()

    async def _take_step(self) -> float | None:
        """Begin to send one batch, if that is possible now.

        Return in how many seconds to look again: 0 for at once, None for when there is work.
        """
        expiry_s = self._outbox.next_expiry_in_s()
        if expiry_s == 0:
            await self._outbox.expire()
            return 0
        away = self._outbox.unreachable is not None
        if self._outbox.held or len(self._sending) >= (1 if self._probes else _MAX_CONCURRENCY):
            return expiry_s
        if (delay_s := self._next_call_in_s()) > 0:
            return _earlier(delay_s, expiry_s)
        batch = await self._outbox.claim(self._retries.limit, single=self._probes)
        if batch is None and away:
            batch = await self._outbox.claim(self._retries.max_size, single=True)
        if batch is None:
            if not self._sending and not self._outbox.depth:
                self._retries.clear()
            return _earlier(self._retries.next_retry_in_s(), expiry_s)
        if (delay_s := self._next_call_in_s()) > 0:
            self._outbox.release(batch, attempted=False)  # the cloud went away while the batch was selected
            return _earlier(delay_s, expiry_s)
        self._start_sending(batch)
        return 0

    @property
    def _probes(self) -> bool:
        """Whether one entry at a time is sent, to find out whether the cloud can be called."""
        return self._outbox.unreachable is not None or self._outbox.unclear is not None

    def _next_call_in_s(self) -> float:
        now = time.monotonic()
        retry_s = self._retry_at - now if self._outbox.unreachable is not None else 0.0
        return max(self._rate_limited_until - now, self._unclear_until - now, self._bucket.delay_s(), retry_s)

    def _start_sending(self, batch: Batch) -> None:
        task = self._supervisor.start_job("outbox batch", self._send_all(batch))
        self._sending.add(task)
        task.add_done_callback(self._finish_sending)

    def _finish_sending(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._work.set()

    async def _send_all(self, batch: Batch) -> None:
        """Send a batch; in ever smaller parts where the cloud refuses it as a whole."""
        parts = [batch]
        try:
            while parts:
                await asyncio.sleep(self._bucket.delay_s())
                smaller = await self._send_part(parts[0])
                parts[:1] = smaller
                if self._probes:
                    break
        finally:
            for part in parts:
                self._outbox.release(part, attempted=False)

    async def _send_part(self, batch: Batch) -> Sequence[Batch]:
        """Send a batch and settle its items, or return the parts that are to be sent instead.

        An item whose sending fails in a way that nobody foresaw is refused in the end, so that it stops nothing.
        """
        try:
            return await self._send(batch)
        except Exception as exc:
            reason = f"{type(exc).__name__}: {exc}"
            if len(batch.entries) == 1 and self._retries.failures(batch) + 1 >= _MAX_UNFORESEEN_FAILURES:
                _log.exception("item %s (%s) cannot be sent", batch.sequences[0], batch.endpoint.path)
                await self._settle(batch, [Outcome("refused", meaning=fill(reasons.FAILED, reason=reason))])
                return ()
            _log.error("a batch of %s calls of %s failed: %s", len(batch.entries), batch.endpoint.path, reason)
            self._retry_later(batch, reason, blame=True)
            return ()

    async def _send(self, batch: Batch) -> Sequence[Batch]:
        self._bucket.take()
        self._outbox.origins.resume(batch.sequences)
        try:
            call = combine(batch, self._outbox.accounts.current.shop)
            response = await self._cloud.call(call)
        except CloudRefusedAccount as exc:
            if names_shop(batch) and self._retries.is_poison(batch):  # others were accepted, so it is the shop it names
                outcome = make_refusal(exc.vendor_code, exc.vendor_meaning, exc.vendor_answer)
                await self._settle(batch, [outcome] * len(batch.entries))
            else:
                self._handle_failure(batch, exc)
        except CloudResponseMalformed as exc:
            await self._handle_unclear(batch, exc)
        except _UNCLEAR as exc:
            self._handle_failure(batch, exc)
        except VendorRefused as exc:
            return await self._handle_refusal(batch, exc)
        except TooLarge as exc:
            if len(batch.entries) > 1:
                return batch.halves()
            await self._settle(batch, [Outcome("refused", meaning=exc.detail)])
        else:
            outcomes = read_outcomes(batch, response)
            if (unknown := outcomes.count(None)) > 0:
                _log.warning(
                    "the cloud's response to %s names something else than the %s items sent: %s of them are sent alone",
                    batch.endpoint.path,
                    len(outcomes),
                    unknown,
                )
            await self._settle(batch, outcomes)
        return ()

    async def _handle_refusal(self, batch: Batch, refusal: VendorRefused) -> Sequence[Batch]:
        """Settle what a return code refuses, or return the parts that are to be sent apart."""
        if refusal.vendor_code in get_relay_policy(batch.endpoint).done_codes:
            await self._settle(batch, [Outcome("delivered")])
            return ()
        attempts = min(self._outbox.attempts.get(sequence, 0) for sequence in batch.sequences)
        if refusal.vendor_code in CLOUD_INTERNAL_ERROR_CODES and attempts < _MAX_CLOUD_ERROR_ATTEMPTS:
            self._handle_failure(batch, refusal)
            return ()
        outcome = make_refusal(refusal.vendor_code, refusal.vendor_meaning, refusal.vendor_answer)
        references = [entry.reference for entry in batch.entries]
        named = find_named_items(get_relay_policy(batch.endpoint), references, refusal.vendor_answer).lists
        bad = [entry for entry in batch.entries if entry.reference in named]
        if bad and len(bad) < len(batch.entries):
            await self._settle(batch.subset(bad), [outcome] * len(bad))
            return [batch.subset([entry for entry in batch.entries if entry.reference not in named])]
        if len(batch.entries) > 1:
            return batch.halves()
        await self._settle(batch, [outcome] * len(batch.entries))
        return ()

    async def _settle(self, batch: Batch, outcomes: Sequence[Outcome | None]) -> None:
        """Store the outcome of each entry, however long the disk refuses.

        What has none is sent alone to find out, and so are merged items that were refused: one of them may be good.
        """
        settled: dict[int, Outcome] = {}
        apart = []
        for entry, outcome in zip(batch.entries, outcomes, strict=True):
            if outcome is None or (outcome.state == "refused" and len(entry.sequences) > 1):
                apart.append(entry)
            else:
                settled.update(dict.fromkeys(entry.sequences, outcome))
        if apart:
            self._retries.isolate(batch.subset(apart).sequences, self._cloud.clock.now())
            self._outbox.release(batch.subset(apart), attempted=True)
        while settled:
            try:
                await self._outbox.settle(batch, settled)
                break
            except StateError as exc:
                self._store_failures.failed(exc)
                await asyncio.sleep(_STORE_RETRY_INTERVAL_S)
        self._store_failures.recovered()
        self._retries.forget(settled)

    async def _handle_unclear(self, batch: Batch, problem: Problem) -> None:
        """Let a batch wait whose response cannot be read. It may have arrived, so it is repeated ever more seldom."""
        if self._outbox.unclear is None:
            _log.error("what became of calls for the cloud is not known, so they are repeated: %s", problem.detail)
        self._outbox.unclear = problem.detail
        self._end_absence()
        self._unclear_until = time.monotonic() + self._unclear_back_off.next_delay_s()
        if len(batch.entries) == 1 and self._retries.failures(batch) + 1 >= _MAX_UNCLEAR_FAILURES:
            meaning = fill(reasons.UNCLEAR, reason=problem.detail)
            await self._settle(batch, [Outcome("refused", meaning=meaning)])
        else:
            self._retry_later(batch, problem.detail, blame=True, max_delay_s=_MAX_UNCLEAR_DELAY_S)

    def _handle_failure(self, batch: Batch, problem: Problem) -> None:
        """Let a batch wait that brought no clear outcome, and with it the rest, since the cloud seems to be away."""
        retry_after_s = getattr(problem, "retry_after_s", None)
        if retry_after_s is not None:
            self._rate_limited_until = max(self._rate_limited_until, time.monotonic() + retry_after_s)
        was_reachable = self._outbox.unreachable is None
        if isinstance(problem, _NOT_CAUSED_BY_ITEMS):
            self._retries.postpone(batch, delay_s=2 * self._back_off.ceiling_s, now=self._cloud.clock.now())
            self._outbox.release(batch, attempted=True)
        else:
            is_poison = was_reachable and self._retries.is_poison(batch)
            self._retry_later(batch, problem.detail, blame=was_reachable)
            if is_poison:  # says nothing of the cloud
                return
        self._outbox.unreachable = problem.detail
        self._retry_at = time.monotonic() + self._back_off.next_delay_s()
        if not (was_reachable and isinstance(problem, CloudConnectionLost)):  # one lost response is soon made good
            self._outbox.end_waits()
        if was_reachable:
            if isinstance(problem, _ACCOUNT_FAILURES):
                _log.error(
                    "calls for the cloud wait in the outbox until the account settings are corrected: %s",
                    problem.detail,
                )
            else:
                _log.warning("the cloud is away, calls for it wait in the outbox: %s", problem.detail)
            self._publish(CloudLost(problem.detail))

    def _retry_later(self, batch: Batch, reason: str, *, blame: bool, max_delay_s: float = MAX_DELAY_S) -> None:
        blocked = self._retries.record_failure(
            batch,
            blame=blame,
            delay_s=2 * self._back_off.ceiling_s,
            now=self._cloud.clock.now(),
            max_delay_s=max_delay_s,
        )
        self._outbox.release(batch, attempted=True)
        if blocked is not None:
            _log.warning(
                "item %s (%s) fails again and again, what is behind it waits: %s",
                blocked.outbox_id,
                blocked.path,
                reason,
            )
            self._publish(blocked)

    def _cloud_answered(self, call: Call, response: VendorResponse) -> None:
        """Send at once when the cloud has answered anybody."""
        if response.code == 0 and names_labels(call.endpoint):
            self._outbox.label_names.learn(call.fields, response.document)
        if response.code == 0 and (proof := self._outbox.accounts.find_proof(call)) is not None:
            self._supervisor.start_job("account proof", self._outbox.accounts.store_proof(proof))
        if self._outbox.unclear is not None:
            _log.info("the cloud's responses can be read again")
            self._outbox.unclear = None
            self._unclear_until = 0.0
            self._unclear_back_off.reset()
            self._work.set()
        self._end_absence()

    def _end_absence(self) -> None:
        """Take note that the cloud is there, if it was away."""
        if self._outbox.unreachable is None:
            return
        _log.info("the cloud is back")
        self._outbox.unreachable = None
        self._back_off.reset()
        self._retries.cloud_answered()
        self._publish(CloudBack())
        self._work.set()

    def _publish_refused(self, sequence: int, path: str, outcome: Outcome) -> None:
        self._publish(ItemRefused(str(sequence), path, outcome.code, outcome.meaning))

    def _publish(self, event: OutboxEvent) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:
                _log.exception("a subscriber failed at %s", event)


def _earlier(first: float | None, second: float | None) -> float | None:
    return min((one for one in (first, second) if one is not None), default=None)
