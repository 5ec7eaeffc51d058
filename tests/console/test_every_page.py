import asyncio
import itertools
import os
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from gateway.app import Gateway
from gateway.products.list_intake import ListOptions
from gateway.shop.plan_reader import read_list
from gateway.simulator.store import SimulatedStore
from tests.chromium import DESKTOP, PHONE
from tests.console.conftest import Console
from tests.console.test_outbox_pages import refuse_product
from tests.console.walk import begin, list_paths
from tests.search import find, manage

ENDPOINT: Final = {"side": "cloud", "path": "order/update"}
MAX_PAGE_BYTES: Final = 150_000
VISITORS: Final = (
    list(itertools.product(("en-US", "zh-CN"), ("light", "dark"), (PHONE, DESKTOP)))
    if os.environ.get("FULL_PROOFS") == "1"
    else [("en-US", "light", PHONE), ("zh-CN", "dark", DESKTOP)]
)
"""Language, colour scheme and size of the screen of those who look at every page."""


async def keep_plan(gateway: Gateway, store: SimulatedStore) -> None:
    """Keep a plan of the whole shop."""
    await gateway.shop.replace(read_list(store.site_plan_csv().encode(), "list", gateway.settings.provisioning))


async def keep_product(gateway: Gateway) -> str:
    """Keep a product with a promotion price for a time; return its number."""
    rows = "id,name,price,promote_price,valid_until\n0001,可乐 Cola,3.20,2.50,2031-12-31T20:00+08:00\n"
    gateway.outbox_worker.start()
    gateway.products.start()
    await gateway.product_lists.take(rows.encode(), ListOptions(kind="complete", source="erp"))
    while not (product := await gateway.products.table.get("0001")) or product.state != "settled":
        await asyncio.sleep(0.01)
    return "0001"


async def keep_label(gateway: Gateway, product_id: str) -> str:
    """Have a label show a product; return its name."""
    gateway.labels.start()
    await gateway.labels.updater.show_product("SKDI0001", product_id=product_id, template="promotion", model="SL121")
    while not (label := await gateway.labels.table.get("SKDI0001")) or label.state != "shown":
        await asyncio.sleep(0.05)
    return label.name


@pytest.fixture
async def names(console: Console, store: SimulatedStore) -> dict[str, str]:
    """Return what fills the placeholders of paths: there is one of everything that has a page of its own."""
    await find(console.gateway, store.cameras)
    await manage(console.gateway, store.cameras[0])
    await keep_plan(console.gateway, store)
    outbox_id = str(await refuse_product(console.gateway))
    product_id = await keep_product(console.gateway)
    return {
        "sn": store.cameras[0].sn,
        "outbox_id": outbox_id,
        "product_id": product_id,
        "label": await keep_label(console.gateway, product_id),
        **ENDPOINT,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("language", "scheme", "size"), VISITORS)
async def test_every_page_can_be_used_by_everybody(
    console: Console, browser: Browser, names: dict[str, str], language: str, scheme: str, size: dict[str, int]
) -> None:
    walk = await begin(browser, language=language, scheme=scheme, size=size)
    code = console.gateway.pairing.create("browser", ["admin"]).code
    await walk.open(f"{console.url}console/sign-in#code={code}")
    await walk.page.wait_for_url("**/console/")
    found, sizes = [], []
    for path in list_paths(names):
        await walk.open(console.url + path)
        results = (await Axe().run(walk.page)).response
        found += [
            f"{path}: {one['id']} {node['target']} {node['failureSummary']}"
            for one in results["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
        width = await walk.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if width > 0:
            found.append(f"{path}: {width} pixels wider than the screen")
        sizes.append(walk.bytes_received)
        if walk.bytes_received > MAX_PAGE_BYTES:
            found.append(f"{path}: {walk.bytes_received} bytes")
    assert found == []
    assert walk.faults == []
    width = size["width"]
    print(f"{len(sizes)} pages in {language}, {scheme}, {width} pixels wide; the largest has {max(sizes)} bytes")  # noqa: T201  a proof's result
