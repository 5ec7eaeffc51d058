"""Items belong to the account for which they were accepted, however often the settings change."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cloud.client import CloudClient
from gateway.errors import Conflict
from gateway.outbox.account import UNKNOWN_ACCOUNT, Account
from gateway.outbox.account_table import Proof
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
    proof = outbox.accounts.find_proof(order("any"))
    assert proof is Proof.SHOP
    await outbox.accounts.store_proof(proof)


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
    assert [str(other) for other in await outbox.accounts.count_held()] == [f"1 for {UAT}"]
    outbox = await open_outbox(UAT)
    assert await outbox.accounts.count_held() == []
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
        assert await outbox.accounts.count_held() == [], account
    outbox = await open_outbox(Account(UAT.base_url, APP_ID, "", "S2"))
    assert [other.items for other in await outbox.accounts.count_held()] == [1]


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
        await worker.close()  # the call that has found it out may be settled only now
        states: list[str] = [item.state for item in await all_items(life.outbox)]
        await life.close()
        return states

    wrong = Account(cloud.base_url, APP_ID, "7", "")
    assert await relay(wrong, "1") == ["waiting"]
    right = replace(wrong, shop_id=SHOP_ID)
    assert await relay(right) == ["delivered"]
    assert list(cloud.state.shops[SHOP_ID].orders) == ["1"]
    life = await OpenedOutbox.open(tmp_path / "gateway.db", account=right)
    assert life.outbox.accounts.find_proof(order("any")) is None
    await life.close()


async def test_lost_descriptions_of_accounts_change_nobodys_items(open_outbox: Open, tmp_path: Path) -> None:
    """As when the page of the table was damaged."""
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("held"), token="till")
    outbox = await open_outbox(RELEASE)
    await prove(outbox)
    await outbox.submit(order("own"), token="till")
    outbox = await open_outbox(RELEASE)  # which ends the life before
    await outbox.close()
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection, connection:
        connection.execute("DELETE FROM account")
    outbox = await open_outbox(RELEASE)
    assert await deliver(outbox) == ["own"]
    assert await shown(outbox) == {1: ("waiting", UNKNOWN_ACCOUNT), 2: ("delivered", None)}


async def test_a_key_used_for_a_mistaken_account_is_nobodys_afterwards(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1"), token="till", idempotency_key="K")
    outbox = await open_outbox(replace(UAT, app_id="wrong"))
    await outbox.submit(order("2"), token="till", idempotency_key="K")
    outbox = await open_outbox(UAT)
    assert await deliver(outbox) == ["1", "2"]
    outbox = await open_outbox(RELEASE)
    await outbox.submit(order("2"), token="till", idempotency_key="K")
    assert await deliver(outbox) == ["2"]


async def test_an_account_whose_calls_name_their_shop_is_proved_too(open_outbox: Open) -> None:
    outbox = await open_outbox(replace(UAT, shop_id=""))
    await outbox.submit(order("1"), token="till")
    assert outbox.accounts.find_proof(order("any")) is Proof.SHOP
    await outbox.accounts.store_proof(Proof.SHOP)
    outbox = await open_outbox(RELEASE)
    assert await deliver(outbox) == []


async def test_a_wrong_shop_of_a_right_application_follows_only_its_mending(open_outbox: Open) -> None:
    """The cloud has accepted calls that name another shop, so it knows the application."""
    wrong = replace(UAT, shop_id="7")
    outbox = await open_outbox(wrong)
    await outbox.submit(order("1", wrong), token="till")
    assert outbox.accounts.find_proof(order("any")) is Proof.APPLICATION
    await outbox.accounts.store_proof(Proof.APPLICATION)
    outbox = await open_outbox(RELEASE)
    assert await deliver(outbox) == []
    outbox = await open_outbox(UAT)
    assert await deliver(outbox) == ["1"]


async def test_a_key_that_may_be_of_either_of_two_shops_is_of_neither(open_outbox: Open) -> None:
    for account in (UAT, replace(UAT, shop_id="7")):
        outbox = await open_outbox(account)
        await outbox.accounts.store_proof(Proof.SHOP)
        await outbox.submit(order("1", account), token="till")
    outbox = await open_outbox(Account(UAT.base_url, APP_ID, "", "S1"))
    assert await deliver(outbox) == []
    outbox = await open_outbox(Account(UAT.base_url, APP_ID, SHOP_ID, "S1"))
    assert await deliver(outbox) == ["1"]


async def test_the_order_of_one_number_is_kept_when_the_settings_name_the_shop_later(open_outbox: Open) -> None:
    outbox = await open_outbox(replace(UAT, shop_id=""))
    await outbox.submit(order("1", received_amount="1.00"), token="till")
    outbox = await open_outbox(UAT)
    await outbox.submit(order("1", received_amount="2.00"), token="till")
    first = await outbox.claim(lambda _: 1000)
    assert first is not None
    assert first.sequences == [1]
    assert await outbox.claim(lambda _: 1000) is None


async def test_what_waits_still_goes_to_its_shop_when_the_settings_name_none(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await outbox.submit(order("1"), token="till")
    outbox = await open_outbox(replace(UAT, shop_id=""))
    assert outbox.accounts.current.shop["shop_id"] == SHOP_ID


async def test_moving_undoes_nothing_that_is_being_sent_and_keeps_keys(open_outbox: Open) -> None:
    outbox = await open_outbox(UAT)
    await prove(outbox)
    await outbox.submit(order("1", received_amount="1.00"), token="till")
    await outbox.submit(order("2"), token="till", idempotency_key="K")
    outbox = await open_outbox(RELEASE)
    await outbox.submit(order("1", received_amount="2.00"), token="till")
    flying = await outbox.claim(lambda _: 1000)
    assert flying is not None
    assert (await outbox.move_to_current())._asdict() == {"released": 1, "outdated": 1}
    assert await deliver(outbox) == ["2"]
    await outbox.submit(order("2"), token="till", idempotency_key="K")
    assert await deliver(outbox) == []
