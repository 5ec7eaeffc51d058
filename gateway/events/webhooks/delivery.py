"""Delivery: sends the events of the log to one webhook, one after the other, until each has arrived."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from gateway.events.event import Event
from gateway.events.log import EventLog
from gateway.events.webhooks.address import AddressPolicy
from gateway.events.webhooks.attempt import AttemptOutcome, send
from gateway.events.webhooks.table import Webhook
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.timestamps import utc_text

INITIAL_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 300.0
"""The range of delays after a failed attempt."""
MAX_REJECTION_S: Final = 6 * 3600.0
"""How long an event is tried that the till itself rejects, before it is skipped so that the rest can go on."""
PAGE_SIZE: Final = 100
"""How many events are read at once."""
MAX_RESTART_DELAY_S: Final = 10.0
"""How long to wait at most before events are read again that could not be read."""

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class DeliveryStatistics:
    """How a delivery has gone since the gateway started."""

    delivered: int = 0
    """Events that arrived."""
    skipped: int = 0
    """Events that the till rejected."""
    failures: int = 0
    """Failed attempts since the last event that arrived or was skipped."""
    last_error: str | None = None
    """Why the last attempt failed; None if it did not."""
    last_delivered_at: float | None = None
    """When an event arrived last, in Unix seconds."""
    next_attempt_at: float = 0.0
    """When the next attempt is made after a failed one, in monotonic seconds."""


class Delivery:
    """Sends to one webhook what the log holds for it, and goes on as events come."""

    def __init__(
        self,
        webhook: Webhook,
        cursor: int,
        event_log: EventLog,
        http: aiohttp.ClientSession,
        policy: AddressPolicy,
        now: Callable[[], float],
        max_rejection_s: float = MAX_REJECTION_S,
    ) -> None:
        """Send nothing before `start`; `now` returns the time in Unix seconds."""
        self.webhook = webhook
        """The webhook."""
        self.cursor = cursor
        """The number of the last event that arrived or was skipped."""
        self.statistics = DeliveryStatistics()
        """How it has gone."""
        self._event_log = event_log
        self._http = http
        self._policy = policy
        self._now = now
        self._max_rejection_s = max_rejection_s
        self._published = asyncio.Event()
        self._service: Service | None = None
        self._failures = FailureLog(_log, f"the webhook {webhook.name!r} takes no events", level=logging.WARNING)
        self._rejections = FailureLog(
            _log, f"the webhook {webhook.name!r} rejects events, which are skipped", level=logging.WARNING
        )

    def start(self, supervisor: Supervisor) -> None:
        """Send events from now on."""
        self._service = supervisor.start_service(
            f"webhook {self.webhook.id}", self._run, max_delay_s=MAX_RESTART_DELAY_S
        )

    async def stop(self) -> None:
        """Stop; what is not delivered is delivered after the next start."""
        if self._service is not None:
            await self._service.stop()

    async def remove(self, supervisor: Supervisor) -> None:
        """Stop for good."""
        if self._service is not None:
            await supervisor.remove_service(self._service)

    def wake(self) -> None:
        """Read the log again: there are new events."""
        self._published.set()

    async def send_now(self, event_id: str, body: bytes) -> AttemptOutcome:
        """Send a body at once, past the events that wait."""
        return await send(self._http, self.webhook, self._policy, event_id, body, self._now())

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it, without its secret."""
        webhook, statistics = self.webhook, self.statistics
        delay_s = statistics.next_attempt_at - time.monotonic()
        last_delivered_at = statistics.last_delivered_at
        return {
            "webhook_id": webhook.id,
            "name": webhook.name,
            "url": webhook.url,
            "types": [name for name in webhook.types.split(",") if name],
            "camera": webhook.camera or None,
            "created_at": utc_text(webhook.created_at),
            "state": "failing" if statistics.failures else "ok",
            "behind": max(0, self._event_log.last_published - self.cursor),
            "delivered": statistics.delivered,
            "left_out": statistics.skipped,
            "last_delivered_at": None if last_delivered_at is None else utc_text(last_delivered_at),
            "last_error": statistics.last_error,
            "next_try_in_s": round(delay_s, 1) if statistics.failures and delay_s > 0 else None,
        }

    async def _run(self, service: Service) -> None:
        event_filter = self.webhook.filter
        while True:
            self._published.clear()
            page = await self._event_log.read(self.cursor, event_filter, limit=PAGE_SIZE)
            for event in page.events:
                await self._deliver(event, service)
                self.cursor = event.number
            self.cursor = page.upto
            service.heartbeat()
            if self.cursor >= self._event_log.last_published:
                service.pause()
                await self._published.wait()
                service.expect_turn()

    async def _deliver(self, event: Event, service: Service) -> None:
        """Send an event until it has arrived, or the till has rejected it for long enough."""
        body, statistics = event.to_json().encode(), self.statistics
        give_up_at = time.monotonic() + self._max_rejection_s
        back_off = BackOff(INITIAL_DELAY_S, MAX_DELAY_S)
        while True:
            outcome = await self.send_now(event.id, body)
            service.heartbeat()
            if outcome.failure is None:
                statistics.delivered, statistics.failures = statistics.delivered + 1, 0
                statistics.last_error, statistics.last_delivered_at = None, self._now()
                self._failures.recovered()
                self._rejections.recovered()
                return
            statistics.failures, statistics.last_error = statistics.failures + 1, outcome.failure
            self._failures.failed(outcome.failure)
            if outcome.is_final or (outcome.is_rejection and time.monotonic() >= give_up_at):
                statistics.skipped, statistics.failures = statistics.skipped + 1, 0
                self._rejections.failed(f"the event {event.id}: {outcome.failure}")
                return
            delay_s = back_off.next_delay_s()
            statistics.next_attempt_at = time.monotonic() + delay_s
            service.pause()
            await asyncio.sleep(delay_s)
            service.expect_turn()
