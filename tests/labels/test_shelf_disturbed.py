"""The shelf while somebody disturbs it: files, rows and labels that change behind the gateway's back."""

import asyncio
import contextlib
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.api.labels import _describe_label
from gateway.labels import draw, drawing, template, template_folder, updater
from gateway.labels.cloud_labels import CloudLabel, CloudLabels
from gateway.labels.label_rows import read_label
from gateway.labels.label_table import LabelTable
from gateway.labels.template import TEMPLATE_FOLDER
from gateway.products.schedule_table import TimedPrice
from tests.labels.shelf import CODE, DAY, HOUR, START, Shelf, list_pushes, product

# A gateway that dies in the middle of a TLS handshake leaves the server a transport that asyncio itself forgets.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_template_that_changes_on_the_disk_is_drawn(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    monkeypatch.setattr(updater, "CHECK_INTERVAL_S", 0.05)
    monkeypatch.setattr(template_folder, "_SETTLE_S", 0.1)
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    [label] = await shelf.settle()
    included = label.shown_hash
    folder = shelf.gateway.labels.templates.path
    if not is_running:
        await shelf.gateway.close()
    folder.mkdir(exist_ok=True)
    (folder / "price.toml").write_bytes((TEMPLATE_FOLDER / "promotion.toml").read_bytes())
    if not is_running:
        await shelf.open()
    await shelf.until(lambda labels: labels[0].state == "shown" and labels[0].shown_hash != included)
    (folder / "price.toml").unlink()
    await shelf.until(lambda labels: labels[0].state == "shown" and labels[0].shown_hash == included)


async def test_an_update_of_the_gateway_draws_the_labels_again(shelf: Shelf, tmp_path: Path) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    [label] = await shelf.settle()
    pushes = await shelf.count_pushes()
    await shelf.gateway.close()
    templates = tmp_path / "included"
    shutil.copytree(TEMPLATE_FOLDER, templates)
    (templates / "price.toml").write_bytes((TEMPLATE_FOLDER / "promotion.toml").read_bytes())
    with pytest.MonkeyPatch.context() as later_version:
        for module in (template, template_folder, drawing):
            later_version.setattr(module, "TEMPLATE_FOLDER", templates)
        template.load_included_templates.cache_clear()
        await shelf.open()
        await shelf.until(lambda labels: labels[0].state == "shown" and labels[0].shown_hash != label.shown_hash)
        await shelf.restart()
        await shelf.settle()
        assert await shelf.count_pushes() == pushes + 1
        await shelf.gateway.close()
    template.load_included_templates.cache_clear()
    await shelf.open()


async def test_many_labels_that_fail_are_one_event(shelf: Shelf) -> None:
    await shelf.gateway.labels.close()
    count = 2 * updater.DRAWN_AT_ONCE + 1
    for number in range(count):
        await shelf.show(f"SK{number:06}", 1)
    await shelf.restart()
    assert (await shelf.event("labels.failed"))["labels"] == count
    assert [event.type for event in shelf.events].count("labels.failed") == 1


async def test_what_the_cloud_says_of_a_forgotten_label_meets_no_other(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    identify = CloudLabels.identify

    async def forget_meanwhile(cloud_labels: CloudLabels, name: str, *, now: int) -> CloudLabel:
        found = await identify(cloud_labels, name, now=now)
        if name == CODE:
            await shelf.gateway.labels.updater.delete(CODE)
            await shelf.show("SKDI39DM", 1)
        return found

    monkeypatch.setattr(CloudLabels, "identify", forget_meanwhile)
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.until(lambda labels: bool(labels) and labels[0].state == "shown")
    assert (await shelf.label("SKDI39DM")).esl_id == shelf.labels["SKDI39DM"].esl_id
    assert not shelf.labels[CODE].shown_hash


async def test_a_label_that_breaks_the_drawing_stops_no_other(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_label = draw.draw_label

    def break_one(template: object, model: object, content: object, fonts: object) -> object:
        if getattr(content, "id") == "0001":  # noqa: B009
            raise RuntimeError("out of ink")
        return draw_label(template, model, content, fonts)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(drawing, "draw_label", break_one)
    await shelf.take(product(1), product(2))
    await shelf.show(CODE, 1)
    await shelf.show("SKDI39DM", 2)
    labels = {label.name: label for label in await shelf.settle()}
    assert labels["SKDI39DM"].state == "shown"
    assert labels[CODE].state == "failed"
    assert "out of ink" in labels[CODE].problem


async def test_a_damaged_row_hides_no_label(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.gateway.close()
    for column in ("reading", "reports", "problem"):
        for damage in ('{"contact_at": "x", "status": true}', "[" * 5000, "[]", "7", '["x", {"a": 1}]', "\x00"):
            with contextlib.closing(sqlite3.connect(shelf.database)) as connection, connection:
                connection.row_factory = sqlite3.Row
                connection.execute(f"UPDATE label SET {column} = ?", (damage,))  # noqa: S608
                [row] = connection.execute("SELECT * FROM label")
            document = _describe_label(read_label(row), None)
            assert document["state"] == "shown"
    await shelf.open()


async def test_a_picture_waits_for_the_product_that_is_being_drawn(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    async with shelf.gateway.labels.updater._drawing:
        storing = asyncio.create_task(shelf.gateway.labels.updater.leave_to_vendor(CODE))
        await asyncio.sleep(0)
        await shelf.label(CODE)
        assert not storing.done()
    assert (await storing).state == "vendor"


async def test_a_kill_while_a_picture_is_handed_over_leaves_no_expired_price_on_the_shelf(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never_return(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    await shelf.let_pass(0)
    promotion = TimedPrice("0001", {"promote_price": Decimal("2.50")}, START + HOUR, START + DAY)
    await shelf.take(product(1), timed=[promotion])
    await shelf.show(CODE, 1, template="promotion")
    [usual] = await shelf.settle()
    await shelf.store.cloud.stop()
    with monkeypatch.context() as kill:
        kill.setattr(LabelTable, "store_sent", never_return)
        await shelf.let_pass(HOUR)
        while len(await list_pushes(shelf)) < 2:
            await asyncio.sleep(0.02)
        await shelf.gateway.close()
    shelf.ahead_s += 2 * DAY
    await shelf.open()
    assert [item.state for item in await list_pushes(shelf)] == ["delivered"], "it does not wait for the cloud any more"
    await shelf.store.cloud.start()
    await shelf.until(lambda labels: labels[0].state == "shown" and not labels[0].is_stale)
    assert shelf.labels[CODE].picture_hash == usual.pixel_hash


async def test_a_label_that_is_left_to_the_vendor_gets_no_picture_that_waited(shelf: Shelf) -> None:
    await shelf.take(product(1))
    await shelf.show(CODE, 1)
    await shelf.settle()
    await shelf.store.cloud.stop()
    await shelf.take(product(1, price=Decimal("2.50")))
    await shelf.until(lambda labels: labels[0].state == "sent")
    await shelf.gateway.labels.updater.leave_to_vendor(CODE)
    assert [item.state for item in await list_pushes(shelf)] == ["delivered"]
    await shelf.store.cloud.start()
