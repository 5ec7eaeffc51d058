"""The vendor's cloud fetches the shop's products: page by page of one moment, and nobody else does."""

import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from gateway.app import Gateway
from gateway.errors import NetworkError
from gateway.protocol import json_text
from gateway.protocol.signing import add_signature
from gateway.simulator.account import APP_ID, SECRET_KEY, SHOP_ID
from gateway.simulator.product_fetch import fetch_product_pages
from tests.api.told_time import NOW, clock, store  # noqa: F401  fixtures

PATH = "/saas/getProductList"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXAMPLE = {"name": "example_product", "seq_num": "28929380903", "price": "10.00"}
"""The product of the documents' example."""


def signed(number: object = 1, size: object = 100, *, key: str = SECRET_KEY, **given: str) -> dict[str, str]:
    fields = {"shop_id": SHOP_ID, "page_num": str(number), "page_size": str(size)} | given
    at = int(fields.pop("timestamp", NOW))
    return add_signature(fields, app_id=APP_ID, key=key, timestamp=at, random=str(time.monotonic_ns())[-9:])


async def fetch(session: aiohttp.ClientSession, body: Any, path: str = PATH, **given: Any) -> tuple[int, Any]:
    async with session.post(path, data=body, **given) as response:
        document = json_text.loads(await response.read())
        assert set(document) == {"code", "msg", "data"}, "always the vendor's format"
        return response.status, document


async def take(gateway: Gateway, *products: Mapping[str, Any]) -> None:
    await gateway.products.take(products, "fields", source="", confirmed=True)


def numbered(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": f"{number:04}", "name": f"P{number}"} for number in numbers]


async def test_the_documented_example(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    await take(gateway, {"id": "1", **EXAMPLE, "price": json_text.loads("10.00")}, *numbered(2))
    async with session.post(PATH, data=signed(1, 1)) as response:
        raw = await response.text()
    assert response.status == 200
    assert raw == (
        '{"code":0,"msg":"succeed","data":{"total":2,"product_list":'
        '[{"id":"1","name":"example_product","price":10.00,"seq_num":"28929380903"}]}}'
    )


async def test_the_simulated_cloud_loses_and_doubles_nothing_while_the_list_changes(
    gateway: Gateway,
    session: aiohttp.ClientSession,
) -> None:
    await take(gateway, *numbered(*range(230)))
    url, fetched = str(session._base_url) + PATH.removeprefix("/"), []
    pages = fetch_product_pages(url, account=(APP_ID, SECRET_KEY), shop_id=SHOP_ID, now=NOW, page_size=20)
    async for page in pages:
        fetched += page
        first = len(fetched) // 20 * 10
        await gateway.products.take(
            [*numbered(*range(first, 230)), {"id": f"new {first}", "name": "new"}],
            "complete", source="", confirmed=True,
        )  # fmt: skip
    assert [one["id"] for one in fetched] == [f"{number:04}" for number in range(230)]
    again = [one["id"] async for page in fetch_product_pages(
        url, account=(APP_ID, SECRET_KEY), shop_id=SHOP_ID, now=NOW, page_size=500) for one in page]  # fmt: skip
    assert again == [*(f"{number:04}" for number in range(110, 230)), "new 110"], "and then the newest ones"


async def test_a_page_whose_list_is_gone_is_refused(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    await take(gateway, *numbered(1, 2, 3))
    status, refused = await fetch(session, signed(2, 2))
    assert (status, refused["code"], refused["data"]) == (200, 5022, {})
    assert "begin again with page_num 1" in refused["msg"]
    assert (await fetch(session, signed(1, 2)))[1]["data"]["total"] == 3
    assert [one["id"] for one in (await fetch(session, signed(2, 2)))[1]["data"]["product_list"]] == ["0003"]
    assert (await fetch(session, signed(3, 2)))[1]["data"] == {"total": 3, "product_list": []}


BAD_CALLS = [
    (b"", 401, 5090, "signature"),
    (b"%ff&&&", 200, 5022, "is no form"),
    (b"\xff\xfe\x00", 200, 5022, "is no form"),
    (b"a=1&a=2", 200, 5022, "twice"),
    (b"a=" + b"x" * 20_000, 200, 5022, "at most"),
    (signed(key="wrong"), 401, 5090, "signature"),
    (signed(timestamp=str(NOW - 301)), 401, 5090, "timestamp"),
    (signed("0"), 200, 5022, "page_num"),
    (signed("-1"), 200, 5022, "page_num"),
    (signed("1e3"), 200, 5022, "page_num"),
    (signed("\u0661"), 200, 5022, "page_num"),
    (signed("9" * 400), 200, 5022, "page_num"),
    (signed(size="1001"), 200, 5022, "page_size"),
    (signed(size=""), 200, 5022, "page_size: is required"),
    (signed(shop_id=""), 200, 5022, "shop_id: is required"),
    (signed(shop_id="another"), 200, 5041, "another"),
]


async def test_a_bad_call_is_told_why(session: aiohttp.ClientSession) -> None:
    for body, status, code, says in BAD_CALLS:
        answer = await fetch(session, body, headers=FORM)
        assert (answer[0], answer[1]["code"], answer[1]["data"]) == (status, code, {}), (body, answer)
        assert says in answer[1]["msg"], body


async def test_no_form_is_read_of_another_kind(session: aiohttp.ClientSession) -> None:
    for headers in ({"Content-Type": "application/json"}, FORM | {"Content-Encoding": "gzip"}):
        answer = await fetch(session, b"{}", headers=headers)
        assert (answer[0], answer[1]["code"]) == (200, 5022)
    async with session.get(PATH) as response:
        assert response.status == 405


async def test_the_simulated_cloud_says_why_it_gets_no_page(session: aiohttp.ClientSession) -> None:
    url = str(session._base_url) + PATH.removeprefix("/")
    pages = fetch_product_pages(url, account=(APP_ID, "wrong"), shop_id=SHOP_ID, now=NOW)
    with pytest.raises(NetworkError, match="responds 401 without a page"):
        await anext(pages)
