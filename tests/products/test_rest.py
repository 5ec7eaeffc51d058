"""Products over REST: lists in any form, previews, questions, and what each product is."""

import asyncio
import io
import json
import re
import resource
from pathlib import Path
from typing import Any

import pytest

from gateway.api import products
from gateway.app import Gateway
from gateway.errors import Conflict
from gateway.events.event import Event
from gateway.products.list_intake import ListOptions
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest, admin, gateway, installer, pos, session, store  # noqa: F401  fixtures
from tests.products.test_workbooks import save

CSV = "货号;品名;售价;促销价\n0001;可乐;3,20;\n0002;雪碧;2,90;2,50\n".encode("gb18030")


async def put_csv(rest: Rest, content: bytes, query: str = "") -> Any:
    headers = {"Content-Type": "text/csv"}
    return await rest("PUT", f"/api/v1/products{query}", data=content, headers=headers)


async def in_effect(rest: Rest, product_id: str) -> Any:
    while True:
        found = (await rest("GET", f"/api/v1/products/{product_id}")).body
        if found.get("state") in ("settled", "refused"):
            return found
        await asyncio.sleep(0.01)


async def test_a_list_as_a_chinese_spreadsheet_saves_it(
    gateway: Gateway,  # noqa: F811
    store: SimulatedStore,  # noqa: F811
    installer: Rest,  # noqa: F811
) -> None:
    gateway.outbox_worker.start()
    gateway.products.start()
    preview = (await put_csv(installer, CSV, "?dry_run=true")).body
    assert (preview["taken"], preview["created"], preview["encoding"]) == (False, 2, "GBK")
    assert (await installer("GET", "/api/v1/products")).body["products"] == []
    assert (await put_csv(installer, CSV)).body["taken"]
    found = await in_effect(installer, "0002")
    assert (found["name"], found["confirmed"]["price"], found["confirmed"]["promote_price"]) == ("雪碧", 2.9, 2.5)
    assert [(price["field"], price["value"]) for price in found["prices"]] == [
        ("promote_price", "2.50"),
        ("price", "2.90"),
    ]
    assert store.cloud.state.shops[store.shop_id].products["0001"]["name"] == "可乐"


async def test_a_list_for_which_the_disk_has_no_room_is_a_503_and_the_next_one_is_taken(
    gateway: Gateway,  # noqa: F811
    installer: Rest,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    gateway.products.start()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(2):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))  # the system refuses to write more into any file
        try:
            answer = await installer("PUT", "/api/v1/products", data=io.BytesIO(CSV + b"\n" * (3 << 20)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "overloaded", "30")
        assert "nothing can be written to the disk: File too large" in answer.body["detail"]
    [logged] = [record for record in caplog.records if "PUT /api/v1/products" in record.getMessage()]
    assert logged.exc_info is None
    assert (await put_csv(installer, CSV)).body["taken"]


async def test_a_list_leaves_room_on_the_disk(
    gateway: Gateway,  # noqa: F811
    installer: Rest,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway.products.start()
    monkeypatch.setattr(products, "MAX_LIST_BYTES", 2**60)
    answer = await put_csv(installer, CSV)
    assert (answer.status, answer.body["code"]) == (503, "overloaded")
    assert "the disk has no room" in answer.body["detail"]
    monkeypatch.undo()
    assert (await put_csv(installer, CSV)).body["taken"]


async def test_a_number_in_a_column_of_texts_is_its_text(
    gateway: Gateway,  # noqa: F811
    store: SimulatedStore,  # noqa: F811
    installer: Rest,  # noqa: F811
) -> None:
    gateway.outbox_worker.start()
    gateway.products.start()
    head, row = ("id", "name", "price", "spec", "unit", "qr_code"), (1, 4711, 3.2, 500, 1.5, -1)
    as_json = json.dumps({"products": [dict(zip(head, row, strict=True))]}).encode()
    for body in (as_json, save(head, row)):
        preview = await put_csv(installer, body, "?dry_run=true")
        assert (preview.status, preview.body.get("bad_rows")) == (200, 0), preview
        assert preview.body["first_rows"][0]["fields"]["name"] == "4711"
        assert (await put_csv(installer, body)).status == 200
    found = await in_effect(installer, "1")
    shown = {name: found["confirmed"][name] for name in ("name", "spec", "unit", "qr_code")}
    assert shown == {"name": "4711", "spec": "500", "unit": "1.5", "qr_code": "-1"}
    assert store.cloud.state.shops[store.shop_id].products["1"]["name"] == "4711"


async def test_some_products_change_some_fields(gateway: Gateway, pos: Rest, installer: Rest) -> None:  # noqa: F811
    gateway.outbox_worker.start()
    gateway.products.start()
    await put_csv(installer, CSV)
    body = {"products": [{"id": "0001", "price": "3.50"}]}
    changed = (await pos("PATCH", "/api/v1/products", body)).body
    assert (changed["updated"], changed["deleted"], changed["needs_confirmation"]) == (1, 0, False)
    assert (await in_effect(pos, "0001"))["confirmed"] == {"id": "0001", "name": "可乐", "price": 3.5}


async def test_a_list_says_which_values_it_takes_away(installer: Rest) -> None:  # noqa: F811
    await put_csv(installer, b"id,name,price,bar_code,unit\n1,a,1,4006381333931,kg\n2,b,1,,kg\n")
    prices = await put_csv(installer, b"id,name,price\n1,a,1.20\n2,b,1\n", "?dry_run=true")
    assert prices.body["notices"] == [
        "bar_code becomes empty for 1 product: the list gives none",
        "unit becomes empty for 2 products: the list gives none",
    ]


async def test_a_list_that_would_delete_much_is_a_conflict_until_it_is_confirmed(
    gateway: Gateway,  # noqa: F811
    installer: Rest,  # noqa: F811
) -> None:
    await put_csv(installer, CSV)
    one = CSV.splitlines(keepends=True)[0] + CSV.splitlines(keepends=True)[1]
    refused = await put_csv(installer, one)
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "would delete products: 1 of 2" in refused.body["detail"]
    assert (await put_csv(installer, one, "?confirm=yes")).body["errors"] == [
        {"parameter": "confirm", "reason": "must be true, false, or the digest of a dry run"}
    ]
    assert (await put_csv(installer, one, "?confirm=true")).body["deleted"] == 1


async def test_what_is_confirmed_is_what_was_shown(gateway: Gateway, installer: Rest) -> None:  # noqa: F811
    await put_csv(installer, CSV)
    cheap = "货号;品名;售价\n0001;可乐;0,32\n0002;雪碧;2,90\n".encode()
    preview = (await put_csv(installer, cheap, "?dry_run=true")).body
    assert (preview["needs_confirmation"], preview["large_price_changes"]) == (True, 1)
    refused = await put_csv(installer, cheap)
    assert (refused.status, refused.body["digest"]) == (409, preview["digest"])

    other = cheap.replace(b"0,32", b"0,03")
    stale = await put_csv(installer, other, f"?confirm={preview['digest']}")
    assert stale.status == 409
    assert "preview it again" in stale.body["detail"]
    assert "digest" not in stale.body

    await installer("PATCH", "/api/v1/products?confirm=true", {"products": [{"id": "0001", "price": "32.00"}]})
    stale = await put_csv(installer, cheap, f"?confirm={preview['digest']}")
    assert stale.status == 409, "the same list changes another price now"
    again = (await put_csv(installer, cheap, "?dry_run=true")).body
    taken = await put_csv(installer, cheap, f"?confirm={again['digest']}")
    assert (taken.status, taken.body["digest"]) == (200, again["digest"])
    assert taken.body["digest"] != (await put_csv(installer, cheap, "?dry_run=true")).body["digest"]


async def test_products_of_bad_rows_stay_and_others_are_deleted_as_usual(
    gateway: Gateway,  # noqa: F811
    installer: Rest,  # noqa: F811
) -> None:
    rows = [f"{number:04},Cola,3.20" for number in range(1, 6)]
    await put_csv(installer, "\n".join(["id,name,price", *rows]).encode())
    bad = b"id,name,price\n0001,Cola,-3\n0002,Cola,1\n0002,Cola,2\n0003,,3.20\n"
    report = (await put_csv(installer, bad, "?dry_run=true")).body
    assert (report["kind"], report["bad_rows"], report["first_deleted"]) == ("complete", 4, ["0004", "0005"])
    assert "products whose rows are bad stay as they are" in report["notices"]
    assert (report["faults"][0]["row"], report["faults"][0]["column"]) == (2, "price")
    whole = "?dry_run=true&all_or_nothing=true"
    assert (await put_csv(installer, bad, whole)).body["faults"] == report["faults"], "a preview names them anyway"
    refused = await put_csv(installer, bad, "?all_or_nothing=true")
    assert refused.status == 400
    assert refused.body["errors"][0]["parameter"] == "row 2, price"
    for row in (b",Cola,3.20\n", b"0001,Co,la,3.20\n", b'"=1",Cola,3.20\n'):
        report = (await put_csv(installer, bad + row, "?confirm=true")).body
        assert (report["kind"], report["deleted"]) == ("partial", 0), row
        assert "no product is deleted, since nobody knows which one the bad row 6 means" in report["notices"]
    assert (await put_csv(installer, bad, "?confirm=true")).body["deleted"] == 2
    assert (await installer("GET", "/api/v1/products/0003")).body["wanted"]["price"] == 3.2


async def test_a_report_shows_how_the_list_was_read(installer: Rest) -> None:  # noqa: F811
    rows = "".join(f"{number:04};Cola;1,25;;2026-12-24 08:00\n" for number in range(7))
    content = f"id;name;VK;促销价;valid_from\n{rows}".encode()
    report = (await put_csv(installer, content, "?dry_run=true&map=VK=price:comma&source=erp")).body
    assert (report["kind"], report["separator"], report["decimal"]) == ("complete", "semicolon", {"price": "comma"})
    assert report["bad_rows"] == 7, "the settings name no zone"
    assert [one["row"] for one in report["first_rows"]] == [2, 3, 4, 5, 6]
    assert report["first_rows"][0]["fields"] == {
        "id": "0000",
        "name": "Cola",
        "price": 1.25,
        "valid_from": "2026-12-24 08:00:00",
    }
    assert (await installer("GET", "/api/v1/product-mappings")).body["mappings"] == []


async def test_a_mapping_given_with_a_list_is_saved_once_it_was_taken(installer: Rest) -> None:  # noqa: F811
    content = b"id,Text,VK\n7,Tee,3.50\n"
    query = "?source=erp&map=Text=name&map=VK=price"
    refused = await put_csv(installer, content.replace(b"3.50", b"-1"), f"{query}&all_or_nothing=true")
    assert refused.status == 400
    assert (await installer("GET", "/api/v1/product-mappings")).body["mappings"] == []
    assert (await put_csv(installer, content, query)).status == 200
    [saved] = (await installer("GET", "/api/v1/product-mappings")).body["mappings"]
    assert (saved["source"], saved["columns"]) == ("erp", {"Text": "name", "VK": "price"})
    assert (await put_csv(installer, content.replace(b"VK", b"Preis"), "?source=erp&map=Preis=price")).status == 200
    [saved] = (await installer("GET", "/api/v1/product-mappings")).body["mappings"]
    assert saved["columns"] == {"Text": "name", "VK": "price", "Preis": "price"}
    wrong = await put_csv(installer, content, "?map=VK")
    assert wrong.body["errors"] == [{"parameter": "map", "reason": "write COLUMN=FIELD, not VK"}]


async def test_a_saved_mapping_reads_the_lists_of_its_source(installer: Rest) -> None:  # noqa: F811
    mapping = {"columns": {"Art": "id", "Text": "name", "VK": "price"}, "decimal": {"price": "comma"}}
    saved = await installer("PUT", "/api/v1/product-mappings/erp", mapping)
    assert (saved.status, saved.body["columns"]["VK"]) == (200, "price")
    report = (await put_csv(installer, b"Art;Text;VK\n7;Tee;1.234,50\n", "?source=erp")).body
    assert report["columns"] == {"id": "Art", "name": "Text", "price": "VK"}
    assert (await installer("GET", "/api/v1/products/7")).body["wanted"]["price"] == 1234.5
    assert [one["source"] for one in (await installer("GET", "/api/v1/product-mappings")).body["mappings"]] == ["erp"]
    assert (await installer("DELETE", "/api/v1/product-mappings/erp")).status == 204
    assert (await put_csv(installer, b"Art;Text;VK\n7;Tee;3,50\n", "?source=erp")).status == 400


async def test_a_file_is_not_taken_twice_with_the_same_content(gateway: Gateway, installer: Rest) -> None:  # noqa: F811
    events: list[Event] = []
    gateway.event_log.subscribe(events.extend)
    gateway.system_events.start()
    other = CSV + "0003;茶;1,00;\n".encode("gb18030")
    query = "?file=C:\\lists\\till.csv&source=till"
    assert (await put_csv(installer, CSV, f"{query}&dry_run=true")).body["taken"] is False
    assert (await put_csv(installer, CSV, query)).body["taken"]
    again = (await put_csv(installer, CSV, query)).body
    assert (again["taken"], again["unchanged"]) == (False, 2)
    known = "C:\\lists\\till.csv was handed over with this content before; nothing of it was taken now"
    assert known in again["notices"]
    assert (await put_csv(installer, other, query)).body["created"] == 1
    assert (await put_csv(installer, CSV, query)).status == 409, "it would delete one of three"
    assert (await put_csv(installer, CSV, "?confirm=true")).body["deleted"] == 1
    refused = await put_csv(installer, b"nothing", query)
    assert (await put_csv(installer, b"nothing", query)).body["errors"] == refused.body["errors"]
    while [event.type for event in events].count("products.list_refused") < 2:
        await asyncio.sleep(0.01)
    refusals = [json.loads(event.data) for event in events if event.type == "products.list_refused"]
    assert [one["file"] for one in refusals] == ["C:\\lists\\till.csv"] * 2, "each content once"


async def test_a_large_change_for_a_time_is_asked_about_once(installer: Rest) -> None:  # noqa: F811
    content = "id;name;price;valid_from;valid_until\n0001;Cola;{};{}\n"
    await put_csv(installer, content.format("3,20", ";").encode())
    cheap = content.format("0,32", "2800-01-01T00:00Z;2800-02-01T00:00Z").encode()
    refused = await put_csv(installer, cheap)
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert "more than half, that of 0001 from 3.20 to 0.32" in refused.body["detail"]
    assert (await put_csv(installer, cheap, f"?confirm={refused.body['digest']}")).status == 200
    assert (await put_csv(installer, cheap)).body["needs_confirmation"] is False, "it was confirmed before"
    ended = content.format("0,32", "2020-01-01T00:00Z;2020-02-01T00:00Z").encode()
    assert (await put_csv(installer, ended)).status == 200, "it never goes out"


async def test_products_are_searched_and_paged(installer: Rest) -> None:  # noqa: F811
    rows = "".join(f"{number:04},Cola {number},1.00\n" for number in range(7))
    await put_csv(installer, f"id,name,price\n{rows}".encode())
    page = (await installer("GET", "/api/v1/products?limit=5")).body
    assert [one["product_id"] for one in page["products"]] == ["0000", "0001", "0002", "0003", "0004"]
    rest = (await installer("GET", f"/api/v1/products?after={page['next']}")).body
    assert ([one["product_id"] for one in rest["products"]], rest["next"]) == (["0005", "0006"], None)
    found = (await installer("GET", "/api/v1/products?search=Cola 3")).body["products"]
    assert [one["product_id"] for one in found] == ["0003"]
    assert (await installer("GET", "/api/v1/products?search=%25")).body["products"] == []


async def test_only_who_may_change_the_whole_list_does(pos: Rest) -> None:  # noqa: F811
    assert (await put_csv(pos, CSV)).status == 403
    assert (await pos("GET", "/api/v1/products/none")).status == 404


async def test_prices_for_a_time_are_shown_and_deleted(gateway: Gateway, pos: Rest, installer: Rest) -> None:  # noqa: F811
    times = {"valid_from": "2031-12-01T08:00+08:00", "valid_until": "2031-12-31T20:00+08:00"}
    cola = {"id": "0001", "name": "可乐", "price": "3.20", "promote_price": "2.50", **times}
    new = {"id": "0002", "name": "雪碧", "price": "2.90", **times}
    local = {"id": "0003", "name": "茶", "price": "1", "promote_price": "0.50", "valid_until": "2031-12-31"}
    report = (await installer("PUT", "/api/v1/products", {"products": [cola, new, local]})).body
    assert (report["created"], report["timed_prices"], report["bad_rows"]) == (1, 1, 2)
    assert [(one["row"], one["field"]) for one in report["faults"]] == [(2, "valid_until"), (3, "valid_until")]
    shown = (await pos("GET", "/api/v1/products/0001")).body
    assert (shown["wanted"], shown["timed_prices"][0]["state"]) == (
        {"id": "0001", "name": "可乐", "price": 3.2},
        "waiting",
    )
    [timed] = shown["timed_prices"]
    assert (timed["valid_from"], timed["valid_until"]) == ("2031-12-01T00:00:00Z", "2031-12-31T12:00:00Z")
    assert timed["prices"] == {"promote_price": "2.50"}
    path = f"/api/v1/products/0001/timed-prices/{timed['number']}"
    for other in ("x", "9" * 30, "²"):
        assert (await pos("DELETE", f"/api/v1/products/0001/timed-prices/{other}")).status == 404
    assert (await pos("DELETE", path)).status == 204
    assert (await pos("DELETE", path)).status == 404
    assert (await pos("GET", "/api/v1/products/0001")).body["timed_prices"] == []
    changed = await pos("PATCH", "/api/v1/products", {"products": [{"id": "0001", "price": "3.00", **times}]})
    assert (changed.body["timed_prices"], changed.body["bad_rows"]) == (1, 0), "it has a price to come back to"


async def test_without_a_shop_in_the_settings_nothing_is_taken(store: SimulatedStore, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "gateway.toml"
    settings = re.sub(r"(?m)^shop_id = .*$", "", store.settings_toml(tmp_path))
    file.write_text(f'{settings}\n[storage]\ndirectory = "{tmp_path}/state"\n', encoding="utf-8")
    without_shop = await Gateway.open(load_settings(file))
    try:
        with pytest.raises(Conflict, match="name no shop"):
            await without_shop.product_lists.take(CSV, ListOptions(kind="complete"))
        with pytest.raises(Conflict, match="name no shop"):
            without_shop.reconciler.begin(mend=False, delete_foreign=False)
        assert await without_shop.products.table.count() == {}
    finally:
        await without_shop.close()


async def test_a_part_of_a_list_brings_no_new_product_without_name_and_price(installer: Rest) -> None:  # noqa: F811
    await installer("PUT", "/api/v1/products", {"products": [{"id": "known", "name": "Cola", "price": "3.20"}]})
    some = [{"id": "known", "brand": "A"}, {"id": "free", "name": "Tea"}, {"id": "2", "price": "1"}, {"id": "3"}]
    whole = {"id": "new", "name": "Milk", "price": "1.15"}
    report = (await installer("PATCH", "/api/v1/products", {"products": [*some, whole]})).body
    assert (report["created"], report["updated"], report["bad_rows"]) == (1, 1, 3)
    assert [(one["row"], one["field"]) for one in report["faults"]] == [
        (2, "price"),
        (3, "name"),
        (4, "name"),
        (4, "price"),
    ]
    assert "no list has the product yet" in report["faults"][0]["reason"]
    assert (await installer("GET", "/api/v1/products/free")).status == 404
    timed = {"id": "later", "name": "Tea", "price": "2.00", "valid_from": "2026-12-24T08:00+08:00"}
    assert (await installer("PATCH", "/api/v1/products", {"products": [timed]})).body["bad_rows"] == 0
