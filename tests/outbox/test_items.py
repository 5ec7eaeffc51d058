"""The outbox in the database by itself: what is kept, in what order and company it is handed out, and what goes."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Conflict, NotFound, OutboxFull
from gateway.outbox.batching import MAX_BATCH_BYTES, combine, split
from gateway.outbox.model import Batch, Outcome
from gateway.outbox.outbox import Outbox
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.protocol.parameters import FilePart
from tests.outbox.opened import ACCOUNT, OpenedOutbox, all_items, submit

DAY_S = 86400.0
DELIVERED = Outcome("delivered", 0, "success")
REFUSED = Outcome("refused", 5047, "invalid order")
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (212).to_bytes(4) + (104).to_bytes(4)

Reopen = Callable[..., Awaitable[Outbox]]


def made(path: str, **arguments: Any) -> Call:
    files = {"pic": FilePart("p.png", "image/png", arguments.pop("pic"))} if "pic" in arguments else {}
    return CATALOGUE.get("cloud", path).encode(arguments, files=files, defaults={"shop_id": "10096"})


def order(*numbers: str, **more: Any) -> Call:
    return made("order/update", order_list=[{"order_no": number, **more} for number in numbers])


def product(action: str, *products: dict[str, str]) -> Call:
    return made(f"product/{action}", product_list=list(products))


async def keep(outbox: Outbox, *calls: Call, key: str | None = None, by: str = "till") -> list[int]:
    """Hand over calls; return the numbers of their items."""
    return [number for call in calls for number in await submit(outbox, call, token=by, key=key)]


async def take(outbox: Outbox, most: int = 1000) -> Batch | None:
    return await outbox.claim(lambda _: most)


async def take_all(outbox: Outbox, most: int = 1000) -> list[Batch]:
    found = []
    while (batch := await take(outbox, most)) is not None:
        found.append(batch)
    return found


def told(batch: Batch | None) -> tuple[str, list[Any]]:
    """Return what a batch is: the endpoint, and the content of its parcels."""
    assert batch is not None
    return batch.endpoint.path, [json.loads(entry.text) for entry in batch.entries]


async def end(outbox: Outbox, fate: Outcome = DELIVERED) -> None:
    """Give everything that waits a fate."""
    while (batch := await take(outbox)) is not None:
        await outbox.settle(batch, dict.fromkeys(batch.sequences, fate))


async def states(outbox: Outbox) -> list[str]:
    return [entry.state for entry in await all_items(outbox)]


@pytest.fixture
async def reopen(tmp_path: Path) -> AsyncIterator[Reopen]:
    """Open the outbox, as in another life of the gateway: `running_s` seconds of running later."""
    path = tmp_path / "gateway.db"
    opened: list[OpenedOutbox] = []

    async def close() -> None:
        for life in opened:
            await life.close()
        opened.clear()

    async def again(running_s: float = 0.0, max_bytes: int = 1 << 30) -> Outbox:
        await close()
        if running_s:
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("UPDATE uptime SET seconds = seconds + ?", (running_s,))
        opened.append(await OpenedOutbox.open(path, max_bytes=max_bytes))
        return opened[-1].outbox

    yield again
    await close()


@pytest.fixture
async def outbox(reopen: Reopen) -> Outbox:
    return await reopen()


async def test_orders_of_one_number_go_one_after_the_other_and_others_together(outbox: Outbox) -> None:
    await keep(outbox, order("A", v=1), order("B", v=1), order("A", v=2), order("C", v=1))
    first = await take(outbox)
    assert told(first)[1] == [{"order_no": name, "v": 1} for name in "ABC"]
    assert await take(outbox) is None, "the second A waits for the first"
    assert first is not None
    await outbox.settle(first, dict.fromkeys(first.sequences, DELIVERED))
    assert told(await take(outbox))[1] == [{"order_no": "A", "v": 2}]


async def test_orders_go_before_a_load_of_products_and_a_flash_before_both(outbox: Outbox) -> None:
    await keep(
        outbox, product("create", {"id": "7", "name": "Cola"}), order("A"), made("device/esl/flashLed", esl_id="1")
    )
    assert [told(batch)[0] for batch in await take_all(outbox)] == [
        "device/esl/flashLed", "order/update", "product/create",
    ]  # fmt: skip


async def test_updates_of_a_product_merge_and_create_and_delete_are_barriers(outbox: Outbox) -> None:
    await keep(
        outbox,
        product("update", {"id": "7", "name": "Cola", "unit": "l"}, {"id": "8", "unit": "kg"}),
        product("update", {"id": "7", "price": "1.20"}),
        made("product/delete", product_key_list=["7"]),
        product("update", {"id": "7", "unit": "cl"}),
    )
    merged = {"id": "7", "name": "Cola", "unit": "l", "price": "1.20"}
    first = await take(outbox)
    assert told(first) == ("product/update", [merged, {"id": "8", "unit": "kg"}])
    assert first is not None
    assert [entry.sequences for entry in first.entries] == [[1, 3], [2]]
    await outbox.settle(first, dict.fromkeys(first.sequences, DELIVERED))
    second = await take(outbox)
    assert told(second) == ("product/delete", ["7"])
    assert second is not None
    await outbox.settle(second, dict.fromkeys(second.sequences, DELIVERED))
    assert told(await take(outbox)) == ("product/update", [{"id": "7", "unit": "cl"}])


async def test_an_update_that_clears_a_field_goes_behind_the_one_that_gave_it(outbox: Outbox) -> None:
    await keep(
        outbox,
        product("update", {"id": "7", "price": "5"}, {"id": "8", "unit": "kg"}),
        product("update", {"id": "7", "price": ""}, {"id": "8", "price": ""}),
        product("update", {"id": "7", "price": "6"}, {"id": "8", "unit": "g"}),
    )
    sent = []
    while (batch := await take(outbox)) is not None:
        assert await take(outbox) is None, "what is left waits for what was sent"
        sent.append((told(batch)[1], [entry.sequences for entry in batch.entries]))
        await outbox.settle(batch, dict.fromkeys(batch.sequences, DELIVERED))
    assert sent == [
        ([{"id": "7", "price": "5"}, {"id": "8", "unit": "g", "price": ""}], [[1], [2, 4, 6]]),
        ([{"id": "7", "price": "6"}], [[3, 5]]),
    ]
    assert outbox.depth == 0


async def test_who_goes_alone_is_not_merged(outbox: Outbox) -> None:
    await keep(outbox, product("update", {"id": "7", "unit": "l"}), product("update", {"id": "7", "unit": "cl"}))
    assert told(await take(outbox, most=1)) == ("product/update", [{"id": "7", "unit": "l"}])


async def test_only_whole_values_are_superseded_and_not_across_a_barrier(outbox: Outbox) -> None:
    def picture(label: str, text: bytes) -> Call:
        return made("device/esl/pushImage", esl_id=label, pic=PNG + text)

    bind = made("product/bindEsl", esl_id="1", product_id="7", template_id="1")
    await keep(outbox, picture("1", b"a"), picture("2", b"b"), picture("1", b"c"), bind, picture("1", b"d"))
    assert await states(outbox) == ["superseded", "waiting", "waiting", "waiting", "waiting"]
    assert outbox.depth == 4
    assert await outbox.files(1) == {}, "the picture of a superseded item goes"
    sending = await take(outbox)
    assert told(sending)[1] == [{"esl_id": "2"}]
    assert sending is not None
    assert sending.files["pic"].data == PNG + b"b"
    await keep(outbox, picture("2", b"e"))
    assert (await states(outbox))[1] == "sending", "what is under way is not superseded"


async def test_who_waits_is_told_that_a_newer_one_took_the_place(outbox: Outbox) -> None:
    older = made("product/updateTemplate", product_id="7", template_id="1")
    waiting = asyncio.create_task(outbox.submit(older, token="till", wait_s=30))
    while not outbox.depth:
        await asyncio.sleep(0.001)
    await keep(outbox, made("product/updateTemplate", product_id="7", template_id="2"))
    assert (await waiting).state == "superseded"


async def test_a_call_holds_a_megabyte_at_most(outbox: Outbox) -> None:
    await keep(outbox, *(order(str(number), remark="x" * 150_000) for number in range(10)))
    batches = await take_all(outbox)
    assert [len(batch.entries) for batch in batches] == [6, 4]
    for batch in batches:
        assert len(combine(batch, {}).fields["order_list"]) < MAX_BATCH_BYTES


async def test_what_was_being_sent_waits_again_in_the_next_life(outbox: Outbox, reopen: Reopen) -> None:
    await keep(outbox, order("A", v=1), order("A", v=2), order("B"))
    assert await take(outbox) is not None
    assert await states(outbox) == ["sending", "waiting", "sending"]
    outbox = await reopen()
    assert await states(outbox) == ["waiting"] * 3
    assert outbox.depth == 3
    assert told(await take(outbox))[1] == [{"order_no": "A", "v": 1}, {"order_no": "B"}]


async def test_a_release_counts_the_attempt_and_keeps_the_order(outbox: Outbox) -> None:
    await keep(outbox, order("A", v=1), order("A", v=2))
    for _ in range(3):
        batch = await take(outbox)
        assert told(batch)[1] == [{"order_no": "A", "v": 1}]
        assert batch is not None
        outbox.release(batch, attempted=True)
    await end(outbox)
    assert [(await outbox.item(number, None)).attempts for number in (1, 2)] == [4, 1]


async def test_a_create_may_wait_on_as_an_update_and_merges_with_those_behind_it(outbox: Outbox) -> None:
    await keep(outbox, product("create", {"id": "7", "name": "Cola"}), product("update", {"id": "7", "unit": "l"}))
    batch = await take(outbox)
    assert told(batch)[0] == "product/create"
    assert batch is not None
    await outbox.settle(batch, {1: Outcome("waiting", result_list="exist_list", redirect_to="product/update")})
    assert told(await take(outbox)) == ("product/update", [{"id": "7", "name": "Cola", "unit": "l"}])
    assert (await outbox.item(1, None)).path == "product/create", "it is what was handed over"


async def test_it_expires_by_running_time_alone(outbox: Outbox, reopen: Reopen) -> None:
    await keep(outbox, made("device/esl/flashLed", esl_id="1"), order("A"))
    assert 50 < (outbox.next_expiry_in_s() or 0) <= 60
    outbox = await reopen(running_s=50)
    await outbox.expire()
    assert await states(outbox) == ["waiting", "waiting"]
    outbox = await reopen(running_s=11)
    assert outbox.next_expiry_in_s() == 0
    assert told(await take(outbox))[0] == "order/update", "what has expired is not sent, even before it is ended"
    await outbox.expire()
    assert await states(outbox) == ["expired", "sending"]
    assert outbox.next_expiry_in_s() is None
    await outbox.retry([1])
    await outbox.expire()
    assert (await states(outbox))[0] == "waiting"
    assert 50 < (outbox.next_expiry_in_s() or 0) <= 60, "a retry gives it a new minute"


async def test_what_is_done_is_pruned_by_running_time_and_refused_ones_stay(outbox: Outbox, reopen: Reopen) -> None:
    await keep(outbox, order("done"), key="k")
    await end(outbox)
    await keep(outbox, order("refused"))
    await end(outbox, REFUSED)
    await keep(outbox, order("waiting"))
    outbox = await reopen(running_s=7.9 * DAY_S)
    await outbox.prune()
    assert await states(outbox) == ["delivered", "refused", "waiting"]
    assert await keep(outbox, order("done"), key="k") == [1], "a repeat after a week is still known"
    with pytest.raises(Conflict, match="was used for another call"):
        await keep(outbox, order("other"), key="k")
    outbox = await reopen(running_s=0.2 * DAY_S)
    await outbox.prune()
    assert await states(outbox) == ["refused", "waiting"]
    [again] = await keep(outbox, order("done"), key="k")
    assert again > 3, "numbers are never given twice"
    outbox = await reopen(running_s=400 * DAY_S)
    await outbox.prune()
    assert await states(outbox) == ["refused", "waiting", "waiting"]


async def test_numbers_are_never_given_twice_even_when_all_is_gone(outbox: Outbox, reopen: Reopen) -> None:
    numbers = await keep(outbox, order("A"), order("B"))
    await end(outbox)
    outbox = await reopen(running_s=9 * DAY_S)
    await outbox.prune()
    assert await states(outbox) == []
    outbox = await reopen()
    assert (await keep(outbox, order("A")))[0] > max(numbers)


async def test_the_file_shrinks_when_what_is_done_goes(outbox: Outbox, reopen: Reopen, tmp_path: Path) -> None:
    await keep(outbox, *(order(str(number), remark="x" * 100_000) for number in range(60)))
    await end(outbox)
    outbox = await reopen(running_s=9 * DAY_S)
    full = (tmp_path / "gateway.db").stat().st_size
    assert full > 6_000_000
    await outbox.prune()
    outbox = await reopen()
    assert (tmp_path / "gateway.db").stat().st_size < 300_000
    assert (await outbox.stats()).depth == 0


async def test_it_is_full_before_it_has_more_than_it_may(reopen: Reopen, tmp_path: Path) -> None:
    most = 2_000_000
    outbox = await reopen(max_bytes=most)
    with pytest.raises(OutboxFull, match="no room"):
        await keep(outbox, *(order(str(number), remark="x" * 100_000) for number in range(100)))
    assert 10 < outbox.depth < 20
    await keep(outbox, order("small"))
    with pytest.raises(OutboxFull):
        await keep(outbox, order("large", remark="x" * 300_000))
    refused = await take(outbox, most=1)
    assert refused is not None
    await outbox.settle(refused, dict.fromkeys(refused.sequences, REFUSED))
    with pytest.raises(OutboxFull):
        await keep(outbox, order("100", remark="x" * 100_000))
    await end(outbox)
    await keep(outbox, *(order(f"{number} again", remark="x" * 100_000) for number in range(10)))
    outbox = await reopen(max_bytes=most)
    assert (tmp_path / "gateway.db").stat().st_size <= most + 100_000
    known = await all_items(outbox)
    lost = [entry.sequence for entry in known if entry.text is None]
    assert lost, "the content of what is done has made room"
    assert {entry.state for entry in known if entry.sequence in lost} == {"delivered"}


async def test_a_full_outbox_takes_nothing_of_a_call(reopen: Reopen) -> None:
    outbox = await reopen(max_bytes=300_000)
    with pytest.raises(OutboxFull):
        await keep(outbox, order("A", "B", "C", remark="x" * 150_000), key="k")
    assert await states(outbox) == []
    assert await keep(outbox, order("A"), key="k"), "the key is free: nothing of that call was accepted"


async def test_a_refused_one_is_retried_edited_or_dropped(outbox: Outbox) -> None:
    await keep(outbox, order("A"), order("B"), order("C"))
    await end(outbox, REFUSED)
    assert outbox.depth == 0
    await outbox.retry([1])
    shared, [edited] = split(ACCOUNT.without_shop(order("B", v=2)))
    await outbox.edit(2, shared, edited)
    await outbox.drop([3])
    assert await states(outbox) == ["waiting", "waiting"]
    assert told(await take(outbox))[1] == [{"order_no": "A"}, {"order_no": "B", "v": 2}]
    with pytest.raises(NotFound):
        await outbox.item(3, None)
    with pytest.raises(Conflict, match="is being sent"):
        await outbox.drop([1])
    with pytest.raises(Conflict, match="only refused and expired"):
        await outbox.retry([1])


async def test_an_old_refused_one_does_not_undo_a_newer_one(outbox: Outbox) -> None:
    await keep(outbox, order("A", v=1))
    await end(outbox, REFUSED)
    await keep(outbox, order("A", v=2))
    await outbox.retry([1])
    batch = await take(outbox)
    assert told(batch)[1] == [{"order_no": "A", "v": 1}], "while the newer one waits, the older goes before it"
    assert batch is not None
    await outbox.settle(batch, dict.fromkeys(batch.sequences, REFUSED))
    await end(outbox)
    with pytest.raises(Conflict, match="would be undone"):
        await outbox.retry([1])


async def test_content_tells_a_repeat_of_an_order_but_only_of_orders(outbox: Outbox) -> None:
    assert await keep(outbox, order("A", a=1, b=2)) == [1]
    again = made("order/update", order_list=[{"b": 2, "a": 1, "order_no": "A"}])
    assert await keep(outbox, again) == [1]
    await end(outbox)
    assert await keep(outbox, again) == [1], "also when it is delivered"
    assert await keep(outbox, order("A", a=1, b=3)) == [2]
    template = made("product/updateTemplate", product_id="7", template_id="1")
    first, second = await keep(outbox, template, template)
    assert first != second


async def test_a_repeat_is_told_among_thousands(reopen: Reopen) -> None:
    outbox = await reopen()
    numbers = await keep(outbox, order(*(f"N{number}" for number in range(2500))))
    assert numbers == list(range(1, 2501))
    for _ in range(2):
        assert await keep(outbox, order("N0"), order("N1200"), order("N2499")) == [1, 1201, 2500]
        outbox = await reopen()


async def test_keys_of_one_token_are_apart_from_those_of_others(outbox: Outbox) -> None:
    [mine] = await keep(outbox, order("A"), key="k", by="till 1")
    [theirs] = await keep(outbox, order("B"), key="k", by="till 2")
    assert mine != theirs
    assert await keep(outbox, order("A"), key="k", by="till 1") == [mine]
    with pytest.raises(NotFound):
        await outbox.item(theirs, "till 1")
