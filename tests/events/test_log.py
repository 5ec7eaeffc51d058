"""The journal on a real database: ids, order, repeats, retention, erasure, epochs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import InvalidRequest
from gateway.events.log import Event, EventFilter, EventLog, Limits, NewEvent
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


@asynccontextmanager
async def journal_in(folder: Path, clock: Uptime, limits: Limits | None = None) -> AsyncIterator[EventLog]:
    database = await Database.open(folder / "gateway.db")
    try:
        event_log = await EventLog.open(database, clock, limits=limits or Limits())
        try:
            yield event_log
        finally:
            await event_log.close()
    finally:
        await database.close()


def seen(face: str, **more: object) -> NewEvent:
    data = {"vendor_event": 2001, "face_id": face, "gender": "male", **more}
    return NewEvent("face.seen", "cloud", data, personal=True, face_id=face)


async def told(event_log: EventLog, number: int) -> None:
    """Wait until subscribers were told of an event."""
    async with asyncio.timeout(5):
        while event_log.told < number:  # noqa: ASYNC110  the next turns of the loop bring it
            await asyncio.sleep(0)


async def record(event_log: EventLog, *drafts: NewEvent) -> list[Event]:
    events = [event for event in await asyncio.gather(*map(event_log.record, drafts)) if event is not None]
    await told(event_log, max((event.number for event in events), default=0))
    return events


async def test_numbers_increase_across_restarts_and_subscribers_hear_them_in_order(tmp_path: Path) -> None:
    clock = Clock()
    heard: list[int] = []

    def hear(events: Sequence[Event]) -> None:
        heard.extend(event.number for event in events)

    async with journal_in(tmp_path, clock) as event_log:
        event_log.subscribe(hear)
        await record(event_log, *(seen(str(number)) for number in range(20)))
        epoch = event_log.epoch
    async with journal_in(tmp_path, clock) as event_log:
        event_log.subscribe(hear)
        [event] = await record(event_log, seen("x"))
        assert (event.id, event_log.epoch) == (f"{epoch}-21", epoch)
        page = await event_log.page(0, ANY, limit=100)
        assert [one.number for one in page.events] == list(range(1, 22)) == heard


async def test_the_same_callback_is_recorded_once_until_it_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock) as event_log:
        both = await asyncio.gather(event_log.record(seen("1"), digest=b"d"), event_log.record(seen("1"), digest=b"d"))
        assert [event is None for event in both] == [False, True]
    async with journal_in(tmp_path, clock) as event_log:
        assert await event_log.record(seen("1"), digest=b"d") is None
        clock.seconds += 4000
        assert await event_log.record(seen("1"), digest=b"other") is not None
        assert await event_log.record(seen("1"), digest=b"d") is not None


@pytest.mark.parametrize(
    "limits",
    [Limits(events=10), Limits(size=10 * 150), Limits(age_s=50)],
    ids=["by count", "by bytes", "by running time"],
)
async def test_the_oldest_go_first(tmp_path: Path, limits: Limits) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock, limits) as event_log:
        for number in range(40):
            await record(event_log, NewEvent("a", "gateway", {"n": number, "text": "x" * 10}))
            clock.seconds += 5
        kept = await event_log.page(0, ANY, limit=100)
        assert 8 <= len(kept.events) <= 12
        assert kept.events[-1].number == 40
        assert event_log.span.oldest == kept.events[0].number
        position = event_log.span.resume(f"{event_log.epoch}-3")
        assert (position.after, position.notice and position.notice.reason) == (event_log.span.oldest - 1, "pruned")
    async with journal_in(tmp_path, clock, limits) as event_log:
        assert event_log.span.oldest == kept.events[0].number


async def test_what_is_about_persons_goes_earlier_and_leaves_that_it_happened(tmp_path: Path) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock, Limits(personal_s=100)) as event_log:
        await record(event_log, seen("secret-face"), NewEvent("camera.found", "gateway", {"name": "Entrance"}))
        clock.seconds += 101
        await record(event_log, seen("newer"))
        await event_log.expire()
        first, second, third = (await event_log.page(0, ANY, limit=10)).events
        assert first.data == '{"vendor_event":2001,"personal_data":"erased"}'
        assert (first.number, first.type) == (1, "face.seen")
        assert "Entrance" in second.data
        assert "newer" in third.data


async def test_a_face_is_erased_from_the_files(tmp_path: Path, file_bytes: Callable[[], dict[str, bytes]]) -> None:
    async with journal_in(tmp_path, Clock()) as event_log:
        await record(event_log, seen("face-to-forget"), seen("another"), seen("face-to-forget"))
        assert await event_log.erase_face("face-to-forget") == 2
        assert await event_log.erase_face("face-to-forget") == 0
        for name, content in file_bytes().items():
            assert b"face-to-forget" not in content, name
        assert "another" in (await event_log.page(0, ANY, limit=10)).events[1].data


async def test_pages_look_for_types_families_and_cameras(tmp_path: Path) -> None:
    async with journal_in(tmp_path, Clock()) as event_log:
        kinds = [("face.seen", "A"), ("camera.found", "A"), ("camera.moved", "B"), ("cameras.other", "B")]
        await record(event_log, *(NewEvent(kind, "gateway", {}, camera) for kind, camera in kinds))

        async def numbers(types: str, camera: str = "") -> list[int]:
            wanted = EventFilter.of(types, camera)
            page = await event_log.page(0, wanted, limit=10)
            everything = (await event_log.page(0, ANY, limit=10)).events
            assert [event.number for event in everything if wanted.fits(event)] == [one.number for one in page.events]
            return [one.number for one in page.events]

        assert await numbers("camera.*") == [2, 3]
        assert await numbers("face.seen,camera.moved") == [1, 3]
        assert await numbers("", "B") == [3, 4]
        assert await numbers("camera.*", "B") == [3]
        page = await event_log.page(0, ANY, limit=3)
        assert (len(page.events), page.upto) == (3, 3)


@pytest.mark.parametrize("types", ["face seen", "*", "fa*ce", "x" * 65, "face.*,'"])
def test_what_is_no_type_is_refused(types: str) -> None:
    with pytest.raises(InvalidRequest, match="types"):
        EventFilter.of(types, "")


async def test_ids_of_another_epoch_or_of_the_future_are_told(tmp_path: Path) -> None:
    async with journal_in(tmp_path, Clock()) as event_log:
        await record(event_log, seen("1"), seen("2"))
        span = event_log.span
        assert span.resume(span.id(1)) == (1, None)
        assert span.resume("0") == (0, None)
        for given, reason in (("ffffff-1", "new_epoch"), (span.id(3), "from_the_future")):
            position = span.resume(given)
            assert position.notice is not None
            assert (position.after, position.notice.reason) == (0, reason)
        for bad in ("", "1", "x-1", f"{span.epoch}-", f"{span.epoch}--1", f"{span.epoch}-{'9' * 19}"):
            with pytest.raises(InvalidRequest, match="after"):
                span.resume(bad)


async def test_a_repaired_database_begins_a_new_epoch_and_keeps_its_events(tmp_path: Path) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock) as event_log:
        await record(event_log, *(NewEvent("a", "gateway", {"text": "x" * 500}) for _ in range(200)))
        epoch = event_log.epoch
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event_face'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    async with journal_in(tmp_path, clock) as event_log:
        assert event_log.epoch != epoch
        assert event_log.span.newest == 200
        assert len((await event_log.page(0, ANY, limit=500)).events) == 200
