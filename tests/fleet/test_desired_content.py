"""Lists of products and templates of labels from the head office: read in parts, compared, taken once."""

import asyncio
import base64
import hashlib
import json
import tracemalloc
from typing import Any

import pytest
from nats.js.api import ObjectMeta, ObjectMetaOptions

from gateway.app import Gateway
from gateway.events.event import EventFilter
from gateway.fleet import connection as fleet_connection
from gateway.fleet import content_download, desired_content, desired_follower, link_throttle
from gateway.fleet.connection import FleetConnection
from gateway.fleet.content_download import ContentDownload
from gateway.fleet.documents import ProductListReference
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.link_throttle import LinkThrottle
from gateway.labels.template import TEMPLATE_FOLDER
from tests.fleet.desired_shop import DesiredShop, for_shop, push
from tests.waiting import until

CLOUD = '[cloud]\nbase_url = "https://127.0.0.1:1/openapi"\napp_id = "app"\nsecret_key = "hush"\n'
TEMPLATE = next(iter(sorted(TEMPLATE_FOLDER.glob("*.toml")))).read_bytes()
SHOP_ID = {"cloud": {"shop_id": "7"}}
TWO_CHUNKS = ObjectMeta(name="in two", options=ObjectMetaOptions(max_chunk_size=len(TEMPLATE) // 2 + 1))


def product_list(*products: str) -> bytes:
    return "\n".join(["id,name,price", *products, ""]).encode()


async def read_names(gateway: Gateway) -> dict[str, str]:
    """Return the names of the products by number, as they are wanted in the shop."""
    rows = await gateway.database.read("SELECT product_id, name FROM product WHERE wanted IS NOT NULL")
    return {str(number): str(name) for number, name in rows}


@for_shop(1, CLOUD)
async def test_a_list_is_taken_once_and_a_large_change_only_if_it_is_confirmed(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await shop.start()
    first = await push(shop.office, product_list("1,Cola,3.50", "2,Tea,2.00", "3,Milk,no price"))
    revision = await shop.want("shop.shop-1", {"products": first})
    while "set cloud.shop_id" not in (await shop.answers(shop=revision))["products"]["reason"]:
        await asyncio.sleep(0.02)
    revision = await shop.want("shop.shop-1", {"products": first, "settings": {"cloud": {"shop_id": "7"}}})
    gateway = await shop.restart()
    answers = await shop.settled(shop=revision)
    assert answers["products"] == {"outcome": "applied", "reason": "1 row is bad, and was not taken"}
    assert await read_names(gateway) == {"1": "Cola", "2": "Tea"}
    with monkeypatch.context() as patch:
        patch.setattr(content_download, "_read_part", None)  # nothing is read any more
        await shop.stop()
        gateway = await shop.start()
        revision = await shop.want("shop.shop-1", {"products": first | {"name": "again.csv"}, "settings": SHOP_ID})
        assert (await shop.outcomes(shop=revision))["products"] == "applied"
    other = await push(shop.office, product_list("1,Cola,350.00"))
    revision = await shop.want("shop.shop-1", {"products": other, "settings": SHOP_ID})
    answers = await shop.settled(shop=revision)
    assert answers["products"]["outcome"] == "refused"
    assert "would delete" in answers["products"]["reason"]
    assert await read_names(gateway) == {"1": "Cola", "2": "Tea"}
    refused = EventFilter(types=frozenset({"products.list_refused"}))
    while not (events := (await gateway.event_log.read(0, refused, limit=10)).events):
        await asyncio.sleep(0.02)
    assert [json.loads(event.data)["list_source"] for event in events] == ["head office"]
    revision = await shop.want("shop.shop-1", {"products": other | {"confirm": True}, "settings": SHOP_ID})
    assert (await shop.outcomes(shop=revision))["products"] == "applied"
    assert await read_names(gateway) == {"1": "Cola"}


@for_shop(2, CLOUD)
async def test_templates_are_taken_and_a_wrong_one_is_refused_by_name(shop: DesiredShop) -> None:
    gateway = await shop.start()
    good, wrong = await push(shop.office, TEMPLATE), await push(shop.office, b"[boxes]\nname = 1\n")
    large = await push(shop.office, b"#" * 70_000)
    odd = await push(shop.office, TEMPLATE + b"\n# another\n")
    wanted = {"chain-price": good, "wrong": wrong, "large": large, "x" * 60: odd}
    revision = await shop.want("shop.shop-2", {"templates": wanted})
    answers = await shop.settled(shop=revision)
    assert {part: answer["outcome"] for part, answer in answers.items()} == {
        "templates.chain-price": "applied",
        "templates.wrong": "refused",
        "templates.large": "refused",
        f"templates.{'x' * 60}": "refused",
    }
    assert "wrong.toml" in answers["templates.wrong"]["reason"]
    assert "larger than 65536 bytes" in answers["templates.large"]["reason"]
    assert "1 to 40" in answers[f"templates.{'x' * 60}"]["reason"]
    assert "chain-price" in gateway.labels.templates.load()[0]
    newer = await push(shop.office, TEMPLATE + b"\n# newer\n")
    revision = await shop.want("shop.shop-2", {"templates": {"chain-price": newer}})
    assert await shop.outcomes(shop=revision) == {"templates.chain-price": "applied"}
    assert (shop.state / "label-templates" / "chain-price.toml").read_bytes().endswith(b"# newer\n")


@for_shop(3, CLOUD)
async def test_content_that_is_missing_waits_and_content_that_is_not_what_was_said_is_refused(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desired_follower, "READ_INTERVAL_S", 0.1)
    await shop.start()
    good = await push(shop.office, TEMPLATE)
    wanted: dict[str, Any] = {
        "other": good | {"sha256": hashlib.sha256(b"another").hexdigest()},
        "short": await push(shop.office, TEMPLATE + b"\n# 1\n") | {"size": len(TEMPLATE)},
        "long": await push(shop.office, TEMPLATE + b"\n# 2\n") | {"size": len(TEMPLATE) + 100},
        "part": await push(shop.office, TEMPLATE + b"\n# 3\n") | {"parts": 2},
    }
    async with shop.office.client() as client:
        jetstream = client.jetstream(timeout=60)
        store = await jetstream.object_store("content")
        await store.put(f"{hashlib.sha256(b'in two').hexdigest()}.0", TEMPLATE, meta=TWO_CHUNKS)
        name = f"{hashlib.sha256(b'damaged').hexdigest()}.0"
        encoded = base64.urlsafe_b64encode(name.encode()).decode()
        await jetstream.publish(f"$O.content.M.{encoded}", b'{"nuid": "a.b.>", "chunks": 1}')
    wanted["in-two"] = good | {"sha256": hashlib.sha256(b"in two").hexdigest()}
    wanted["damaged"] = good | {"sha256": hashlib.sha256(b"damaged").hexdigest()}
    revision = await shop.want("shop.shop-3", {"templates": wanted})
    expected = {
        "other": ("pending", "has no object"),
        "short": ("refused", "is longer than"),
        "long": ("refused", "not what was announced"),
        "part": ("pending", "has no object"),
        "in-two": ("refused", "chunks, not one"),
        "damaged": ("refused", "cannot be read"),
    }
    while True:
        answers = await shop.answers(shop=revision)
        found = {part.removeprefix("templates."): answer for part, answer in answers.items()}
        if all(reason in found[name]["reason"] for name, (_, reason) in expected.items()):
            break
        await asyncio.sleep(0.02)
    assert {name: answer["outcome"] for name, answer in found.items()} == {
        name: outcome for name, (outcome, _) in expected.items()
    }
    async with shop.office.client() as client:  # it comes later
        store = await client.jetstream(timeout=60).object_store("content")
        await store.put(f"{wanted['part']['sha256']}.1", b"")
    while (await shop.answers(shop=revision))["templates.part"]["outcome"] != "applied":
        await asyncio.sleep(0.02)


@for_shop(4, CLOUD)
async def test_a_large_list_needs_little_memory_and_goes_on_after_a_loss(
    shop: DesiredShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_throttle, "MAX_BYTES_PER_S", 1e9)
    content = bytes(range(256)) * 4 * 8192  # 8 MB
    reference = ProductListReference.model_validate(await push(shop.office, content))
    assert reference.parts == 64
    connection = await FleetConnection.open(shop.office.settings(shop.name), on_lost=lambda: None)
    with (shop.state / "list").open("w+b") as file:
        download, turn = ContentDownload(reference, file), LinkThrottle(lambda: False)
        tracemalloc.start()
        with monkeypatch.context() as patch:
            patch.setattr(fleet_connection, "ACKNOWLEDGEMENT_TIMEOUT_S", 2.0)
            job = asyncio.create_task(download.receive(connection, turn))
            await until(lambda: file.tell() > len(content) // 3)
            await connection.close()
            with pytest.raises(HeadOfficeUnavailable):
                await job
        size = (shop.state / "list").stat().st_size
        assert len(content) // 3 < size < len(content)
        connection = await FleetConnection.open(shop.office.settings(shop.name), on_lost=lambda: None)
        await download.receive(connection, turn)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await connection.close()
    assert (shop.state / "list").read_bytes() == content
    assert peak < len(content) // 2


@for_shop(5, CLOUD)
async def test_a_full_disk_is_said_and_tried_again(shop: DesiredShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.file.write_text(shop.file.read_text().replace('app_id = "app"', 'app_id = "app"\nshop_id = "7"'))
    await shop.start()
    monkeypatch.setattr(desired_content, "_SPARE_BYTES", 1 << 60)
    reference = await push(shop.office, product_list("1,Cola,3.50"))
    revision = await shop.want("shop.shop-5", {"products": reference | {"complete": False}})
    while "no room" not in (await shop.answers(shop=revision))["products"]["reason"]:
        await asyncio.sleep(0.02)
    monkeypatch.setattr(desired_content, "_SPARE_BYTES", 0)
    assert await shop.outcomes(shop=revision) == {"products": "applied"}
