"""Products from the command line: a list is looked at, confirmed, taken, exported and compared with the cloud."""

import asyncio
import os
import pty
from pathlib import Path
from typing import Any

from gateway.simulator.store import SimulatedStore
from tests.cli.conftest import until_response

HEADING = "货号,品名,售价,Kasse"


def write_list(file: Path, *rows: str, heading: str = HEADING) -> str:
    file.write_text("\n".join((heading, *rows)), encoding="gbk")
    return str(file)


async def until_settled(command: Any, count: int) -> None:
    await until_response(command, "/api/v1/products?limit=1", lambda page: page["counts"]["settled"] == count)


async def test_a_list_is_previewed_taken_exported_and_compared(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    cloud = store.cloud.state.shops[store.shop_id].products
    file = write_list(tmp_path / "list.csv", "007,可乐,3.20,7", "008,茶,2.50,8", "009,Tee,-1,9")
    given = ("--source", "erp", "--map", "Kasse=spec")
    looked = await command("products", "import", file, "--dry-run", "--all-or-nothing", *given)
    assert looked.status == 1
    assert "nothing of the list can be taken before its bad rows are mended" in looked.errors
    assert "price: decimals stand after a point" in looked.errors
    heading, first = looked.output.splitlines()[:2]
    assert (heading.split(), first.split()) == (
        ["ROW", "id", "name", "price", "spec"],
        ["2", "007", "可乐", "3.20", "7"],
    )
    assert "new 2, changed 0, deleted 0" in looked.output
    assert "read as GBK" in looked.errors
    assert "1 row is bad" in looked.errors
    assert not cloud
    unmapped = await command("products", "import", file, "--dry-run", "--source", "erp", "--json")
    assert "spec" not in unmapped.json["columns"], "a preview saves no mapping"
    taken = await command("products", "import", file, *given, "--json")
    assert (taken.status, taken.json["bad_rows"]) == (1, 1)
    assert "the products of bad rows stay as they are" in taken.errors
    again = await command("products", "import", file, "--source", "erp", "--json")
    assert (again.json["columns"]["spec"], again.json["unchanged"]) == ("Kasse", 2), "the mapping was saved"
    assert (taken.json["taken"], taken.json["created"]) == (True, 2)
    await until_settled(command, 2)
    assert (cloud["007"]["name"], cloud["007"]["spec"]) == ("可乐", "7")

    listed = await command("products", "list", "可乐")
    assert "007" in listed.output
    assert "008" not in listed.output
    shown = await command("products", "show", "007", "--json")
    assert shown.json["confirmed"]["price"] == 3.20
    for kind in ("csv", "json"):
        exported = tmp_path / f"export.{kind}"
        assert (await command("products", "export", "--format", kind, "--output", str(exported))).status == 0
        again = await command("products", "import", str(exported), "--json")
        assert again.status == 0, again.errors
        assert (again.json["unchanged"], again.json["updated"], again.json["deleted"]) == (2, 0, 0)

    cloud["008"]["price"] = 9
    compared = await command("products", "reconcile")
    assert compared.status == 0, compared.errors
    assert "different 1" in compared.output
    assert (await command("products", "reconcile", "--mend", "--json")).json["mended"] == 1
    await until_settled(command, 2)
    assert str(cloud["008"]["price"]) == "2.50"


async def test_a_price_for_a_time_is_not_exported_as_one_that_stays(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    heading = "货号,品名,售价,促销价,valid_from,valid_until"
    file = write_list(tmp_path / "list.csv", "007,可乐,3.20,1.90,2020-01-01T00:00Z,2999-01-01T00:00Z", heading=heading)
    assert (await command("products", "import", file)).status == 0
    await until_response(
        command, "/api/v1/products/007", lambda shown: "promote_price" in (shown.get("confirmed") or {})
    )
    shown = (await command("products", "show", "007", "--json")).json
    assert (shown["wanted"]["promote_price"], shown["listed"]) == (1.9, {"id": "007", "name": "可乐", "price": 3.2})
    exported = tmp_path / "export.csv"
    assert (await command("products", "export", "--output", str(exported))).status == 0
    assert "promote_price" not in exported.read_text(encoding="utf-8-sig")
    again = await command("products", "import", str(exported), "--json")
    assert (again.json["unchanged"], again.json["updated"]) == (1, 0), again.errors


async def test_a_list_that_changes_much_is_taken_with_a_word_only(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    first = write_list(tmp_path / "first.csv", "007,可乐,3.20,7", "008,茶,2.50,8")
    assert (await command("products", "import", first)).status == 0
    second = write_list(tmp_path / "second.csv", "007,可乐,32.0,7")
    asked = await command("products", "import", second)
    assert asked.status == 1
    assert "nothing was taken: give --yes" in asked.errors
    assert "deleted: 008" in asked.errors
    kept = await command("products", "import", second, "--partial", "--yes", "--json")
    assert (kept.json["updated"], kept.json["deleted"]) == (1, 0)
    gone = await command("products", "import", second, "--yes")
    assert gone.status == 0, gone.errors
    assert "deleted 1" in gone.output


async def test_new_prices_alone_are_a_partial_list(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    assert (await command("products", "import", write_list(tmp_path / "1.csv", "007,可乐,3.20,7"))).status == 0
    prices = tmp_path / "prices.csv"
    prices.write_text("id,price\n007,3.10\n", encoding="utf-8")
    taken = await command("products", "import", str(prices), "--partial")
    assert taken.status == 0, taken.errors
    [product] = (await command("products", "list", "--json")).json["products"]
    assert product["wanted"]["name"] == "可乐"
    assert str(product["wanted"]["price"]) in ("3.1", "3.10")


async def test_what_a_person_confirms_is_what_was_shown(
    running: str, store: SimulatedStore, command: Any, tmp_path: Path
) -> None:
    assert (await command("products", "import", write_list(tmp_path / "1.csv", "007,可乐,3.20,7"))).status == 0
    dear = write_list(tmp_path / "2.csv", "007,可乐,32.0,7")
    dearer = write_list(tmp_path / "3.csv", "007,可乐,99.0,7")
    terminal, inner = pty.openpty()
    try:
        for meanwhile in (dearer, None):
            command.stdin = inner
            process = await command.begin("products", "import", dear)
            assert process.stderr is not None
            question = (await process.stderr.readuntil(b"[y/N]: ")).decode()
            assert "prices that change by more than half: 1" in question
            if meanwhile:
                command.stdin = asyncio.subprocess.DEVNULL
                assert (await command("products", "import", meanwhile, "--yes")).status == 0
            os.write(terminal, b"y\n")
            output, errors = await process.communicate()
            assert process.returncode == (1 if meanwhile else 0), errors
            assert (b"preview it again" in errors) is bool(meanwhile)
        assert b"changed 1" in output
    finally:
        os.close(inner)
        os.close(terminal)


async def test_what_cannot_be_taken_is_refused_by_its_place(command: Any, tmp_path: Path) -> None:
    no_price = write_list(tmp_path / "list.csv", "007,可乐", heading="货号,品名")
    refused = await command("products", "import", no_price)
    assert refused.status == 1
    assert "price: no column is known to be this" in refused.output
    bad = write_list(tmp_path / "bad.csv", "007,可乐,3.20,7", "007,茶,2.50,8")
    nothing = await command("products", "import", bad, "--all-or-nothing", "--json")
    assert nothing.status == 1
    assert [one["reason"].count("two products have this id") for one in nothing.json["errors"]] == [1, 1]
    unreadable = await command("products", "import", bad, "--map", "Kasse")
    assert (unreadable.status, unreadable.output) == (1, "map: write COLUMN=FIELD, not Kasse\n")
    assert (await command("products", "reconcile", "--delete-foreign")).status == 2
    assert "no product is like that" in (await command("products", "list")).errors


async def test_a_folder_is_watched(running: str, store: SimulatedStore, command: Any, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    for wrong in ((), ("--watch", str(folder), "--yes"), ("--watch", str(tmp_path / "none"))):
        assert (await command("products", "import", *wrong)).status == 2
    write_list(folder / "bad.csv", "007,可乐", heading="货号,品名")
    write_list(folder / "list.csv", "007,可乐,3.20,7", "008,茶,2.50,8")
    process = await command.begin("products", "import", "--watch", str(folder))
    assert process.stderr is not None
    said = ""
    while "list.csv was taken" not in said:
        said += (await process.stderr.readline()).decode()
    assert "bad.csv was not taken: price: no column is known to be this" in said
    process.terminate()
    await process.communicate()
    await until_settled(command, 2)
    again = await command("products", "import", str(folder / "list.csv"), "--json")
    assert again.json["unchanged"] == 2
