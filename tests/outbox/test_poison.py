"""Rows that cannot be read or sent are refused with the reason, and never stop or slow the others."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.client import CloudClient
from gateway.errors import Conflict
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.runtime.supervisor import Supervisor
from gateway.simulator.account import SHOPS
from gateway.simulator.cloud import SimulatedCloud
from tests.cloud.conftest import MakeClient
from tests.outbox.opened import OpenedOutbox, all_items, submit
from tests.waiting import until

SHOP = next(iter(SHOPS))

DAMAGE = {
    "an endpoint that is no longer known": "UPDATE item SET path = 'order/updateOld', target_path = 'order/updateOld'",
    "a target that is no longer known": "UPDATE item SET target_path = 'order/updateOld'",
    "an endpoint whose calls are not queued": "UPDATE item SET target_path = 'product/getList'",
    "shared parameters that do not parse": "UPDATE item SET shared = '{broken'",
    "shared parameters that are no object": "UPDATE item SET shared = '[1]'",
    "content that does not parse": "UPDATE item_content SET text = '{broken'",
    "content that is lost": "DELETE FROM item_content",
    "content with a line break": "UPDATE item_content SET text = char(10)",
    "content that is no text": "UPDATE item_content SET text = CAST(x'ff22' AS TEXT)",
    "other keys that do not parse": "UPDATE item SET other_keys = '[broken'",
    "other keys that are no texts": "UPDATE item SET other_keys = '[1]'",
    "other keys that are nested too deeply": "UPDATE item SET other_keys = replace(hex(zeroblob(50000)), '00', '[')",
    "a reference that is no text": "UPDATE item SET reference = CAST(x'ff' AS TEXT)",
    "an order key that is no text": "UPDATE item SET order_key = CAST(x'ff' AS TEXT)",
}


def order(number: str) -> Call:
    return CATALOGUE.get("cloud", "order/update").encode({"shop_id": SHOP, "order_list": [{"order_no": number}]})


def product(action: str, **fields: Any) -> Call:
    return CATALOGUE.get("cloud", f"product/{action}").encode({"shop_id": SHOP, "product_list": [fields]})


def damage(path: Path, statement: str, sequence: int = 1) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(f"{statement} WHERE sequence = ?", (sequence,)).rowcount == 1


class Shop:
    """A shop whose outbox is damaged between two lives of the gateway."""

    def __init__(self, path: Path, client: CloudClient) -> None:
        self.path = path
        self.client = client
        self.life: OpenedOutbox
        self.worker: OutboxWorker

    async def open(self) -> None:
        self.life = await OpenedOutbox.open(self.path)
        self.worker = OutboxWorker(self.client, self.life.outbox, self.life.supervisor)

    async def close(self) -> None:
        await self.worker.close()
        await self.life.close()

    async def reopen_damaged(self, statement: str, sequence: int = 1) -> None:
        await self.close()
        damage(self.path, statement, sequence)
        await self.open()

    async def drain(self) -> None:
        self.worker.start()
        await until(lambda: not self.life.outbox.depth)

    async def states(self) -> list[str]:
        return [item.state for item in await all_items(self.life.outbox)]


@pytest.fixture
async def shop(simulated: SimulatedCloud, make_client: MakeClient, tmp_path: Path) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path / "gateway.db", make_client(simulated))
    await shop.open()
    yield shop
    await shop.close()


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
async def test_a_row_that_cannot_be_sent_is_refused_with_the_reason_and_the_others_are_sent(
    shop: Shop, statement: str, simulated: SimulatedCloud
) -> None:
    for number in ("A", "B", "C"):
        await submit(shop.life.outbox, order(number))
    await shop.reopen_damaged(statement)
    await shop.drain()
    assert await shop.states() == ["refused", "delivered", "delivered"]
    assert list(simulated.state.shops[SHOP].orders) == ["B", "C"]
    refused, *_ = [item.describe() for item in await all_items(shop.life.outbox)]
    assert refused["vendor_code"] is None
    assert any(word in refused["vendor_meaning"] for word in ("cannot be", "was lost"))
    shown = (await shop.life.outbox.item(1)).describe()
    assert shown == refused
    assert [count.items for count in await shop.life.outbox.counts() if count.state == "refused"] == [1]
    assert all(report.state == "running" for report in shop.life.supervisor.reports()), "nothing failed"
    await shop.life.outbox.drop([1])
    assert await shop.states() == ["delivered", "delivered"]


async def test_an_item_whose_endpoint_is_gone_is_not_retried(shop: Shop) -> None:
    await submit(shop.life.outbox, order("A"))
    await shop.reopen_damaged(DAMAGE["an endpoint that is no longer known"])
    await shop.drain()
    with pytest.raises(Conflict, match="queues no calls of 'order/updateOld'"):
        await shop.life.outbox.retry([1])


async def test_a_damaged_update_is_taken_out_of_those_that_merge(shop: Shop, simulated: SimulatedCloud) -> None:
    await submit(shop.life.outbox, product("create", id="7", name="Cola"))
    await shop.drain()
    await shop.close()
    await shop.open()
    for unit in ("l", "cl", "ml"):
        await submit(shop.life.outbox, product("update", id="7", unit=unit))
    await shop.reopen_damaged("UPDATE item_content SET text = '[]'", sequence=3)
    await shop.drain()
    assert await shop.states() == ["delivered", "delivered", "refused", "delivered"]
    assert simulated.state.shops[SHOP].products["7"]["unit"] == "ml"


async def test_a_repeat_of_an_item_with_damaged_content_is_a_new_item(shop: Shop) -> None:
    await submit(shop.life.outbox, order("A"))
    await shop.reopen_damaged(DAMAGE["content that does not parse"])
    damage(shop.path, "UPDATE item SET digest = x'00'")
    assert await submit(shop.life.outbox, order("A")) == [2]


async def test_a_submission_whose_members_do_not_parse_is_still_recognised(shop: Shop) -> None:
    assert await submit(shop.life.outbox, order("A"), key="k") == [1]
    await shop.close()
    with closing(sqlite3.connect(shop.path)) as connection, connection:
        connection.execute("UPDATE submission SET members = '{broken'")
    await shop.open()
    assert await submit(shop.life.outbox, order("A"), key="k") == [1]
    assert [item.sequence for item in await shop.life.outbox.submission(1)] == [1]


ODD_ROWS = {
    "a token that is no text": "UPDATE item SET token = CAST(x'ff41' AS TEXT)",
    "content that is no text": "UPDATE item_content SET text = CAST(x'ff41' AS TEXT)",
    "content that is nested too deeply": "UPDATE item_content SET text = replace(hex(zeroblob(50000)), '00', '[')",
    "an order key that is no text": "UPDATE item SET order_key = CAST(x'ff41' AS TEXT)",
    "a reference that is no text": "UPDATE item SET reference = CAST(x'ff41' AS TEXT)",
    "members that are no text": "UPDATE submission SET members = CAST(x'ff41' AS TEXT)",
    "members that are nested too deeply": "UPDATE submission SET members = replace(hex(zeroblob(50000)), '00', '[')",
    "members that are no numbers": "UPDATE submission SET members = '[1e999999, 1e400]'",
    "more items than there can be": "UPDATE submission SET items = 9000000000000000000",
    "fewer items than there can be": "UPDATE submission SET items = -9000000000000000000",
}


@pytest.mark.parametrize("statement", ODD_ROWS.values(), ids=ODD_ROWS)
async def test_a_finished_row_that_cannot_be_read_stops_no_acceptance(shop: Shop, statement: str) -> None:
    two = CATALOGUE.get("cloud", "order/update").encode(
        {"shop_id": SHOP, "order_list": [{"order_no": "A"}, {"order_no": "B"}]}
    )
    await submit(shop.life.outbox, two)
    await submit(shop.life.outbox, order("C"), key="k")
    await shop.drain()
    await shop.close()
    with closing(sqlite3.connect(shop.path)) as connection, connection:
        assert connection.execute(statement).rowcount == (3 if "item" in statement.split("SET")[0] else 2)
        connection.execute("UPDATE item SET digest = x'00' WHERE sequence = 1")
    await shop.open()
    for call, key in ((two, None), (order("C"), "k"), (order("C"), None), (order("D"), None)):
        assert await shop.life.outbox.submit(call, token="", idempotency_key=key)
    await shop.drain()
    assert all(report.state == "running" and not report.failures for report in shop.life.supervisor.reports())
    assert await shop.life.outbox.submission(1)


IMPOSSIBLE = {
    "a priority that is too large": "priority = 7",
    "a priority that is too small": "priority = -1",
    "a number that is too large": "sequence = 9223372036854775807",
    "a number that is too small": "sequence = -5",
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_an_item_that_no_selection_finds_is_refused_with_the_reason(
    shop: Shop, simulated: SimulatedCloud, change: str
) -> None:
    for number in ("A", "B"):
        await submit(shop.life.outbox, order(number))
    await shop.close()
    for name in ("item", "item_content") if "sequence" in change else ("item",):
        damage(shop.path, f"UPDATE {name} SET {change}")  # noqa: S608
    await shop.open()
    assert shop.life.outbox.depth == 1
    [newest] = await submit(shop.life.outbox, order("C"))
    assert 3 <= newest <= 4
    await shop.drain()
    assert list(simulated.state.shops[SHOP].orders) == ["B", "C"]
    [refused] = [item for item in await all_items(shop.life.outbox) if item.state == "refused"]
    assert "impossible number or priority" in refused.describe()["vendor_meaning"]
    await shop.life.outbox.retry([refused.sequence])
    await shop.drain()
    assert list(simulated.state.shops[SHOP].orders) == ["B", "C", "A"]


NUMBERS = {
    "the next number": "UPDATE outbox SET next_sequence = 2000000000000000000",
    "the number of a submission": "UPDATE submission SET id = 9223372036854775807",
    "the number of items": "UPDATE submission SET items = 9223372036854775807",
    "when it was accepted": "UPDATE item SET accepted_s = 1e15",
}


@pytest.mark.parametrize("statement", NUMBERS.values(), ids=NUMBERS)
async def test_a_number_that_cannot_be_true_changes_nothing_for_new_items(shop: Shop, statement: str) -> None:
    await submit(shop.life.outbox, order("A"), key="k")
    await shop.close()
    with closing(sqlite3.connect(shop.path)) as connection, connection:
        assert connection.execute(statement).rowcount == 1
    await shop.open()
    assert shop.life.uptime.now() < 600
    [number] = await submit(shop.life.outbox, order("B"))
    assert 2 <= number <= 3
    await shop.drain()


async def test_content_without_an_item_is_in_the_way_of_no_new_item(shop: Shop) -> None:
    with closing(sqlite3.connect(shop.path)) as connection, connection:
        connection.execute("INSERT INTO item_content VALUES (1, 'left by damage')")
    assert await submit(shop.life.outbox, order("A")) == [1]
    await shop.drain()
    assert await shop.states() == ["delivered"]


async def test_an_item_that_fails_in_a_way_nobody_foresaw_is_refused_in_the_end(
    simulated: SimulatedCloud, make_client: MakeClient, tmp_path: Path
) -> None:
    class BrokenAtB(CloudClient):
        """A client with a bug that one order meets."""

        async def call(self, call: Call) -> Any:
            if '"B"' in call.fields.get("order_list", ""):
                raise KeyError("a bug")
            return await super().call(call)

    whole = make_client(simulated)
    broken = BrokenAtB(whole._settings, whole.clock)
    shop = Shop(tmp_path / "gateway.db", broken)
    await shop.open()
    try:
        for number in "ABCD":
            await submit(shop.life.outbox, order(number))
        await shop.drain()
        assert await shop.states() == ["delivered", "refused", "delivered", "delivered"]
        meaning = (await shop.life.outbox.item(2)).outcome.meaning
        assert meaning == "the gateway failed to send it: KeyError: 'a bug'"
    finally:
        await shop.close()
        await broken.close()


async def test_a_database_that_fails_for_a_while_ends_nothing(shop: Shop, supervisor: Supervisor) -> None:
    """The worker meets an error of SQLite that no code foresees, and goes on when it is over."""
    await submit(shop.life.outbox, order("A"))
    await shop.life.database.transact(lambda connection: connection.execute("ALTER TABLE item RENAME TO elsewhere"))
    worker = OutboxWorker(shop.client, shop.life.outbox, supervisor)
    worker.start()
    await until(lambda: supervisor.reports()[0].failures >= 3)
    [report] = supervisor.reports()
    assert (report.name, report.state) == ("outbox worker", "failing")
    assert "no such table" in (report.last_failure or "")
    await shop.life.database.transact(lambda connection: connection.execute("ALTER TABLE elsewhere RENAME TO item"))
    await until(lambda: not shop.life.outbox.depth)
    assert supervisor.reports()[0].state == "running"
    await worker.close()
