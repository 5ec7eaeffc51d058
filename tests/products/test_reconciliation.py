"""Reconciling: what somebody changed at the vendor's site is seen, and mended on command."""

import asyncio
from decimal import Decimal

import pytest

from gateway.errors import Conflict
from gateway.products.reconciliation import Reconciliation, _read_rows
from gateway.products.reconciliation_table import ReconciliationTable
from gateway.simulator.cloud_handlers import products as simulated_products
from tests.products.test_mirror import Shop, product, shop  # noqa: F401  fixture

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DAY = 86400


def find_memory(shop: Shop) -> ReconciliationTable:  # noqa: F811
    gateway = shop.gateway
    return ReconciliationTable(gateway.database, account=lambda: gateway.outbox.accounts.number)


async def compare(shop: Shop, *, mend: bool = False, delete_foreign: bool = False) -> Reconciliation:  # noqa: F811
    reconciler = shop.gateway.reconciler
    reconciler.begin(mend=mend, delete_foreign=delete_foreign)
    with pytest.raises(Conflict, match="already"):
        reconciler.begin(mend=False, delete_foreign=False)
    while reconciler.last.state == "running":
        await asyncio.sleep(0.01)
    return reconciler.last


async def test_what_is_in_effect_is_no_difference(shop: Shop) -> None:  # noqa: F811
    await shop.take(*(product(number, bar_code="6901234567892") for number in range(250)))
    await shop.settle()
    result = await compare(shop)
    assert (result.state, result.compared, result.has_differences) == ("done", 250, False)


async def test_what_somebody_changed_is_seen_and_mended(shop: Shop) -> None:  # noqa: F811
    await shop.take(*(product(number) for number in range(6)))
    await shop.settle()
    shop.products.pop("0001")
    shop.products["0002"]["price"] = Decimal("9.99")
    shop.products["0003"]["name"] = "Kola"
    shop.cloud.state.shops[shop.store.shop_id].product_times["x"] = 0
    shop.products["x"] = {"id": "x", "name": "A guest"}
    seen = await compare(shop)
    assert (seen.missing, seen.foreign, seen.mended) == (["0001"], ["x"], 0)
    assert [(one.product_id, one.field, one.confirmed, one.found) for one in seen.different] == [
        ("0002", "price", "3.20", "9.99"),
        ("0003", "name", "Cola 3", "Kola"),
    ]
    assert (await compare(shop, mend=True)).mended == 3
    await shop.settle()
    assert (shop.products["0001"]["name"], shop.products["0003"]["name"]) == ("Cola 1", "Cola 3")
    assert Decimal(shop.products["0002"]["price"]) == Decimal("3.20")
    assert "x" in shop.products
    assert (await compare(shop, mend=True, delete_foreign=True)).mended == 1
    await shop.settle()
    assert set(shop.products) == {f"{number:04}" for number in range(6)}
    assert not (await compare(shop)).has_differences


async def test_prices_and_numbers_that_are_none_are_differences(
    shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices = ("sNaN", "NaN", "-Infinity", "1E+999999", "free", "-1", "9" * 500, True)
    await shop.take(*(product(number) for number in range(len(prices))))
    await shop.settle()
    monkeypatch.setattr(simulated_products, "_build_row", lambda row, names: {name: row.get(name) for name in names})
    for number, price in enumerate(prices):
        shop.products[f"{number:04}"]["price"] = price
    state = shop.cloud.state.shops[shop.store.shop_id]
    state.product_times[""] = 0
    shop.products[""] = {"id": "", "name": "A guest without a number"}
    seen = await compare(shop)
    assert (seen.state, seen.missing) == ("done", [])
    assert len({one.product_id for one in seen.different}) == len(prices)
    assert (await compare(shop, mend=True, delete_foreign=True)).state == "done"
    await shop.settle()
    assert {str(shop.products[f"{number:04}"]["price"]) for number in range(len(prices))} == {"3.20"}


def test_half_a_surrogate_pair_does_not_stop_a_comparison() -> None:
    rows = [{"id": "1", "name": "\ud800", "price": "sNaN"}, {"id": "\ud800", "name": "a"}, {"id": None}, None]
    assert _read_rows(rows) == {"1": {"name": "?", "price": None}}


async def test_a_row_without_a_number_ends_no_comparison(shop: Shop) -> None:  # noqa: F811
    await shop.take(*(product(number) for number in range(150)))
    await shop.settle()
    others = dict(shop.products)
    shop.products.clear()
    shop.products.update({"": {"id": "", "name": "a"}, **others})
    shop.cloud.state.shops[shop.store.shop_id].product_times[""] = 1
    result = await compare(shop)
    assert (result.compared, result.missing) == (150, [])


async def test_a_cloud_that_is_away_is_said(shop: Shop) -> None:  # noqa: F811
    await shop.cloud.stop()
    result = await compare(shop)
    assert result.state == "failed"
    assert result.reason


async def test_a_gateway_that_is_restarted_every_day_compares_once_a_week(shop: Shop) -> None:  # noqa: F811
    await shop.gateway.reconciler.compare_weekly()
    assert await find_memory(shop).find_last() is None, "there are no products yet"
    await shop.take(product(1))
    await shop.settle()
    now = int(shop.gateway.clock.now())
    states = []
    for last in (None, now - 6 * DAY, now - 8 * DAY, None, now + DAY):
        if last is not None:
            await find_memory(shop).store(last)
        await shop.close()
        await shop.open()
        await shop.gateway.reconciler.compare_weekly()
        states.append(shop.gateway.reconciler.last.state)
        assert ((await find_memory(shop).find_last() or 0) >= now) is (last != now - 6 * DAY)
    assert states == ["never", "never", "done", "never", "never"]
    await find_memory(shop).store(now - 8 * DAY)
    await shop.cloud.stop()
    await shop.gateway.reconciler.compare_weekly()
    assert shop.gateway.reconciler.last.state == "failed"
    assert await find_memory(shop).find_last() == now - 8 * DAY, "it is tried again"
