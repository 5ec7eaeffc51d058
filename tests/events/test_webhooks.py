"""Webhooks on a real database: what is damaged, fails or is slow stops and delays no other."""

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from pytest_aiohttp import AiohttpServer

from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.events.webhooks import Webhooks
from gateway.events.webhooks.address import AddressPolicy, LocalResolver
from gateway.events.webhooks.attempt import create_secret
from gateway.events.webhooks.delivery import Delivery
from gateway.events.webhooks.table import Webhook, WebhookTable
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime
from tests.api.test_webhooks import Till

Until = Callable[[Callable[[], object]], Awaitable[None]]


class Store(NamedTuple):
    """An event log, and the webhooks that read it."""

    database: Database
    events: EventLog
    supervisor: Supervisor
    webhooks: Webhooks

    async def happen(self, *types: str) -> None:
        for name in types:
            await self.events.append(NewEvent(name, "gateway", {}))

    async def restart(self) -> "Store":
        """Close the webhooks, and open them again."""
        await self.webhooks.close()
        return self._replace(webhooks=await open_webhooks(self.database, self.events, self.supervisor))

    async def change(self, sql: str, *parameters: object) -> None:
        await self.database.execute(sql, parameters)

    def services(self) -> set[str]:
        return {report.name for report in self.supervisor.reports()}


async def open_webhooks(database: Database, events: EventLog, supervisor: Supervisor) -> Webhooks:
    webhooks = await Webhooks.open(
        WebhookTable(database), events, supervisor, own_addresses=lambda: {"127.0.0.1"}, now=lambda: 1_800_000_000.0
    )
    webhooks.start([8080])
    return webhooks


async def add(webhooks: Webhooks, url: str, *, types: str = "") -> dict[str, Any]:
    return await webhooks.add(url, name="", types=types, camera="")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    database = await Database.open(tmp_path / "gateway.db")
    supervisor = Supervisor(initial_delay_s=0.01)
    events = await EventLog.open(database, Uptime(0.0), supervisor)
    made = Store(database, events, supervisor, await open_webhooks(database, events, supervisor))
    yield made
    await supervisor.close()
    await made.webhooks.close()
    await events.close()
    await database.close()


@pytest.fixture
async def till(aiohttp_server: AiohttpServer) -> Till:
    one = Till(aiohttp_server)
    await one.start()
    return one


async def test_a_damaged_event_is_skipped(store: Store, till: Till, caplog: pytest.LogCaptureFixture) -> None:
    till.status = 503
    await add(store.webhooks, till.url)
    await store.happen("a", "b", "c")
    await till.got(1)
    await store.webhooks.close()
    await store.change("UPDATE event SET data = '{' WHERE type = 'b'")
    till.status = 204
    again = await store.restart()
    assert [one["type"] for one in (await till.got(3))[1:]] == ["a", "c"]
    await again.webhooks.close()
    reports = [one for one in caplog.records if "is damaged" in one.getMessage()]
    assert len(reports) == 1


@pytest.mark.parametrize("damage", ["secret = 'whsec_?'", "types = 'no type!'"])
async def test_a_damaged_webhook_is_reported_and_can_be_removed(
    store: Store, till: Till, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    bad = await add(store.webhooks, till.url)
    await add(store.webhooks, till.url)
    await store.change(f"UPDATE webhook SET {damage} WHERE id = ?", bad["webhook_id"])  # noqa: S608  ours
    again = await store.restart()
    await store.happen("a")
    assert [one["type"] for one in await till.got(1)] == ["a"]
    assert [one.levelno for one in caplog.records if bad["webhook_id"] in one.getMessage()] == [logging.ERROR]
    await again.webhooks.remove(bad["webhook_id"])
    assert len(await store.database.read("SELECT * FROM webhook")) == 1
    await again.webhooks.close()


async def test_a_cursor_after_the_last_event_loses_no_event(store: Store, till: Till) -> None:
    await add(store.webhooks, till.url)
    await store.webhooks.close()
    await store.change("UPDATE webhook SET delivered = 4711")
    again = await store.restart()
    await store.happen("a", "b")
    assert [one["type"] for one in await till.got(2)] == ["a", "b"]
    await again.webhooks.close()


async def test_a_delivery_whose_events_cannot_be_read_goes_on_when_they_can(
    store: Store, till: Till, until: Until
) -> None:
    made = await add(store.webhooks, till.url)
    await store.change("ALTER TABLE event RENAME COLUMN camera TO camera_before")
    store.webhooks._wake()
    name = f"webhook {made['webhook_id']}"
    await until(lambda: next(one for one in store.supervisor.reports() if one.name == name).state == "failing")
    await store.change("ALTER TABLE event RENAME COLUMN camera_before TO camera")
    await store.happen("a")
    assert [one["type"] for one in await till.got(1)] == ["a"]


async def test_an_event_that_is_rejected_for_hours_is_skipped(store: Store, till: Till, until: Until) -> None:
    till.status = 422
    webhook = Webhook(
        id="1", name="till", url=till.url, secret=create_secret(), types="", camera="", created_at=1_800_000_000
    )
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as http:
        policy = AddressPolicy(lambda: ())
        delivery = Delivery(webhook, 0, store.events, http, policy, lambda: 1_800_000_000.0, max_rejection_s=0.5)
        delivery.start(store.supervisor)
        await store.happen("a")
        delivery.wake()
        await until(lambda: delivery.statistics.skipped == 1)
        assert len(till.requests) >= 2
        till.status = 204
        await store.happen("b")
        delivery.wake()
        await until(lambda: delivery.statistics.delivered == 1)
        await delivery.stop()


async def test_a_removed_webhook_leaves_no_service(store: Store, till: Till) -> None:
    made = await add(store.webhooks, till.url)
    assert f"webhook {made['webhook_id']}" in store.services()
    await store.webhooks.remove(made["webhook_id"])
    assert f"webhook {made['webhook_id']}" not in store.services()


async def test_names_that_are_not_found_delay_no_other(
    store: Store, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    system = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **named: Any) -> Any:
        """Answer as a system whose name server is away."""
        if str(host).startswith("lost"):
            answered.wait()
            raise socket.gaierror("no answer")
        return system("127.0.0.1" if host == "till.store" else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    try:
        for number in range(60):
            await add(store.webhooks, f"http://lost{number}.store/")
        await store.happen("a")
        await asyncio.sleep(0.1)
        await add(store.webhooks, till.url.replace("127.0.0.1", "till.store"))
        await store.happen("b")
        assert [one["type"] for one in await till.got(1)] == ["b"]
        assert threading.active_count() < 100
    finally:
        answered.set()


async def test_a_lookup_that_fails_when_nobody_waits_for_it_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def look_up(*_: Any) -> Any:
        asked.set()
        answered.wait()
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = LocalResolver(AddressPolicy(tuple), 1)
    waiting = asyncio.ensure_future(resolver.resolve("lost.store"))
    await asyncio.to_thread(asked.wait)
    waiting.cancel()
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(socket.gaierror):
        await resolver.resolve("other.store")  # by the same thread, so that the first has ended
    await resolver.close()
    gc.collect()
    assert [one.getMessage() for one in caplog.records] == []
