"""System events on a real database: stored in order, after trouble with the disk, and past an event that cannot be."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.events.event import EventFilter
from gateway.events.log import EventLog
from gateway.events.system_events import SystemEvents
from gateway.events.types import DiskLow, WebhookTest
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

Until = Callable[[Callable[[], object]], Awaitable[None]]


class Parts(NamedTuple):
    database: Database
    supervisor: Supervisor
    log: EventLog
    events: SystemEvents

    async def stored(self) -> list[str]:
        return [event.data for event in (await self.log.read(0, EventFilter(), limit=1000)).events]

    def state(self, service: str) -> str:
        return next(report.state for report in self.supervisor.reports() if report.name == service)

    async def set_max_pages(self, pages: int) -> None:
        """Let the database grow to so many pages, as if the disk were full then; 0: no further."""
        await self.database.inspect(
            lambda connection: connection.execute(
                f"PRAGMA max_page_count = {pages or connection.execute('PRAGMA page_count').fetchone()[0]}"
            ).fetchall()
        )


@pytest.fixture
async def parts(database: Database, tmp_path: Path) -> AsyncIterator[Parts]:
    supervisor = Supervisor(initial_delay_s=0.01)
    log = await EventLog.open(database, Uptime(0.0), supervisor)
    registry = Registry(CameraTable(database), supervisor)
    events = SystemEvents(log, registry, PeerClock(), tmp_path, supervisor)
    yield Parts(database, supervisor, log, events)
    await events.close()
    await registry.close()
    await log.close()
    await supervisor.close()


async def test_events_that_a_full_disk_refuses_are_stored_in_order_when_there_is_room(
    parts: Parts, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    await parts.set_max_pages(0)
    for number in range(200):
        parts.events.add(WebhookTest(webhook_id=f"{number} {'x' * 1000}"))
    await until(lambda: parts.state("system events") == "failing")
    await parts.set_max_pages(1_000_000)
    await until(lambda: parts.log.last_published == 200)
    assert [data[15:].partition(" ")[0] for data in await parts.stored()] == [str(number) for number in range(200)]
    await until(lambda: parts.state("system events") == "running")
    assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1


async def test_an_event_that_cannot_be_stored_at_all_is_dropped(
    parts: Parts, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    parts.events.add(WebhookTest(webhook_id="\ud800"))
    parts.events.add(WebhookTest(webhook_id="whole"))
    await until(lambda: parts.log.last_published == 1)
    assert await parts.stored() == ['{"webhook_id":"whole"}']
    assert "webhook.test" in caplog.text


async def test_what_is_pending_is_stored_when_the_gateway_stops(parts: Parts) -> None:
    parts.events.add(DiskLow(free_bytes=1, total_bytes=2))
    await parts.events.close()
    rows = await parts.database.read("SELECT type FROM event")
    assert [row["type"] for row in rows] == ["disk.low"]
