"""Webhooks: send events to tills that cannot hold a stream.

Each webhook has a delivery of its own that reads the event log. A slow till never delays another, and what a till
missed while it was off arrives when it is back, as long as the log holds it.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, Self

import aiohttp

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.events.event import EventFilter
from gateway.events.log import EventLog
from gateway.events.types import WebhookTest
from gateway.events.webhooks.address import AddressPolicy, LocalResolver
from gateway.events.webhooks.attempt import create_secret, sign_body
from gateway.events.webhooks.delivery import Delivery
from gateway.events.webhooks.table import Webhook, WebhookTable
from gateway.protocol import json_text
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.timestamps import utc_text

__all__ = ["WebhookTestOutcome", "Webhooks"]

MAX_WEBHOOKS: Final = 64
MAX_NAME_LENGTH: Final = 64
SAVE_INTERVAL_S: Final = 30.0
"""How often it is stored how far the deliveries are. After a crash, the events of that time are delivered again."""

_log: Final = logging.getLogger(__name__)


class WebhookTestOutcome(NamedTuple):
    """The outcome of a test event."""

    delivered: bool
    """Whether it arrived."""
    status: int | None
    """The HTTP status; None if there was no response."""
    error: str | None
    """Why it did not arrive."""
    duration_ms: int
    """How long it took, in milliseconds."""


class Webhooks:
    """All webhooks; made by `open`. Nothing is delivered before `start`."""

    def __init__(
        self,
        table: WebhookTable,
        event_log: EventLog,
        supervisor: Supervisor,
        policy: AddressPolicy,
        now: Callable[[], float],
    ) -> None:
        """Start without webhooks; `now` returns the time in Unix seconds."""
        connector = aiohttp.TCPConnector(resolver=LocalResolver(policy, MAX_WEBHOOKS), limit=0, use_dns_cache=False)
        self._http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        self._table = table
        self._event_log = event_log
        self._supervisor = supervisor
        self._policy = policy
        self._now = now
        self._deliveries: dict[str, Delivery] = {}
        self._saved: dict[str, int] = {}
        """The stored cursors."""
        self._damaged: set[str] = set()
        """Stored webhooks that cannot be used."""
        self._service: Service | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    @classmethod
    async def open(
        cls,
        table: WebhookTable,
        event_log: EventLog,
        supervisor: Supervisor,
        *,
        own_addresses: Callable[[], Collection[str]],
        now: Callable[[], float],
    ) -> Self:
        """Load the webhooks. `now` returns the best known time in Unix seconds."""
        stored = await table.load_all()
        webhooks = cls(table, event_log, supervisor, AddressPolicy(own_addresses), now)
        for webhook, cursor in stored:
            webhooks._load(webhook, cursor)
        return webhooks

    def start(self, ports: Collection[int]) -> None:
        """Deliver from now on. `ports` are those that the gateway serves."""
        self._policy.ports = frozenset(ports)
        for delivery in self._deliveries.values():
            delivery.start(self._supervisor)
        self._unsubscribe = self._event_log.subscribe(lambda _: self._wake())
        self._service = self._supervisor.start_periodic(
            "webhook cursors", self._save_cursors, interval_s=SAVE_INTERVAL_S
        )

    async def close(self) -> None:
        """Stop, and store how far the deliveries are."""
        self._unsubscribe()
        if self._service is not None:
            await self._service.stop()
        for delivery in self._deliveries.values():
            await delivery.stop()
        with contextlib.suppress(StateError):
            await self._save_cursors()
        await self._http.close()

    @property
    def damaged(self) -> frozenset[str]:
        """The ids of stored webhooks that cannot be used."""
        return frozenset(self._damaged)

    def describe_all(self) -> list[dict[str, Any]]:
        """Return all webhooks as REST shows them, the oldest first."""
        return [delivery.describe() for delivery in self._deliveries.values()]

    def describe(self, webhook_id: str) -> dict[str, Any]:
        """Return a webhook as REST shows it. Raises `NotFound`."""
        return self._get(webhook_id).describe()

    async def add(self, url: str, *, name: str, types: str, camera: str) -> dict[str, Any]:
        """Send the events from now on to a URL; return the webhook with its secret, which is shown this once.

        Raises `InvalidRequest` and, if there are too many, `Conflict`.
        """
        self._policy.check_url(url)
        EventFilter.parse(types, camera)
        if len(name) > MAX_NAME_LENGTH or not name.isprintable():
            raise InvalidRequest(
                [
                    FieldError(
                        "name",
                        message(
                            "must be at most {max_name_length} printable characters", max_name_length=MAX_NAME_LENGTH
                        ),
                    )
                ]
            )
        if len(self._deliveries) >= MAX_WEBHOOKS:
            raise Conflict(
                message("there are {max_webhooks} webhooks already: remove one first", max_webhooks=MAX_WEBHOOKS)
            )
        cursor = self._event_log.last_published
        webhook = Webhook(
            id=secrets.token_hex(4),
            name=name or url[:MAX_NAME_LENGTH],
            url=url,
            secret=create_secret(),
            types=types,
            camera=camera,
            created_at=int(self._now()),
        )
        await self._table.add(webhook, cursor)
        delivery = self._add_delivery(webhook, cursor)
        if self._service is not None:
            delivery.start(self._supervisor)
        return delivery.describe() | {"secret": webhook.secret}

    async def remove(self, webhook_id: str) -> None:
        """Forget a webhook, and send nothing to it any more. Raises `NotFound`."""
        delivery = None if webhook_id in self._damaged else self._get(webhook_id)
        await self._table.delete(webhook_id)
        self._damaged.discard(webhook_id)
        self._deliveries.pop(webhook_id, None)
        if delivery is not None:
            await delivery.remove(self._supervisor)

    async def test(self, webhook_id: str) -> WebhookTestOutcome:
        """Send a test event at once, which is not stored. Raises `NotFound`."""
        delivery = self._get(webhook_id)
        event = WebhookTest(webhook_id=webhook_id)
        event_id = f"test-{secrets.token_hex(4)}"
        document = {
            "id": event_id,
            "time": utc_text(self._now()),
            "type": event.type,
            "source": "gateway",
            "camera": None,
            "data": event.data,
        }
        began = time.monotonic()
        outcome = await delivery.send_now(event_id, json_text.dumps(document).encode())
        duration_ms = round(1000 * (time.monotonic() - began))
        return WebhookTestOutcome(outcome.failure is None, outcome.status, outcome.failure, duration_ms)

    def _get(self, webhook_id: str) -> Delivery:
        if webhook_id not in self._deliveries:
            raise NotFound(
                message("there is no webhook {webhook_id!r}: see the list of webhooks", webhook_id=webhook_id)
            )
        return self._deliveries[webhook_id]

    def _load(self, webhook: Webhook, cursor: int) -> None:
        """Take a stored webhook. One that is damaged is reported, and gets nothing."""
        try:
            _ = webhook.filter
            sign_body(webhook.secret, "", 0, b"")
            if "\N{REPLACEMENT CHARACTER}" in webhook.id + webhook.url:
                raise ValueError("its row holds something else than text")
        except (InvalidRequest, ValueError) as exc:
            self._damaged.add(webhook.id)
            _log.error(
                "the webhook %s is damaged, so it gets nothing; remove it, and add it again: %s", webhook.id, exc
            )
            return
        # After a repair of the database, a cursor can be greater than the number of every event.
        self._add_delivery(webhook, min(cursor, self._event_log.last_published))

    def _add_delivery(self, webhook: Webhook, cursor: int) -> Delivery:
        delivery = Delivery(webhook, cursor, self._event_log, self._http, self._policy, self._now)
        self._deliveries[webhook.id] = delivery
        self._saved[webhook.id] = cursor
        return delivery

    def _wake(self) -> None:
        for delivery in self._deliveries.values():
            delivery.wake()

    async def _save_cursors(self) -> None:
        cursors = {webhook_id: delivery.cursor for webhook_id, delivery in self._deliveries.items()}
        changed = {webhook_id: cursor for webhook_id, cursor in cursors.items() if self._saved[webhook_id] != cursor}
        if changed:
            await self._table.save_cursors(changed)
            self._saved |= changed
