"""Labels: those that do not show what they should, their batteries, the font, and the shop's templates."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import RELEASED_AT
from gateway.app import Gateway
from gateway.doctor.check import Finding
from gateway.labels import fonts
from gateway.labels.fonts import Fonts
from gateway.labels.label_table import LabelTable
from gateway.storage.state_directory import LABEL_TEMPLATES_FOLDER

NOW = int(RELEASED_AT) + 1_000_000
"""Any time after the release: the cloud's, where a test says so."""


async def add(gateway: Gateway, *names: str) -> None:
    table = LabelTable(gateway.database, account=lambda: gateway.outbox.accounts.number)
    for name in names:
        await table.store(name, model="SL121", content="product", product_id="1", template="price", now=NOW)
    await gateway.database.execute("UPDATE label SET state = 'shown', changes = 0")


async def change(gateway: Gateway, name: str, **columns: Any) -> None:
    sets = ", ".join(f"{column} = ?" for column in columns)
    await gateway.database.execute(f"UPDATE label SET {sets} WHERE name = ?", (*columns.values(), name))  # noqa: S608


async def look(doctor: Any, position: int = 0) -> Finding:
    """Return one finding of the check. The last is on the font."""
    findings: list[Finding] = (await doctor("labels"))["labels"]
    return findings[position]


async def test_without_labels_nothing_is_said_and_nothing_that_draws_is_imported(
    gateway: Gateway, resident: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gateway.labels.fonts", None)  # an import would fail
    monkeypatch.setitem(sys.modules, "gateway.labels.parts", None)
    assert (await resident.one("labels")).status == "skipped"


async def test_each_kind_of_problem_is_counted_and_names_a_label(gateway: Gateway, resident: Any) -> None:
    await add(gateway, "A1", "A2", "A3", "A4", "A5", "A6", "B1")
    found = await look(resident)
    assert (found.status, found.what) == ("ok", "7 of 7 labels show what they should")
    gateway.clock.set(NOW)
    await change(gateway, "A1", state="failed", problem='"no list has the product"')
    await change(gateway, "A2", state="pushed", problem='"it did not confirm"')
    await change(gateway, "A3", reading=json.dumps({"read_at": NOW, "contact_at": NOW - 90_000, "battery": 19}))
    await change(gateway, "A4", reading=json.dumps({"read_at": NOW, "contact_at": NOW - 60, "battery": 20}))
    await change(gateway, "A5", shown_until=NOW - 600)
    await change(gateway, "A6", reading="{damaged")
    await change(gateway, "B1", state="vendor", reading=json.dumps({"battery": 1}))
    findings: list[Finding] = (await resident("labels"))["labels"][:-1]
    assert [(one.status, one.what, one.evidence) for one in findings] == [
        ("failed", "1 label shows a price that has ended: customers read a wrong price", "A5"),
        ("failed", "1 label does not show what it should", "A1: no list has the product"),
        (
            "warning",
            "1 label has not confirmed its picture within 300 s, or did not take it",
            "A2: it did not confirm",
        ),
        ("warning", "no access point has heard 1 label for more than a day", "A3"),
        ("warning", "the battery of 1 label is below 20 %", "A3"),
    ]
    assert all(one.what_to_do for one in findings)


async def test_without_a_time_to_trust_no_price_is_said_to_have_ended(gateway: Gateway, resident: Any) -> None:
    await add(gateway, "A1")
    await change(gateway, "A1", shown_until=1)
    assert (await look(resident)).status == "ok"


async def test_labels_that_wait_for_a_person_after_a_restore(gateway: Gateway, resident: Any) -> None:
    await add(gateway, "A1")
    gateway.outbox.held = True
    found = await look(resident)
    assert (found.status, "outbox release" in found.what_to_do) == ("warning", True)


@pytest.fixture
def other_font(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let this machine have no font but the one inside Pillow."""
    return lambda: monkeypatch.setattr(fonts, "SYSTEM_FONTS", ())


async def test_the_font_is_named_and_one_without_chinese_signs_is_said(
    gateway: Gateway, resident: Any, other_font: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(gateway, "A1")
    monkeypatch.setattr(Fonts, "has", lambda self, sign: True)
    found = await look(resident, -1)
    assert (found.status, "drawn with the font" in found.what) == ("ok", True)
    monkeypatch.undo()
    other_font()
    found = await look(resident, -1)
    assert (found.status, "has no Chinese signs" in found.what) == ("warning", True)
    assert "apt install fonts-wqy-microhei" in found.what_to_do


async def test_a_font_that_cannot_be_read_is_named(gateway: Gateway, with_settings: Any, tmp_path: Path) -> None:
    await add(gateway, "A1")
    doctor = with_settings(labels__font=f"{tmp_path}/none.ttf")
    doctor.gateway = gateway
    found = await look(doctor, -1)
    assert (found.status, "none.ttf" in found.evidence, "labels.font" in found.what_to_do) == ("failed", True, True)


async def test_templates_that_cannot_be_used_are_named(gateway: Gateway, resident: Any) -> None:
    await add(gateway, "A1")
    folder = gateway.directory.path / LABEL_TEMPLATES_FOLDER
    folder.mkdir()
    box = 'kind = "text"\nfield = "name"\nx = 0\ny = 0\nheight = 20\nfont_size = 12\nwidth = 90\n'
    (folder / "sale.toml").write_text(f"[boxes.name]\n{box}")
    assert len((await resident("labels"))["labels"]) == 2, "only labels and font are found"
    (folder / "broken.toml").write_text("[boxes\n")
    found = await look(resident, 1)
    assert (found.status, "broken.toml" in found.evidence) == ("failed", True)
