"""Delivery: the events of one webhook, one after the other, until each has arrived."""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import aiohttp

from gateway.errors import InvalidRequest, StateError
from gateway.events.event import Event
from gateway.events.log import EventLog
from gateway.events.webhooks.address import Reachable
from gateway.events.webhooks.table import Webhook
from gateway.runtime.back_off import BackOff
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  as the Standard Webhooks specification writes secrets

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10, connect=5)
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_TRIES_WHEN_REFUSED: Final = 5
"""How often an event is pushed that the till itself refuses; then it is left out, so that the rest can go on."""
_PAGE: Final = 100
_STORE_AGAIN_S: Final = 10.0

_log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What became of one attempt: the HTTP status, or None, and why it failed, or None."""

    status: int | None
    failure: str | None

    @property
    def refused(self) -> bool:
        """Whether the till was there and did not want it: trying again will hardly help."""
        return self.status is not None and 300 <= self.status < 500 and self.status not in (408, 429)


def signature(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` (Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = hmac.new(key, b"%b.%d.%b" % (event_id.encode(), timestamp, body), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


async def attempt(
    http: aiohttp.ClientSession, webhook: Webhook, reachable: Reachable, event_id: str, body: bytes, now: float
) -> Outcome:
    """Push one body and tell what became of it; `now` are Unix seconds."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sunmi-gateway",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": signature(webhook.secret, event_id, int(now), body),
    }
    try:
        reachable.check_url(webhook.url)  # what is this gateway's own may have changed
        async with http.post(
            webhook.url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False
        ) as response:
            status = response.status
    except TimeoutError:
        return Outcome(None, "it did not answer in time")
    except (aiohttp.ClientError, OSError) as exc:
        return Outcome(None, f"it cannot be reached: {exc}"[:300])
    except InvalidRequest as exc:
        return Outcome(None, exc.detail)
    return Outcome(status, None if 200 <= status < 300 else f"it answered with HTTP status {status}")


@dataclass(slots=True)
class Progress:
    """How a delivery goes, since the gateway started; times on the monotonic clock."""

    delivered: int = 0
    left_out: int = 0
    failures: int = 0
    last_error: str | None = None
    last_delivered_at: float | None = None
    next_try: float = 0.0


class Delivery:
    """Pushes to one webhook whatever the journal holds for it after `cursor`, and goes on as events come."""

    def __init__(
        self,
        webhook: Webhook,
        cursor: int,
        event_log: EventLog,
        http: aiohttp.ClientSession,
        reachable: Reachable,
        now: Callable[[], float],
    ) -> None:
        self.webhook = webhook
        self.cursor = cursor
        """The number of the last event that was dealt with."""
        self.progress = Progress()
        self._event_log = event_log
        self._http = http
        self._reachable = reachable
        self._now = now
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unread = FailureLog(_log, f"events for the webhook {webhook.name!r} cannot be read")

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what is not delivered is delivered in the next life."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Look for events now: there are new ones."""
        self._news.set()

    async def test(self, event_id: str, body: bytes) -> Outcome:
        """Push one body at once, past what waits."""
        return await attempt(self._http, self.webhook, self._reachable, event_id, body, self._now())

    def describe(self) -> dict[str, Any]:
        """Return it as the local REST interface shows it, without its secret."""
        webhook, progress = self.webhook, self.progress
        wait_s = progress.next_try - time.monotonic()
        return {
            "webhook_id": webhook.id,
            "name": webhook.name,
            "url": webhook.url,
            "types": [name for name in webhook.types.split(",") if name],
            "camera": webhook.camera or None,
            "created_at": utc_text(webhook.created_at),
            "state": "failing" if progress.failures else "ok",
            "behind": max(0, self._event_log.last_published - self.cursor),
            "delivered": progress.delivered,
            "left_out": progress.left_out,
            "last_delivered_at": None if progress.last_delivered_at is None else utc_text(progress.last_delivered_at),
            "last_error": progress.last_error,
            "next_try_in_s": round(wait_s, 1) if progress.failures and wait_s > 0 else None,
        }

    async def _run(self) -> None:
        event_filter = self.webhook.filter
        while True:
            self._news.clear()
            try:
                page = await self._event_log.read(self.cursor, event_filter, limit=_PAGE)
            except StateError as exc:
                self._unread.failed(exc)
                await asyncio.sleep(_STORE_AGAIN_S)
                continue
            self._unread.recovered()
            for event in page.events:
                await self._deliver(event)
                self.cursor = event.number
            self.cursor = page.upto
            if self.cursor >= self._event_log.last_published:
                await self._news.wait()

    async def _deliver(self, event: Event) -> None:
        body, progress = event.to_json().encode(), self.progress
        pauses = BackOff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            outcome = await attempt(self._http, self.webhook, self._reachable, event.id, body, self._now())
            if outcome.failure is None:
                if progress.failures:
                    _log.info("the webhook %r takes events again", self.webhook.name)
                progress.delivered, progress.failures = progress.delivered + 1, 0
                progress.last_error, progress.last_delivered_at = None, self._now()
                return
            progress.failures, progress.last_error = progress.failures + 1, outcome.failure
            if progress.failures == 1:
                _log.warning("the webhook %r fails and is tried again: %s", self.webhook.name, outcome.failure)
            if outcome.refused and progress.failures >= _TRIES_WHEN_REFUSED:
                _log.warning("the webhook %r refuses the event %s, which is left out", self.webhook.name, event.id)
                progress.left_out, progress.failures = progress.left_out + 1, 0
                return
            pause_s = pauses.next_delay_s()
            progress.next_try = time.monotonic() + pause_s
            await asyncio.sleep(pause_s)
