"""The shelf: a price change is on its labels, and nothing is pushed without need."""

import contextlib
import re
import sqlite3
from decimal import Decimal

import pytest

from gateway.errors import Conflict
from gateway.labels import confirmation, updater
from gateway.labels.label import DrawnLabel
from gateway.labels.label_health_table import EXPIRY_ALARM_S
from gateway.products.schedule_table import TimedPrice
from gateway.simulator.cloud_state import SimulatedShop
from tests.labels.shelf import CODE, DAY, HOUR, START, Shelf, list_pushes, product

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


async def test_a_label_is_bound_drawn_pushed_and_confirmed(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show("SKDI39DN", 1)
    [label] = await shelf.settle()
    assert (label.state, label.problem, label.model) == ("shown", "", "SL121")
    assert label.esl_id == shelf.labels["SKDI39DN"].esl_id
    assert label.shown_at is not None


async def test_a_price_change_is_pushed_and_what_looks_the_same_is_not(shelf: Shelf) -> None:
    await shelf.take(product(1), product(2))
    await shelf.show("SKDI39DN", 1)
    await shelf.show("SKDI39DM", 2)
    first = {label.name: label.shown_hash for label in await shelf.settle()}
    assert await shelf.count_pushes() == 2
    await shelf.take(product(1, price=Decimal("2.90")), product(2, seq_num="7"))
    second = {label.name: label.shown_hash for label in await shelf.settle()}
    assert await shelf.count_pushes() == 3
    assert first["SKDI39DN"] != second["SKDI39DN"]
    assert first["SKDI39DM"] == second["SKDI39DM"]


async def test_while_the_cloud_is_away_the_newest_picture_alone_waits(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.store.cloud.stop()
    for price in ("2.90", "2.80", "2.70"):
        await shelf.take(product(1, price=Decimal(price)))
        await shelf.until(lambda labels: not labels[0].is_stale and labels[0].state == "sent")
    await shelf.restart()
    await shelf.take(product(1, price=Decimal("2.60")))
    await shelf.until(lambda labels: not labels[0].is_stale and labels[0].state == "sent")
    newest = (await shelf.label(CODE)).pixel_hash
    await shelf.store.cloud.start()
    [label] = await shelf.settle()
    assert (label.state, label.shown_hash) == ("shown", newest)
    states = [item.state for item in await list_pushes(shelf)]
    assert states == ["delivered", "superseded", "superseded", "superseded", "delivered"]


async def test_a_label_may_be_bound_while_the_cloud_is_away(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "CLOUD_RETRY_S", 0.05)
    await shelf.store.cloud.stop()
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.until(lambda labels: not labels[0].is_stale)
    assert await shelf.picture(CODE), "it is drawn"
    await shelf.store.cloud.start()
    [label] = await shelf.settle()
    assert label.state == "shown"


async def test_what_goes_back_to_what_is_shown_is_not_pushed(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.show(CODE, 1, template="member_price", model="SL121")
    await shelf.show(CODE, 1)
    [label] = await shelf.settle()
    pushes = await shelf.count_pushes()
    assert pushes in (1, 3), "the other picture was not pushed, or both were"
    assert label.state == "shown"


async def test_a_product_that_is_gone_or_not_there_yet_is_said(shelf: Shelf) -> None:
    await shelf.show(CODE, 1)
    [label] = await shelf.settle()
    assert label.state == "failed"
    assert "0001" in label.problem
    assert (await shelf.event("labels.failed"))["label"] == CODE
    await shelf.restart()
    await shelf.take(product(1))
    await shelf.until(lambda labels: labels[0].state == "shown")
    assert (await shelf.event("labels.recovered"))["labels"] == 1
    await shelf.take(product(2))
    [label] = await shelf.until(lambda labels: labels[0].state == "failed")
    assert label.shown_hash, "it still shows the product, and that is known"


async def test_a_model_that_no_document_lists_has_to_be_said(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    shelf.labels[CODE].model = "SL121+"
    await shelf.table.delete((await shelf.label(CODE)).number)
    await shelf.show(CODE, 1, model="")
    [label] = await shelf.settle()
    assert label.state == "failed"
    assert "SL121+" in label.problem
    await shelf.show(CODE, 1, model="SL121")
    [label] = await shelf.settle()
    assert label.state == "shown"


async def test_one_label_has_one_name(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    [label] = await shelf.settle()
    await shelf.show(label.esl_id, 1, template="member_price")
    labels = await shelf.settle()
    assert [(one.name, one.template) for one in labels] == [(CODE, "member_price")]


@pytest.mark.parametrize("is_code_last", [False, True])
async def test_a_label_that_is_bound_by_code_and_by_id_is_one_and_the_last_word_holds(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, is_code_last: bool
) -> None:
    monkeypatch.setattr(confirmation, "CLOUD_RETRY_S", 0.05)
    names = {"SKDI0001": 1, shelf.labels["SKDI0001"].esl_id: 2}
    await shelf.take(product(1), product(2), product(3))
    await shelf.store.cloud.stop()
    for name, number in sorted(names.items(), key=lambda one: (len(one[0]) == 8) is is_code_last):
        await shelf.show(name, number)
    await shelf.store.cloud.start()
    await shelf.until(lambda labels: len(labels) == 1)
    [label] = await shelf.settle()
    assert (label.state, label.problem) == ("shown", "")
    assert label.product_id == ("0001" if is_code_last else "0002")
    for name in names:
        await shelf.show(name, 3)
        assert [one.product_id for one in await shelf.settle()] == ["0003"]
    await shelf.gateway.labels.updater.delete(next(iter(names)))
    assert not await shelf.settle()


async def test_what_is_said_again_is_not_pushed_again(shelf: Shelf) -> None:
    shelf.store.cloud.faults.access_points_offline = True
    await shelf.take(product(1))
    for _ in range(3):
        await shelf.show(CODE, 1)
        await shelf.until(lambda labels: labels[0].state == "pushed" and not labels[0].is_stale)
    assert await shelf.count_pushes() == 1


async def test_eight_digits_that_are_one_labels_id_and_anothers_code_are_the_name_that_was_given(shelf: Shelf) -> None:
    await shelf.take(product(1), product(2))
    for name, number, esl_id, code in (("SKDI0001", 1, "12345678", "SKDI0001"), ("7", 2, "7", "12345678")):
        await shelf.show(name, number)
        await shelf.table.store_identity((await shelf.label(name)).number, esl_id=esl_id, esl_code=code, model="SL121")
    await shelf.show("12345678", 2)
    assert (await shelf.label("12345678")).name == "SKDI0001"


async def test_a_label_of_another_shop_is_said_with_what_to_do(shelf: Shelf) -> None:
    await shelf.take(product(1))
    state = shelf.store.cloud.state
    state.shops["999"] = SimulatedShop("999")
    state.add_label("999", code="SKDIELSE")
    await shelf.show("SKDIELSE", 1, model="")
    [label] = await shelf.settle()
    assert label.problem == "it belongs to another shop at the cloud: unbind it there, then try it again here"
    esl_id, found = state.shops["999"].labels.popitem()
    state.unbound_labels[esl_id] = found
    await shelf.gateway.labels.updater.verify("SKDIELSE")
    assert (await shelf.until(lambda labels: labels[0].state == "shown"))[0].esl_id == esl_id


async def test_a_label_of_the_vendors_templates_is_left_alone(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.gateway.labels.updater.leave_to_vendor(CODE)
    await shelf.take(product(1, price=Decimal("2.90")))
    await shelf.gateway.labels.updater.verify()
    await shelf.show("SKDI39DM", 1)
    await shelf.until(lambda labels: labels[1].state == "shown")
    assert (await shelf.label(CODE)).state == "vendor"
    assert await shelf.count_pushes() == 2


async def test_a_picture_that_a_person_drops_or_replaces_is_said(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.store.cloud.stop()
    await shelf.take(product(1, price=Decimal("2.90")))
    [label] = await shelf.until(lambda labels: labels[0].state == "sent")
    assert label.item is not None
    await shelf.gateway.outbox.drop([label.item])
    [label] = await shelf.until(lambda labels: labels[0].state == "failed")
    assert "dropped" in label.problem
    await shelf.store.cloud.start()
    await shelf.gateway.labels.updater.verify(CODE)
    await shelf.until(lambda labels: labels[0].state == "shown")


async def test_a_crash_between_outbox_and_label_pushes_again(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.store.cloud.stop()
    await shelf.take(product(1, price=Decimal("2.90")))
    await shelf.until(lambda labels: labels[0].state == "sent")
    await shelf.gateway.close()
    with contextlib.closing(sqlite3.connect(shelf.database)) as connection, connection:
        connection.execute("UPDATE label SET state = 'waiting', item = NULL")
    await shelf.store.cloud.start()
    await shelf.open()
    [label] = await shelf.settle()
    assert (label.state, label.shown_hash) == ("shown", label.pixel_hash)


async def test_a_promotion_is_on_the_label_for_its_time(shelf: Shelf) -> None:
    await shelf.let_pass(0)
    await shelf.take(product(1))
    await shelf.show(CODE, 1, template="promotion")
    usual = (await shelf.settle())[0].shown_hash
    cheap = TimedPrice("0001", {"promote_price": Decimal("2.50")}, START + HOUR, START + DAY)
    await shelf.take(product(1), timed=[cheap])
    await shelf.let_pass(HOUR + 60)
    [label] = await shelf.until(lambda labels: labels[0].state == "shown" and labels[0].shown_hash != usual)
    assert label.shown_until == START + DAY
    await shelf.let_pass(DAY)
    [label] = await shelf.until(lambda labels: labels[0].state == "shown" and labels[0].shown_until is None)
    assert label.shown_hash == usual


async def test_no_ended_price_goes_to_a_label_after_days_without_power(shelf: Shelf) -> None:
    await shelf.let_pass(0)
    await shelf.take(product(1))
    await shelf.show(CODE, 1, template="promotion")
    usual = (await shelf.settle())[0].shown_hash
    await shelf.store.cloud.stop()
    cheap = TimedPrice("0001", {"promote_price": Decimal("2.50")}, 0, START + DAY)
    await shelf.take(product(1), timed=[cheap])
    [label] = await shelf.until(lambda labels: labels[0].state == "sent" and not labels[0].is_stale)
    assert label.valid_until == START + DAY
    promotion = label.item
    await shelf.gateway.close()
    shelf.ahead_s += 3 * DAY
    await shelf.open()
    await shelf.store.cloud.start()
    await shelf.gateway.cloud.learn_time()
    [label] = await shelf.settle()
    assert (label.state, label.shown_hash) == ("shown", usual)
    delivered = {item.sequence for item in await list_pushes(shelf) if item.state == "delivered"}
    assert promotion not in delivered, "it never went out"


async def test_an_ended_price_that_stays_on_a_label_is_an_alarm(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updater, "CHECK_INTERVAL_S", 0.05)
    await shelf.let_pass(0)
    cheap = TimedPrice("0001", {"promote_price": Decimal("2.50")}, 0, START + DAY)
    await shelf.take(product(1), timed=[cheap])
    await shelf.show(CODE, 1, template="promotion")
    [label] = await shelf.settle()
    assert label.shown_until == START + DAY
    await shelf.store.cloud.stop()
    await shelf.let_pass(DAY + HOUR)
    assert (await shelf.event("labels.prices_expired"))["label"] == CODE


async def test_a_change_that_comes_while_a_label_is_drawn_is_drawn_too(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    [old] = await shelf.settle()
    await shelf.gateway.labels.close()
    await shelf.take(product(1, price=Decimal("2.90")))
    [stale] = await shelf.table.find_stale(10, None)
    await shelf.take(product(1, price=Decimal("2.80")))
    drawn = DrawnLabel(stale.label.number, b"", "2.90", None, [], stale.label.changes)
    await shelf.table.store_drawn([drawn])
    [label] = await shelf.table.list_of("0001")
    assert label.is_stale, "2.80 is not drawn yet"
    assert old.shown_hash == label.shown_hash
    await shelf.restart()
    [label] = await shelf.settle()
    assert label.shown_hash == shelf.labels[CODE].shown_hash != old.shown_hash


async def test_without_a_shop_no_label_is_taken(shelf: Shelf) -> None:
    await shelf.gateway.close()
    text = shelf.file.read_text(encoding="utf-8")
    shelf.file.write_text(re.sub("(?m)^(shop_id|sunmi_shop_no) = .*$", "", text), encoding="utf-8")
    await shelf.open()
    with pytest.raises(Conflict, match=r"cloud\.shop_id"):
        await shelf.show(CODE, 1)


async def test_the_reason_of_a_failure_stays_when_the_cloud_names_the_label(shelf: Shelf) -> None:
    await shelf.show("SKDI39DN", 9)
    [label] = await shelf.settle()
    assert label.problem == "no list has the product '0009'"
    await shelf.table.store_identity(label.number, esl_id="129206", esl_code="SKDI39DN", model="SL121")
    assert (await shelf.label("SKDI39DN")).problem == label.problem


def count_drawn(shelf: Shelf) -> float:
    """Return how many pictures were drawn so far."""
    return shelf.gateway.labels.updater.metrics.label_pictures["drawn"].value


async def test_a_promotion_that_is_extended_is_no_expired_price(shelf: Shelf) -> None:
    await shelf.let_pass(0)
    price = {"promote_price": Decimal("2.50")}
    await shelf.take(product(1), timed=[TimedPrice("0001", price, START, START + HOUR)])
    await shelf.show(CODE, 1, template="promotion")
    [label] = await shelf.settle()
    assert label.shown_until == START + HOUR
    await shelf.take(product(1), timed=[TimedPrice("0001", price, START, START + DAY)])
    for number in range(3):
        await shelf.take(product(1), timed=[TimedPrice("0001", price, START, START + DAY)])
        await shelf.settle()
        if number == 1:
            changes = count_drawn(shelf)
    assert count_drawn(shelf) == changes, "a list that says the same draws nothing"
    await shelf.let_pass(HOUR)
    await shelf.until(lambda labels: labels[0].shown_until == START + DAY and labels[0].state == "shown")
    await shelf.let_pass(EXPIRY_ALARM_S + 1)
    shelf.gateway.labels.updater.wake()
    await shelf.show("SKDI39DM", 1, template="promotion")
    await shelf.settle()
    assert "labels.prices_expired" not in [event.type for event in shelf.events]
