"""The outbox makes room: content of what is done goes first, oldest first; pruning and the log give the rest back."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.errors import Conflict, OutboxFull
from gateway.outbox.model import Batch, NewItem, Outcome
from gateway.outbox.quota_table import RETENTION_S
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from gateway.storage.database import Database
from tests.outbox.opened import OpenedOutbox, submit

MOST = 2 * 1024 * 1024
GOOD = Outcome("delivered", 0, "succeed")


def order(number: int, size: int = 100_000) -> Call:
    element = {"order_no": str(number), "order_type": 1, "receipt_no": "x" * size}
    return CATALOGUE.get("cloud", "order/update").encode({"shop_id": "1", "order_list": [element]})


def flash(label: str) -> Call:
    return CATALOGUE.get("cloud", "device/esl/flashLed").encode({"shop_id": "1", "esl_id": label})


def log_size(database: Database) -> int:
    return Path(f"{database.path}-wal").stat().st_size


class Till:
    """Hands over to an outbox and settles what it holds."""

    def __init__(self, opened: OpenedOutbox) -> None:
        self.outbox = opened.outbox
        self.uptime = opened.uptime
        self.database = opened.database

    async def accept(self, call: Call) -> int:
        return (await submit(self.outbox, call))[0]

    async def fill(self, begin: int) -> int:
        """Hand over orders until the outbox is full; return how many it took."""
        for number in range(begin, begin + 1000):
            try:
                await self.accept(order(number))
            except OutboxFull:
                return number - begin
        raise AssertionError("it never was full")

    async def claim(self) -> Batch:
        batch = await self.outbox.claim(lambda _: 1)
        assert batch is not None
        return batch

    async def settle(self, batch: Batch, fate: Outcome = GOOD) -> None:
        await self.outbox.settle(batch, dict.fromkeys(batch.sequences, fate))

    async def deliver(self, count: int) -> list[int]:
        done: list[int] = []
        for _ in range(count):
            batch = await self.claim()
            await self.settle(batch)
            done += batch.sequences
        return done

    async def kept(self, sequences: Sequence[int]) -> list[int]:
        """Return the items that have their content."""
        return [one for one in sequences if (await self.outbox.item(one, None)).text is not None]


@pytest.fixture
async def till(tmp_path: Path) -> AsyncIterator[Till]:
    opened = await OpenedOutbox.open(tmp_path / "gateway.db", max_bytes=MOST)
    yield Till(opened)
    await opened.close()


@pytest.fixture
def database(till: Till) -> Database:
    return till.database


async def test_content_of_what_was_delivered_makes_room_and_waiting_content_never(till: Till) -> None:
    count = await till.fill(0)
    waiting = list(range(1, count + 1))
    assert await till.fill(1000) == 0
    assert await till.kept(waiting) == waiting
    done = await till.deliver(count // 2)
    assert await till.fill(2000) > 0
    assert not await till.kept(done)
    assert await till.kept(waiting[count // 2 :]) == waiting[count // 2 :]


async def test_making_much_room_takes_no_more_of_the_disk_than_the_log_may(tmp_path: Path) -> None:
    """What is deleted goes through the log: all at once, that would fill the disk that is to be emptied."""
    path = tmp_path / "large.db"
    opened = await OpenedOutbox.open(path)
    large = Till(opened)
    for number in range(45):
        await large.accept(order(number, 1_000_000))
    await large.deliver(45)
    await opened.close()
    opened = await OpenedOutbox.open(path, max_bytes=MOST)
    small = Till(opened)
    try:
        for number in range(100, 150):
            with contextlib.suppress(OutboxFull):
                await small.accept(order(number))
                break
        else:
            raise AssertionError("there never was room")
        assert log_size(opened.database) < 29_000_000
    finally:
        await opened.close()


async def test_what_is_settled_late_is_stripped_too(till: Till) -> None:
    """Its number is older than what was stripped before it, and so is the moment at which settling it began."""
    count = await till.fill(0)
    late = [await till.claim() for _ in range(3)]  # what one leaves may be some pages too little for another
    sequences = [sequence for batch in late for sequence in batch.sequences]
    early = await till.deliver(count - len(late))
    while await till.kept(early):
        await till.fill(1000)
    assert await till.kept(sequences) == sequences
    for batch in late:
        await till.settle(batch)
    assert await till.fill(2000) > 0
    assert not await till.kept(sequences)


async def test_files_go_with_what_is_done_and_stay_with_what_was_refused(till: Till, database: Database) -> None:
    push = CATALOGUE.get("cloud", "device/esl/pushImage")
    picture = FilePart("a.png", "image/png", b"\x89PNG" + b"x" * 100_000)

    def call(label: str) -> Call:
        return Call(push, {"shop_id": "1", "esl_id": label}, {"pic": picture})

    async def stored() -> list[int]:
        return [row[0] for row in await database.read("SELECT sequence FROM item_file ORDER BY sequence")]

    first, second, third = [await till.accept(call(label)) for label in ("1", "2", "3")]
    newer = await till.accept(call("3"))
    assert await stored() == [first, second, newer]  # the third was superseded
    assert third not in await stored()
    await till.settle(await till.claim())
    await till.settle(await till.claim(), Outcome("refused", 5005, "invalid file"))
    assert await stored() == [second, newer]
    await till.outbox.drop([second, newer])
    assert await stored() == []


async def test_an_expired_item_without_content_is_not_sent_again_but_may_get_a_new_one(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = till.uptime.now()
    number = await till.accept(flash("7"))
    monkeypatch.setattr(till.uptime, "now", lambda: now_s + 100)
    await till.outbox.expire()
    await till.fill(0)
    assert not await till.kept([number])
    with pytest.raises(Conflict, match="has no content any more"):
        await till.outbox.retry([number])
    text = '{"esl_id":"8"}'
    await till.outbox.edit(number, '{"shop_id":"1"}', NewItem(text, "8", ("flash:1:8",), len(text)))
    entry = await till.outbox.item(number, None)
    assert (entry.state, entry.text) == ("waiting", text)


async def test_pruning_removes_what_was_stripped_and_what_was_not_when_it_is_old(
    till: Till, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripped = await till.deliver(await till.fill(0))
    while await till.kept(stripped):
        await till.fill(1000)
    now_s = till.uptime.now()
    monkeypatch.setattr(till.uptime, "now", lambda: now_s + RETENTION_S - 60)
    kept = await till.deliver(2)
    await till.outbox.prune()
    assert (await till.outbox.item(stripped[0], None)).state == "delivered"
    monkeypatch.setattr(till.uptime, "now", lambda: now_s + RETENTION_S + 60)
    await till.outbox.prune()
    left = [row[0] for row in await database.read("SELECT sequence FROM item WHERE state = 'delivered'")]
    assert left == kept
    assert not await database.read("SELECT 1 FROM item_content WHERE sequence NOT IN (SELECT sequence FROM item)")
    monkeypatch.setattr(till.uptime, "now", lambda: now_s + 3 * RETENTION_S)
    await till.outbox.prune()
    assert not await database.read("SELECT 1 FROM item WHERE state = 'delivered'")


async def test_a_quiet_moment_gives_the_log_back_to_the_disk(
    till: Till, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await till.deliver(await till.fill(0))
    await till.outbox.prune()
    assert log_size(database) > 0  # somebody may hand something over again
    monkeypatch.setattr("gateway.outbox.outbox._QUIET_S", 0)
    await till.outbox.prune()
    assert log_size(database) == 0


async def test_the_log_of_one_large_write_is_cut_when_it_is_used_again(database: Database) -> None:
    await database.transact(lambda connection: connection.execute("CREATE TABLE large (data BLOB)"))
    await database.transact(lambda connection: connection.execute("INSERT INTO large VALUES (zeroblob(30000000))"))
    assert log_size(database) > 30_000_000
    await database.transact(lambda connection: connection.execute("INSERT INTO large VALUES (zeroblob(1))"))
    assert log_size(database) < 27_000_000
