"""Rows that a damage cost: what a till hands over again comes to the cloud, with the same key and without one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.outbox.model import Outcome
from tests.outbox.opened import OpenedOutbox, submit
from tests.outbox.test_repeats import end, order, states

KEYS = pytest.mark.parametrize("key", ["k", None], ids=["key", "no-key"])
REFUSED = Outcome("refused", 5047, "invalid order")


@pytest.fixture
async def life(tmp_path: Path) -> AsyncIterator[OpenedOutbox]:
    opened = await OpenedOutbox.open(tmp_path / "gateway.db")
    yield opened
    await opened.close()


@KEYS
async def test_a_submission_without_any_of_its_items_is_accepted_anew(life: OpenedOutbox, key: str | None) -> None:
    both = order(("A", 1), ("B", 1))
    await submit(life.outbox, both, key=key)
    for table in ("item", "item_content"):
        await life.database.execute(f"DELETE FROM {table}")  # noqa: S608
    assert await submit(life.outbox, both, key=key) == [3, 4]
    assert await submit(life.outbox, both, key=key) == [3, 4]
    assert len(await end(life.outbox)) == 2


@KEYS
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM item_content WHERE sequence = 1",
        "UPDATE item_content SET text = CAST(x'7bff' AS TEXT) WHERE sequence = 1",
    ],
    ids=["lost", "not-text"],
)
@pytest.mark.parametrize("refused", [True, False])
async def test_lost_content_comes_from_the_repeat(
    life: OpenedOutbox, key: str | None, damage: str, *, refused: bool
) -> None:
    both = order(("A", 1), ("B", 1))
    await submit(life.outbox, both, key=key)
    await life.database.execute(damage)
    if refused:
        assert len(await end(life.outbox)) == 1
        assert await states(life.outbox) == ["refused", "delivered"]
        assert life.outbox.depth == 0
    assert await submit(life.outbox, both, key=key) == [1, 2]
    assert life.outbox.depth == (1 if refused else 2)
    assert len(await end(life.outbox)) == (1 if refused else 2)
    assert await states(life.outbox) == ["delivered", "delivered"]
    assert life.outbox.depth == 0


async def test_damaged_content_comes_from_the_repeat(life: OpenedOutbox) -> None:
    await submit(life.outbox, order(("A", 1)), key="k")
    await life.database.execute("UPDATE item_content SET text = CAST(x'7bff' AS TEXT)")
    await life.database.execute("UPDATE item SET shared = CAST(x'ff' AS TEXT)")
    assert await end(life.outbox) == []
    assert await submit(life.outbox, order(("A", 1)), key="k") == [1]
    assert len(await end(life.outbox)) == 1


async def test_what_the_cloud_refused_stays_refused_without_its_content(life: OpenedOutbox) -> None:
    await submit(life.outbox, order(("A", 1)), key="k")
    await end(life.outbox, REFUSED)
    await life.database.execute("DELETE FROM item_content")
    assert await submit(life.outbox, order(("A", 1)), key="k") == [1]
    assert await states(life.outbox) == ["refused"]


async def test_what_a_person_dropped_is_forgotten_with_its_key(life: OpenedOutbox) -> None:
    await submit(life.outbox, order(("A", 1), ("B", 1)), key="k")
    await life.outbox.drop([1])
    status = await life.outbox.submit(order(("A", 1), ("B", 1)), token="", idempotency_key="k")
    assert status.outbox_id == "s1", "a part is there, so the rest was dropped"
    await life.outbox.drop([2])
    assert await life.database.read("SELECT * FROM submission") == []
