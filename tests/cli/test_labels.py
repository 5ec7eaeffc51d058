"""Shelf labels from the command line: bound one by one and by a list, verified, pushed again, found and forgotten."""

from pathlib import Path
from typing import Any

from gateway.simulator.store import SimulatedStore


async def test_labels_are_bound_verified_pushed_and_forgotten(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    products = tmp_path / "products.csv"
    products.write_text("id,name,price\n007,可乐,3.20\n008,茶,2.50\n", encoding="utf-8")
    assert (await command("products", "import", str(products))).status == 0
    listed = tmp_path / "labels.csv"
    listed.write_text("价签,货号,模板\nSKDI39DN,007,\nskdi39dm,008,promotion\nSK,008,\n", encoding="gbk")
    bound = await command("labels", "bind", "--file", str(listed))
    assert (bound.status, "2 labels are bound" in bound.output) == (1, True), bound.output + bound.errors
    assert "eight letters and digits" in bound.output
    assert "1 row is bad" in bound.errors

    one = await command("labels", "bind", "SKDI39DM", "008", "--model", "SL121")
    assert (one.status, one.output) == (0, "SKDI39DM: waiting\n"), one.errors
    verified = await command("labels", "verify", "--timeout", "60", "--json")
    assert (verified.status, verified.json["counts"]["shown"]) == (0, 2), verified.output + verified.errors

    await command("labels", "push", "skdi39dn")
    assert (await command("labels", "verify", "skdi39dn", "--timeout", "60")).status == 0
    assert "可乐" in (await command("labels", "list", "007")).output
    shown = await command("labels", "show", "SKDI39DN", "--json")
    assert (shown.json["state"], shown.json["price"]) == ("shown", "3.20")
    assert shown.json["esl_id"] in store.cloud.state.shops[store.shop_id].labels
    assert (await command("labels", "flash", "SKDI39DN", "--colour", "red")).output == "SKDI39DN: it flashes now\n"
    picture = tmp_path / "label.png"
    assert (await command("labels", "picture", "SKDI39DN", str(picture))).status == 0
    assert picture.read_bytes().startswith(b"\x89PNG")

    wrong = await command("labels", "bind", "SKDI39DM", "--picture", str(listed))
    assert (wrong.status, "a PNG or JPEG picture" in wrong.errors) == (1, True), wrong.errors
    assert (await command("labels", "bind", "SKDI39DM", "008", "--picture", str(picture))).status == 2
    bound = await command("labels", "bind", "SKDI39DM", "--picture", str(picture), "--model", "SL121", "--json")
    assert (bound.status, bound.json["product_id"], bound.json["model"]) == (0, None, "SL121"), bound.errors
    assert (await command("labels", "verify", "SKDI39DM", "--timeout", "60")).status == 0
    assert (await command("labels", "leave", "SKDI39DM")).output == "SKDI39DM: vendor\n"
    assert (await command("labels", "push", "SKDI39DM")).status == 1

    template = await command("labels", "templates", "show", "price")
    (tmp_path / "ours.toml").write_text(template.output, encoding="utf-8")
    assert (await command("labels", "templates", "save", "ours", str(tmp_path / "ours.toml"))).output == "ours: saved\n"
    assert "ours" in (await command("labels", "templates", "list")).output
    assert (await command("labels", "templates", "delete", "ours")).status == 0
    assert (await command("labels", "unbind", "SKDI39DN")).output == "SKDI39DN: forgotten\n"
    assert "there is no label" in (await command("labels", "show", "SKDI39DN")).errors
