"""Items belong to the account for which they were accepted, however often the settings change."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.client import CloudClient
from gateway.errors import Conflict
from gateway.outbox.account import Account
from gateway.outbox.model import Outcome
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call
from gateway.simulator.account import APP_ID, SHOPS
from gateway.simulator.cloud import SimulatedCloud
from tests.outbox.opened import OpenedOutbox, all_items
from tests.waiting import until

MakeClient = Callable[..., CloudClient]
Open = Callable[[Account], Awaitable[Outbox]]
SHOP_ID = next(iter(SHOPS))
UAT = Account("https://uat.invalid", APP_ID, SHOP_ID, "")
RELEASE = replace(UAT, base_url="https://release.invalid")
DELIVERED = Outcome("delivered", 0)


@pytest.fixture
async def open_outbox(tmp_path: Path) -> AsyncIterator[Open]:
    """Open the outbox with the account of changed settings, after the life before has ended."""
    lives: list[OpenedOutbox] = []

    async def open_one(account: Account) -> Outbox:
        if lives:
            await lives[-1].close()
        lives.append(await OpenedOutbox.open(tmp_path / "gateway.db", account=account))
        return lives[-1].outbox

    yield open_one
    await lives[-1].close()


def order(number: str, account: Account = UAT, **more: Any) -> Call:
    """Make a call as the route does, with the shop of the settings."""
    arguments = {"order_list": [{"order_no": number, **more}]}
    return CATALOGUE.get("cloud", "order/update").encode(arguments, defaults=account.shop)


async def prove(outbox: Outbox) -> None:
    """Let the cloud have accepted a call of the account."""
    assert outbox.accounts.is_proved_by(order("any"))
    await outbox.accounts.prove()


async def deliver(outbox: Outbox) -> list[str]:
    """Send what can be sent; return the numbers of the orders."""
    sent = []
    while (batch := await outbox.claim(lambda _: 1000)) is not None:
        sent += [entry.reference for entry in batch.entries]
        await outbox.settle(batch, dict.fromkeys(batch.sequences, DELIVERED))
    return sent


async def shown(outbox: Outbox) -> dict[int, tuple[str, str | None]]:
    """Return state and other account of each item."""
    return {item.sequence: (item.state, item.describe()["held_for"]) for item in await all_items(outbox)}


async def test_what_waits_for_a_proved_account_is_never_sent_for_another(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1"), token="till")
    outbox = await open_outbox(RELEASE)
    assert await deliver(outbox) == []
    assert await shown(outbox) == {1: ("waiting", str(UAT))}
    assert [str(other) for other in await outbox.accounts.held()] == [f"1 for {UAT}"]
    outbox = await open_outbox(UAT)
    assert await outbox.accounts.held() == []
    assert await deliver(outbox) == ["1"]


async def test_orders_and_keys_known_from_another_account_are_new(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1"), token="till")
    await outbox.submit(order("2"), token="till", idempotency_key="K")
    assert await deliver(outbox) == ["1", "2"]
    outbox = await open_outbox(RELEASE)
    await outbox.submit(order("1"), token="till")
    await outbox.submit(order("3"), token="till", idempotency_key="K")
    assert await deliver(outbox) == ["1", "3"]


@pytest.mark.parametrize(
    "mended",
    [RELEASE, replace(UAT, shop_id="7"), replace(UAT, app_id="another"), Account(UAT.base_url, APP_ID, "", "S7")],
    ids=["environment", "shop", "application", "key of the shop"],
)
async def test_items_of_an_account_that_the_cloud_never_accepted_follow_the_settings(
    open_outbox: Open, mended: Account
) -> None:
    outbox = await open_outbox(UAT)
    await outbox.submit(order("1"), token="till", idempotency_key="K")
    await outbox.submit(order("2"), token="till")
    [first, _] = await all_items(outbox)
    assert first.parameters is not None
    assert first.parameters["shop_id"] == SHOP_ID
    outbox = await open_outbox(mended)
    await outbox.submit(order("1", mended), token="till", idempotency_key="K")  # no other call, and no new one
    assert await deliver(outbox) == ["1", "2"]


async def test_the_newer_key_of_a_shop_is_no_new_account(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1"), token="till")
    for account in (Account(UAT.base_url, APP_ID, "", "S1"), Account(UAT.base_url, APP_ID, SHOP_ID, "S1"), UAT):
        outbox = await open_outbox(account)
        assert await outbox.accounts.held() == [], account
    outbox = await open_outbox(Account(UAT.base_url, APP_ID, "", "S2"))
    assert [other.items for other in await outbox.accounts.held()] == [1]


async def test_a_person_moves_what_is_held_to_the_current_account(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    for number in ("1", "2"):
        await outbox.submit(order(number), token="till")
    outbox = await open_outbox(RELEASE)
    await outbox.submit(order("2", received_amount="2.00"), token="till")
    assert await deliver(outbox) == ["2"]
    assert (await outbox.move_to_current())._asdict() == {"released": 1, "outdated": 1}
    assert await deliver(outbox) == ["1"]
    assert await shown(outbox) == {1: ("delivered", None), 2: ("waiting", str(UAT)), 3: ("delivered", None)}
    await outbox.drop([2])
    assert outbox.depth == 0


async def test_a_refused_item_of_another_account_is_not_retried(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1"), token="till")
    batch = await outbox.claim(lambda _: 1)
    assert batch is not None
    await outbox.settle(batch, {1: Outcome("refused", 1)})
    outbox = await open_outbox(RELEASE)
    with pytest.raises(Conflict, match=r"belongs to app_id .* at https://uat\.invalid"):
        await outbox.retry([1])
    assert (await outbox.move_to_current()).released == 0
    await outbox.retry([1])
    assert await deliver(outbox) == ["1"]


@pytest.fixture
async def cloud() -> AsyncIterator[SimulatedCloud]:
    simulated = SimulatedCloud()
    await simulated.start()
    yield simulated
    await simulated.stop()


async def test_an_account_is_proved_by_what_the_cloud_accepts(
    tmp_path: Path, cloud: SimulatedCloud, make_client: MakeClient
) -> None:
    async def relay(account: Account, *numbers: str) -> list[str]:
        """Let a life of the gateway send what it can; return the states of all items."""
        life = await OpenedOutbox.open(tmp_path / "gateway.db", account=account)
        worker = OutboxWorker(make_client(cloud), life.outbox, life.supervisor)
        for number in numbers:
            await life.outbox.submit(order(number, account), token="till")
        worker.start()
        await until(lambda: life.outbox.unreachable or not life.outbox.depth)
        states: list[str] = [item.state for item in await all_items(life.outbox)]
        await worker.close()
        await life.close()
        return states

    wrong = Account(cloud.base_url, APP_ID, "7", "")
    assert await relay(wrong, "1") == ["waiting"]
    right = replace(wrong, shop_id=SHOP_ID)
    assert await relay(right) == ["delivered"]
    assert list(cloud.state.shops[SHOP_ID].orders) == ["1"]
    life = await OpenedOutbox.open(tmp_path / "gateway.db", account=right)
    assert not life.outbox.accounts.is_proved_by(order("any"))
    await life.close()
