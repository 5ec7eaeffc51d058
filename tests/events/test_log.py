"""The journal on a real database: ids, order, repeats, retention, erasure, epochs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import InvalidRequest
from gateway.storage.database import Database
from gateway.events.log import Draft, Event, Journal, Limits, Wanted
from gateway.storage.uptime_table import RunningTime

ANY = Wanted()


class Clock(RunningTime):
    """Running time that a test moves."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds


@asynccontextmanager
async def journal_in(folder: Path, clock: RunningTime, limits: Limits | None = None) -> AsyncIterator[Journal]:
    database = await Database.open(folder / "gateway.db")
    try:
        journal = await Journal.open(database, clock, limits=limits or Limits())
        try:
            yield journal
        finally:
            await journal.close()
    finally:
        await database.close()


def seen(face: str, **more: object) -> Draft:
    data = {"vendor_event": 2001, "face_id": face, "gender": "male", **more}
    return Draft("face.seen", "cloud", data, personal=True, face_id=face)


async def told(journal: Journal, number: int) -> None:
    """Wait until subscribers were told of an event."""
    async with asyncio.timeout(5):
        while journal.told < number:  # noqa: ASYNC110  the next turns of the loop bring it
            await asyncio.sleep(0)


async def record(journal: Journal, *drafts: Draft) -> list[Event]:
    events = [event for event in await asyncio.gather(*map(journal.record, drafts)) if event is not None]
    await told(journal, max((event.number for event in events), default=0))
    return events


async def test_numbers_increase_across_restarts_and_subscribers_hear_them_in_order(tmp_path: Path) -> None:
    clock = Clock()
    heard: list[int] = []

    def hear(events: Sequence[Event]) -> None:
        heard.extend(event.number for event in events)

    async with journal_in(tmp_path, clock) as journal:
        journal.subscribe(hear)
        await record(journal, *(seen(str(number)) for number in range(20)))
        epoch = journal.epoch
    async with journal_in(tmp_path, clock) as journal:
        journal.subscribe(hear)
        [event] = await record(journal, seen("x"))
        assert (event.id, journal.epoch) == (f"{epoch}-21", epoch)
        page = await journal.page(0, ANY, limit=100)
        assert [one.number for one in page.events] == list(range(1, 22)) == heard


async def test_the_same_callback_is_recorded_once_until_it_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock) as journal:
        both = await asyncio.gather(journal.record(seen("1"), digest=b"d"), journal.record(seen("1"), digest=b"d"))
        assert [event is None for event in both] == [False, True]
    async with journal_in(tmp_path, clock) as journal:
        assert await journal.record(seen("1"), digest=b"d") is None
        clock.seconds += 4000
        assert await journal.record(seen("1"), digest=b"other") is not None
        assert await journal.record(seen("1"), digest=b"d") is not None


@pytest.mark.parametrize(
    "limits",
    [Limits(events=10), Limits(size=10 * 150), Limits(age_s=50)],
    ids=["by count", "by bytes", "by running time"],
)
async def test_the_oldest_go_first(tmp_path: Path, limits: Limits) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock, limits) as journal:
        for number in range(40):
            await record(journal, Draft("a", "gateway", {"n": number, "text": "x" * 10}))
            clock.seconds += 5
        kept = await journal.page(0, ANY, limit=100)
        assert 8 <= len(kept.events) <= 12
        assert kept.events[-1].number == 40
        assert journal.span.oldest == kept.events[0].number
        position = journal.span.resume(f"{journal.epoch}-3")
        assert (position.after, position.notice and position.notice.reason) == (journal.span.oldest - 1, "pruned")
    async with journal_in(tmp_path, clock, limits) as journal:
        assert journal.span.oldest == kept.events[0].number


async def test_what_is_about_persons_goes_earlier_and_leaves_that_it_happened(tmp_path: Path) -> None:
    clock = Clock()
    async with journal_in(tmp_path, clock, Limits(personal_s=100)) as journal:
        await record(journal, seen("secret-face"), Draft("camera.found", "gateway", {"name": "Entrance"}))
        clock.seconds += 101
        await record(journal, seen("newer"))
        await journal.expire()
        first, second, third = (await journal.page(0, ANY, limit=10)).events
        assert first.data == '{"vendor_event":2001,"personal_data":"erased"}'
        assert (first.number, first.type) == (1, "face.seen")
        assert "Entrance" in second.data
        assert "newer" in third.data


async def test_a_face_is_erased_from_the_files(tmp_path: Path, file_bytes: Callable[[], dict[str, bytes]]) -> None:
    async with journal_in(tmp_path, Clock()) as journal:
        await record(journal, seen("face-to-forget"), seen("another"), seen("face-to-forget"))
        assert await journal.erase_face("face-to-forget") == 2
        assert await journal.erase_face("face-to-forget") == 0
        for name, content in file_bytes().items():
            assert b"face-to-forget" not in content, name
        assert "another" in (await journal.page(0, ANY, limit=10)).events[1].data


async def test_pages_look_for_types_families_and_cameras(tmp_path: Path) -> None:
    async with journal_in(tmp_path, Clock()) as journal:
        kinds = [("face.seen", "A"), ("camera.found", "A"), ("camera.moved", "B"), ("cameras.other", "B")]
        await record(journal, *(Draft(kind, "gateway", {}, camera) for kind, camera in kinds))

        async def numbers(types: str, camera: str = "") -> list[int]:
            wanted = Wanted.of(types, camera)
            page = await journal.page(0, wanted, limit=10)
            everything = (await journal.page(0, ANY, limit=10)).events
            assert [event.number for event in everything if wanted.fits(event)] == [one.number for one in page.events]
            return [one.number for one in page.events]

        assert await numbers("camera.*") == [2, 3]
        assert await numbers("face.seen,camera.moved") == [1, 3]
        assert await numbers("", "B") == [3, 4]
        assert await numbers("camera.*", "B") == [3]
        page = await journal.page(0, ANY, limit=3)
        assert (len(page.events), page.upto) == (3, 3)


@pytest.mark.parametrize("types", ["face seen", "*", "fa*ce", "x" * 65, "face.*,'"])
def test_what_is_no_type_is_refused(types: str) -> None:
    with pytest.raises(InvalidRequest, match="types"):
        Wanted.of(types, "")


async def test_ids_of_another_epoch_or_of_the_future_are_told(tmp_path: Path) -> None:
    async with journal_in(tmp_path, Clock()) as journal:
        await record(journal, seen("1"), seen("2"))
        span = journal.span
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
    async with journal_in(tmp_path, clock) as journal:
        await record(journal, *(Draft("a", "gateway", {"text": "x" * 500}) for _ in range(200)))
        epoch = journal.epoch
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as connection:
        [page] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event_face'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    async with journal_in(tmp_path, clock) as journal:
        assert journal.epoch != epoch
        assert journal.span.newest == 200
        assert len((await journal.page(0, ANY, limit=500)).events) == 200
