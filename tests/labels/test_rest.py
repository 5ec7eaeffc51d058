"""Shelf labels over REST: bound, listed, found, and checked; templates saved, previewed and deleted."""

import asyncio
import io
from typing import Any

import pytest
from PIL import Image

from gateway.app import Gateway
from gateway.labels.template import TEMPLATE_FOLDER
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest, admin, gateway, installer, pos, session, store  # noqa: F401  fixtures

LABEL = "/api/v1/labels/SKDI39DN"
TEMPLATES = "/api/v1/label-templates"
TEMPLATE = (TEMPLATE_FOLDER / "price.toml").read_bytes()
COLA = {"products": [{"id": "0001", "name": "Cola", "price": "3.20"}]}


@pytest.fixture(autouse=True)
async def workers(gateway: Gateway) -> None:  # noqa: F811
    """Send what the outbox holds; the labels' own work has to begin by itself."""
    gateway.outbox_worker.start()
    gateway.products.start()


async def until(rest: Rest, state: str, path: str = LABEL) -> Any:
    while True:
        found = (await rest("GET", path)).body
        if found.get("state") == state:
            return found
        await asyncio.sleep(0.02)


async def get_picture(rest: Rest, path: str, **given: Any) -> tuple[int, Any, bytes]:
    headers = {"Authorization": f"Bearer {rest.token}"} | given.pop("headers", {})
    method = given.pop("method", "GET")
    async with rest.session.request(method, path, headers=headers, **given) as response:
        return response.status, response.headers, await response.read()


def size_of(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


async def test_the_first_label_is_bound_drawn_and_shown(
    store: SimulatedStore,  # noqa: F811
    pos: Rest,  # noqa: F811
    installer: Rest,  # noqa: F811
) -> None:
    await installer("PUT", "/api/v1/products", COLA)
    bound = await pos("PUT", "/api/v1/labels/skdi39dn", {"product_id": "0001", "model": "SL121"})
    assert (bound.status, bound.body["esl"], bound.body["state"]) == (201, "SKDI39DN", "waiting")
    shown = await until(pos, "shown")
    assert (shown["product_name"], shown["price"], shown["template"], shown["problem"]) == ("Cola", "3.20", "price", "")
    assert shown["reading"]["status"] == "pushed"
    assert shown["esl_id"] in store.cloud.state.shops[store.shop_id].labels
    assert (await pos("GET", f"/api/v1/labels/{shown['esl_id']}")).body == shown

    status, headers, png = await get_picture(pos, f"{LABEL}/picture")
    assert (status, headers["Content-Type"], size_of(png)) == (200, "image/png", (212, 104))
    status, _, _ = await get_picture(pos, f"{LABEL}/picture", headers={"If-None-Match": headers["ETag"]})
    assert status == 304

    [product] = [(await pos("GET", "/api/v1/products/0001")).body]
    assert product["labels"] == [{"esl": "SKDI39DN", "state": "shown", "problem": ""}]
    assert (await pos("PUT", LABEL, {"product_id": "0001"})).status == 200
    await until(pos, "shown")
    page = (await pos("GET", "/api/v1/labels?search=cola")).body
    assert ([one["esl"] for one in page["labels"]], page["next"], page["counts"]["shown"]) == (["SKDI39DN"], None, 1)
    assert (await pos("GET", "/api/v1/labels?state=failed")).body["labels"] == []

    assert (await pos("POST", f"{LABEL}/flash", {"colour": "red"})).status == 204
    assert (await pos("POST", f"{LABEL}/flash", {"colour": "pink"})).body["errors"][0]["parameter"] == "colour"
    assert (await pos("POST", f"{LABEL}/verify")).body == {"labels": 1}
    await until(pos, "shown")
    assert (await pos("POST", f"{LABEL}/push")).body["state"] in ("waiting", "sent", "pushed")
    again = await until(pos, "shown")
    assert (again["picture_hash"], again["outbox_id"] > shown["outbox_id"]) == (shown["picture_hash"], True)
    assert (await pos("POST", "/api/v1/label-verification")).status == 202
    assert (await pos("DELETE", LABEL)).status == 204
    assert (await pos("GET", LABEL)).status == 404
    assert (await pos("DELETE", LABEL)).status == 404


async def test_a_label_may_be_bound_before_the_list_comes(pos: Rest, installer: Rest) -> None:  # noqa: F811
    bound = (await pos("PUT", LABEL, {"product_id": "0001", "model": "SL121"})).body
    assert bound["problem"] == "no list has the product '0001'"
    await until(pos, "failed")
    await installer("PUT", "/api/v1/products", COLA)
    assert (await until(pos, "shown"))["problem"] == ""


@pytest.mark.parametrize(
    ("esl", "body", "parameter"),
    [
        ("SKDI39D", {"product_id": "1"}, "esl"),
        ("SKDI39DN", {}, "product_id"),
        ("SKDI39DN", {"product_id": "1", "template": "prices"}, "template"),
        ("SKDI39DN", {"product_id": "1", "model": "SL999"}, "model"),
        ("SKDI39DN", {"product_id": "1", "colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_right_is_refused_by_name(pos: Rest, esl: str, body: Any, parameter: str) -> None:  # noqa: F811
    refused = await pos("PUT", f"/api/v1/labels/{esl}", body)
    assert (refused.status, [one["parameter"] for one in refused.body["errors"]]) == (400, [parameter])
    assert (await pos("GET", "/api/v1/labels")).body["labels"] == []


async def test_a_picture_is_shown_as_it_is_also_on_a_label_that_was_unbound(pos: Rest, store: SimulatedStore) -> None:  # noqa: F811
    file = io.BytesIO()
    Image.new("RGB", (640, 480), "white").save(file, "JPEG")
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl calls everything
    refused = await pos("PUT", LABEL, data=file.getvalue(), headers=form)
    assert [one["parameter"] for one in refused.body["errors"]] == ["model"]
    bound = await pos("PUT", f"{LABEL}?model=SL121", data=file.getvalue(), headers=form)
    assert (bound.status, bound.body["product_id"], bound.body["drawn_by"]) == (201, None, "gateway")
    assert size_of((await get_picture(pos, f"{LABEL}/picture"))[2]) == (212, 104)
    await until(pos, "shown")
    store.cloud.state.shops[store.shop_id].labels.clear()  # somebody unbinds it at the vendor's site
    await pos("POST", f"{LABEL}/push")
    assert "invalid ESL" in (await until(pos, "failed"))["problem"]
    await pos("POST", f"{LABEL}/verify")
    await until(pos, "shown")
    broken = await pos("PUT", LABEL, data=file.getvalue()[:99], headers={"Content-Type": "image/jpeg"})
    assert [one["parameter"] for one in broken.body["errors"]] == ["picture"]
    assert (await pos("PUT", LABEL, data=b"hello", headers=form)).status == 415


async def test_the_gateway_stays_away_where_the_vendor_draws(pos: Rest, gateway: Gateway) -> None:  # noqa: F811
    left = (await pos("PUT", LABEL, {"drawn_by": "vendor"})).body
    assert (left["state"], left["drawn_by"], left["template"]) == ("vendor", "vendor", None)
    status, _, _ = await get_picture(pos, f"{LABEL}/picture")
    assert status == 404
    assert (await pos("POST", f"{LABEL}/flash")).body["code"] == "conflict"
    assert (await pos("POST", f"{LABEL}/push")).body["code"] == "conflict"


async def test_templates_are_saved_previewed_and_deleted(pos: Rest, installer: Rest) -> None:  # noqa: F811
    await installer("PUT", "/api/v1/products", COLA)
    listed = (await pos("GET", TEMPLATES)).body
    assert {one["name"] for one in listed["templates"]} >= {"price", "promotion"}
    assert all(one["included"] for one in listed["templates"])

    kind = {"Content-Type": "application/toml"}
    saved = await installer("PUT", f"{TEMPLATES}/ours", data=TEMPLATE, headers=kind)
    assert (saved.status, saved.body["included"], saved.body["labels"]) == (201, False, 0)
    assert (await get_picture(pos, f"{TEMPLATES}/ours"))[2] == TEMPLATE
    wrong = await installer("PUT", f"{TEMPLATES}/ours", data=b"models = 7", headers=kind)
    assert wrong.body["errors"][0]["parameter"].startswith("ours.toml: ")

    query = "?model=SL121&product_id=0001"
    _, _, png = await get_picture(pos, f"{TEMPLATES}/ours/preview{query}")
    unsaved = await get_picture(installer, f"/api/v1/label-preview{query}", method="POST", data=TEMPLATE, headers=kind)
    assert (size_of(png), unsaved[2]) == ((212, 104), png)
    unknown = await pos("GET", f"{TEMPLATES}/ours/preview?model=SL121&product_id=7")
    assert [one["parameter"] for one in unknown.body["errors"]] == ["product_id"]

    await pos("PUT", LABEL, {"product_id": "0001", "template": "ours", "model": "SL121"})
    used = await installer("DELETE", f"{TEMPLATES}/ours")
    assert (used.status, used.body["code"]) == (409, "conflict")
    await pos("DELETE", LABEL)
    assert (await installer("DELETE", f"{TEMPLATES}/ours")).status == 204
    assert (await installer("DELETE", f"{TEMPLATES}/price")).status == 409
    assert (await pos("PUT", f"{TEMPLATES}/ours", data=TEMPLATE, headers=kind)).status == 403
