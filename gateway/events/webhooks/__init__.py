"""Push: events for tills that cannot hold a stream, sent to webhooks on the store's network.

Each webhook has a delivery of its own that reads the journal: one slow till never delays another, and what a till
missed while it was off arrives when it is back, as long as the journal keeps it.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, Self

import aiohttp

from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.events.event import EventFilter
from gateway.events.log import EventLog
from gateway.events.webhooks.address import LocalResolver, Reachable
from gateway.events.webhooks.delivery import SECRET_PREFIX, Delivery
from gateway.events.webhooks.table import Webhook, WebhookTable
from gateway.protocol import json_text
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.timestamps import utc_text

__all__ = ["Tested", "Webhooks"]

MOST: Final = 64
_MAX_NAME: Final = 64
_STORE_EVERY_S: Final = 30.0
"""How often it is stored how far the deliveries have got; what a crash takes from that is delivered again."""

_log = logging.getLogger(__name__)


class Tested(NamedTuple):
    """What became of a test: whether it arrived, the HTTP status, the reason, and how long it took, in ms."""

    delivered: bool
    status: int | None
    error: str | None
    duration_ms: int


class Webhooks:
    """All webhooks; made by `open`. Nothing is delivered before `start`."""

    def __init__(
        self, table: WebhookTable, event_log: EventLog, http: aiohttp.ClientSession, reachable: Reachable,
        now: Callable[[], float],
    ) -> None:  # fmt: skip
        self._table = table
        self._event_log = event_log
        self._http = http
        self._reachable = reachable
        self._now = now
        self._deliveries: dict[str, Delivery] = {}
        self._stored: dict[str, int] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._unstored = FailureLog(_log, "how far webhooks have got cannot be stored")

    @classmethod
    async def open(
        cls, table: WebhookTable, event_log: EventLog, *, own: Callable[[], Collection[str]], now: Callable[[], float]
    ) -> Self:
        """Load the webhooks. `own` tells the gateway's own addresses, `now` the best time at hand in Unix seconds."""
        known = await table.load_all()
        reachable = Reachable(own)
        connector = aiohttp.TCPConnector(resolver=LocalResolver(reachable), limit=0, use_dns_cache=False)
        http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        push = cls(table, event_log, http, reachable, now)
        for webhook, cursor in known:
            push._take(webhook, cursor)
        return push

    def start(self, ports: Collection[int]) -> None:
        """Begin to deliver. `ports` are those on which the gateway serves."""
        self._reachable.ports = frozenset(ports)
        for delivery in self._deliveries.values():
            delivery.start()
        self._event_log.subscribe(lambda _: self._wake())
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop, and store how far everything has got."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for delivery in self._deliveries.values():
            await delivery.close()
        with contextlib.suppress(StateError):
            await self._store()
        await self._http.close()

    def all(self) -> list[dict[str, Any]]:
        """Describe every webhook, the oldest first."""
        return [delivery.describe() for delivery in self._deliveries.values()]

    def get(self, webhook_id: str) -> dict[str, Any]:
        """Describe one. Raises `NotFound`."""
        return self._delivery(webhook_id).describe()

    async def add(self, url: str, *, name: str, types: str, camera: str) -> dict[str, Any]:
        """Push what happens from now on to an address; return the webhook with its secret, shown this once.

        Raises `InvalidRequest` naming what is wrong, and `Conflict` when there are too many.
        """
        self._reachable.check_url(url)
        EventFilter.parse(types, camera)
        if len(name) > _MAX_NAME or not name.isprintable():
            raise InvalidRequest([FieldError("name", f"must be at most {_MAX_NAME} printable characters")])
        if len(self._deliveries) >= MOST:
            raise Conflict(f"there are {MOST} webhooks already: remove one first")
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
        webhook = Webhook(secrets.token_hex(4), name or url[:_MAX_NAME], url, secret, types, camera, int(self._now()))
        await self._table.add(webhook, self._event_log.last_published)
        delivery = self._take(webhook, self._event_log.last_published)
        if self._keeper is not None:
            delivery.start()
        return self.get(webhook.id) | {"secret": secret}

    async def remove(self, webhook_id: str) -> None:
        """Push no more to a webhook and forget it. Raises `NotFound`."""
        delivery = self._delivery(webhook_id)
        await self._table.delete(webhook_id)
        del self._deliveries[webhook_id]
        await delivery.close()

    async def test(self, webhook_id: str) -> Tested:
        """Push a test event at once, which is not in the journal, and tell what became of it. Raises `NotFound`."""
        delivery = self._delivery(webhook_id)
        event_id = f"test-{secrets.token_hex(4)}"
        document = {
            "id": event_id, "time": utc_text(self._now()), "type": "webhook.test", "source": "gateway", "camera": None,
            "data": {"webhook_id": webhook_id},
        }  # fmt: skip
        began = time.monotonic()
        outcome = await delivery.test(event_id, json_text.dumps(document).encode())
        took_ms = round(1000 * (time.monotonic() - began))
        return Tested(outcome.failure is None, outcome.status, outcome.failure, took_ms)

    def _delivery(self, webhook_id: str) -> Delivery:
        if webhook_id not in self._deliveries:
            raise NotFound(f"there is no webhook {webhook_id!r}: see the list of webhooks")
        return self._deliveries[webhook_id]

    def _take(self, webhook: Webhook, cursor: int) -> Delivery:
        delivery = self._deliveries[webhook.id] = Delivery(
            webhook, cursor, self._event_log, self._http, self._reachable, self._now
        )
        self._stored[webhook.id] = cursor
        return delivery

    def _wake(self) -> None:
        for delivery in self._deliveries.values():
            delivery.wake()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_STORE_EVERY_S)
            try:
                await self._store()
            except StateError as exc:
                self._unstored.failed(exc)
            else:
                self._unstored.recovered()

    async def _store(self) -> None:
        got = {one: delivery.cursor for one, delivery in self._deliveries.items()}
        news = {one: number for one, number in got.items() if self._stored.get(one) != number}
        if news:
            await self._table.save_delivered(news)
            self._stored |= news
