"""Damaged rows of the event log: they are left out and reported once, and stop nobody."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.events.event import EventFilter, NewEvent
from gateway.events.log import EventLog
from gateway.events.retention_table import RetentionLimits
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

ANY = EventFilter()
DAMAGES = {
    "no JSON": "data = '{\"face_id\":'",
    "no object": "data = '[1]'",
    "no text": "data = CAST(x'7b22ff227d' AS TEXT)",
    "no type": "type = 'face\"seen'",
    "no text as type": "type = CAST(x'ff' AS TEXT)",
    "no source": "source = 'cl\n\noud'",
    "no text as camera": "camera = CAST(x'ff' AS TEXT)",
    "no time": "time_ms = 9223372036854775807",
}


class Log(NamedTuple):
    """An event log and its database."""

    events: EventLog
    database: Database

    async def damage(self, number: int, damage: str) -> None:
        """Damage the row of an event."""
        await self.database.execute(f"UPDATE event SET {damage} WHERE number = ?", (number,))  # noqa: S608  ours

    async def append(self, *faces: str) -> None:
        for face in faces:
            await self.events.append(NewEvent("face.seen", "cloud", {"face_id": face}, personal=True, face_id=face))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    database = await Database.open(tmp_path / "gateway.db")
    supervisor = Supervisor()
    uptime = Uptime(1000.0)
    events = await EventLog.open(database, uptime, supervisor, limits=RetentionLimits(max_personal_age_s=-1))
    yield Log(events, database)
    await events.close()
    await supervisor.close()
    await database.close()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_event_is_left_out_and_reported_once(
    log: Log, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    await log.append("1", "2", "3")
    await log.damage(2, damage)
    for _ in range(3):
        page = await log.events.read(0, ANY, limit=2)
        assert ([event.number for event in page.events], page.upto) == ([1, 3], 3)
    reports = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(reports) == 1
    assert log.events.range.id(2) in reports[0]


async def test_many_damaged_events_do_not_fill_the_log(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    await log.append(*map(str, range(50)))
    await log.database.execute("UPDATE event SET data = ''")
    page = await log.events.read(0, ANY, limit=10)
    assert (page.events, page.upto) == ([], 50)
    assert 0 < len([one for one in caplog.records if one.levelno >= logging.WARNING]) <= 20


async def test_an_event_of_a_type_that_is_no_longer_known_is_passed_on(log: Log) -> None:
    await log.append("1")
    await log.damage(1, "type = 'drone.landed', source = 'drone'")
    [event] = (await log.events.read(0, ANY, limit=10)).events
    assert (event.type, event.source) == ("drone.landed", "drone")


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_personal_data_of_damaged_events_is_erased(log: Log, damage: str) -> None:
    await log.append("1", "2", "3")
    await log.damage(2, damage)
    await log.events.apply_retention()
    rows = await log.database.read("SELECT CAST(data AS BLOB) FROM event ORDER BY number")
    assert [row[0] for row in rows] == [b'{"personal_data":"erased"}'] * 3


async def test_a_face_is_erased_from_a_damaged_event(log: Log) -> None:
    await log.append("1", "2")
    await log.damage(1, DAMAGES["no JSON"])
    assert await log.events.erase_face("1") == 1
    first, _ = (await log.events.read(0, ANY, limit=10)).events
    assert first.data == '{"personal_data":"erased"}'


async def test_a_page_is_bounded_in_bytes(log: Log) -> None:
    for _ in range(8):
        await log.events.append(NewEvent("a", "gateway", {"text": "x" * 1_000_000}))
    numbers: list[int] = []
    after = 0
    while after < 8:
        page = await log.events.read(after, ANY, limit=1000)
        assert 0 < sum(len(event.data) for event in page.events) < 6_000_000
        numbers += [event.number for event in page.events]
        after = page.upto
    assert numbers == list(range(1, 9))
