"""The event log on a real database: ids, order, repeats, retention, erasure, epochs."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from gateway.errors import InvalidRequest
from gateway.events.event import Event, EventFilter, NewEvent
from gateway.events.log import EventLog
from gateway.events.retention_table import RetentionLimits
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

ANY = EventFilter()


class Clock(Uptime):
    """Running time that a test moves."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@contextlib.asynccontextmanager
async def log_in(folder: Path, clock: Uptime, limits: RetentionLimits | None = None) -> AsyncIterator[EventLog]:
    async with contextlib.AsyncExitStack() as stack:
        database = await Database.open(folder / "gateway.db")
        stack.push_async_callback(database.close)
        supervisor = Supervisor()
        stack.push_async_callback(supervisor.close)
        event_log = await EventLog.open(database, clock, supervisor, limits=limits or RetentionLimits())
        stack.push_async_callback(event_log.close)
        yield event_log


def seen(face: str, **more: object) -> NewEvent:
    data = {"vendor_event": 2001, "face_id": face, "gender": "male", **more}
    return NewEvent("face.seen", "cloud", data, personal=True, face_id=face)


async def published(event_log: EventLog, number: int) -> None:
    """Wait until subscribers got an event."""
    while event_log.last_published < number:  # the next turns of the loop bring it
        await asyncio.sleep(0)


async def append(event_log: EventLog, *new_events: NewEvent) -> list[Event]:
    events = [event for event in await asyncio.gather(*map(event_log.append, new_events)) if event is not None]
    await published(event_log, max((event.number for event in events), default=0))
    return events


async def test_numbers_increase_across_restarts_and_subscribers_hear_them_in_order(tmp_path: Path) -> None:
    clock = Clock()
    heard: list[int] = []

    def hear(events: Sequence[Event]) -> None:
        heard.extend(event.number for event in events)

    async with log_in(tmp_path, clock) as event_log:
        event_log.subscribe(hear)
        await append(event_log, *(seen(str(number)) for number in range(20)))
        epoch = event_log.epoch
    async with log_in(tmp_path, clock) as event_log:
        event_log.subscribe(hear)
        [event] = await append(event_log, seen("x"))
        assert (event.id, event_log.epoch) == (f"{epoch}-21", epoch)
        page = await event_log.read(0, ANY, limit=100)
        assert [one.number for one in page.events] == list(range(1, 22)) == heard


async def test_the_same_callback_is_recorded_once_until_it_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with log_in(tmp_path, clock) as event_log:
        both = await asyncio.gather(event_log.append(seen("1"), digest=b"d"), event_log.append(seen("1"), digest=b"d"))
        assert [event is None for event in both] == [False, True]
    async with log_in(tmp_path, clock) as event_log:
        assert await event_log.append(seen("1"), digest=b"d") is None
        clock.seconds += 4000
        assert await event_log.append(seen("1"), digest=b"other") is not None
        assert await event_log.append(seen("1"), digest=b"d") is not None


@pytest.mark.parametrize(
    "limits",
    [RetentionLimits(max_events=10), RetentionLimits(max_bytes=10 * 150), RetentionLimits(max_age_s=50)],
    ids=["by count", "by bytes", "by running time"],
)
async def test_the_oldest_go_first(tmp_path: Path, limits: RetentionLimits) -> None:
    clock = Clock()
    async with log_in(tmp_path, clock, limits) as event_log:
        for number in range(40):
            await append(event_log, NewEvent("a", "gateway", {"n": number, "text": "x" * 10}))
            clock.seconds += 5
        kept = await event_log.read(0, ANY, limit=100)
        assert 8 <= len(kept.events) <= 12
        assert kept.events[-1].number == 40
        assert event_log.range.oldest == kept.events[0].number
        resume_point = event_log.range.resume_after(f"{event_log.epoch}-3")
        assert (resume_point.after, resume_point.notice and resume_point.notice.reason) == (
            event_log.range.oldest - 1,
            "pruned",
        )
    async with log_in(tmp_path, clock, limits) as event_log:
        assert event_log.range.oldest == kept.events[0].number


async def test_texts_count_with_their_bytes(tmp_path: Path) -> None:
    """A Chinese letter takes three."""
    async with log_in(tmp_path, Clock(), RetentionLimits(max_bytes=100_000)) as event_log:
        for number in range(40):
            await append(event_log, NewEvent("a", "gateway", {"n": number, "text": "店" * 3000}))
        kept = await event_log.read(0, ANY, limit=100)
        assert 50_000 < sum(len(one.data.encode()) for one in kept.events) < 100_000


async def test_what_is_about_persons_goes_earlier_and_leaves_that_it_happened(tmp_path: Path) -> None:
    clock = Clock()
    async with log_in(tmp_path, clock, RetentionLimits(max_personal_age_s=100)) as event_log:
        await append(event_log, seen("secret-face"), NewEvent("camera.found", "gateway", {"name": "Entrance"}))
        clock.seconds += 101
        await append(event_log, seen("newer"))
        await event_log.apply_retention()
        first, second, third = (await event_log.read(0, ANY, limit=10)).events
        assert first.data == '{"vendor_event":2001,"personal_data":"erased"}'
        assert (first.number, first.type) == (1, "face.seen")
        assert "Entrance" in second.data
        assert "newer" in third.data


async def test_a_face_is_erased_from_the_files(tmp_path: Path, file_bytes: Callable[[], dict[str, bytes]]) -> None:
    async with log_in(tmp_path, Clock()) as event_log:
        await append(event_log, seen("face-to-forget"), seen("another"), seen("face-to-forget"))
        assert await event_log.erase_face("face-to-forget") == 2
        assert await event_log.erase_face("face-to-forget") == 0
        for name, content in file_bytes().items():
            assert b"face-to-forget" not in content, name
        assert "another" in (await event_log.read(0, ANY, limit=10)).events[1].data


async def test_pages_look_for_types_families_and_cameras(tmp_path: Path) -> None:
    async with log_in(tmp_path, Clock()) as event_log:
        kinds = [("face.seen", "A"), ("camera.found", "A"), ("camera.moved", "B"), ("cameras.other", "B")]
        await append(event_log, *(NewEvent(kind, "gateway", {}, camera) for kind, camera in kinds))

        async def numbers(types: str, camera: str = "") -> list[int]:
            event_filter = EventFilter.parse(types, camera)
            page = await event_log.read(0, event_filter, limit=10)
            everything = (await event_log.read(0, ANY, limit=10)).events
            assert [event.number for event in everything if event_filter.matches(event)] == [
                one.number for one in page.events
            ]
            return [one.number for one in page.events]

        assert await numbers("camera.*") == [2, 3]
        assert await numbers("face.seen,camera.moved") == [1, 3]
        assert await numbers("", "B") == [3, 4]
        assert await numbers("camera.*", "B") == [3]
        page = await event_log.read(0, ANY, limit=3)
        assert (len(page.events), page.upto) == (3, 3)


@pytest.mark.parametrize("types", ["face seen", "*", "fa*ce", "x" * 65, "face.*,'", ",".join(map(str, range(101)))])
def test_what_is_no_type_is_refused(types: str) -> None:
    with pytest.raises(InvalidRequest, match="types"):
        EventFilter.parse(types, "")


async def test_ids_of_another_epoch_or_of_the_future_bring_a_notice(tmp_path: Path) -> None:
    async with log_in(tmp_path, Clock()) as event_log:
        await append(event_log, seen("1"), seen("2"))
        log_range = event_log.range
        assert log_range.resume_after(log_range.id(1)) == (1, None)
        assert log_range.resume_after("0") == (0, None)
        for given, reason in ((f"{'f' * 16}-1", "new_epoch"), (log_range.id(3), "from_the_future")):
            resume_point = log_range.resume_after(given)
            assert resume_point.notice is not None
            assert (resume_point.after, resume_point.notice.reason) == (0, reason)
        for bad in ("", "1", "x-1", f"{log_range.epoch}-", f"{log_range.epoch}--1", f"{log_range.epoch}-{'9' * 19}"):
            with pytest.raises(InvalidRequest, match="after"):
                log_range.resume_after(bad)


async def test_a_repaired_database_begins_a_new_epoch_and_keeps_its_events(tmp_path: Path) -> None:
    clock = Clock()
    async with log_in(tmp_path, clock) as event_log:
        await append(event_log, *(NewEvent("a", "gateway", {"text": "x" * 500}) for _ in range(200)))
        epoch = event_log.epoch
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event_face'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    async with log_in(tmp_path, clock) as event_log:
        assert event_log.epoch != epoch
        assert event_log.range.newest == 200
        assert len((await event_log.read(0, ANY, limit=500)).events) == 200
