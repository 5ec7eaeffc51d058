"""The products are compared with the cloud in the console, and it is brought back to what the lists say."""

import re

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.console.products.conftest import settle, take
from tests.waiting import until


async def compare(console: Console, **fields: str) -> str:
    """Compare the products, and return the page."""
    response, _ = await console.post("products/comparison", csrf=await console.csrf(), **fields)
    assert response.status == 303
    await until(lambda: console.gateway.reconciler.last.state != "running")
    _, html = await console.get("products/comparison")
    return html


def read_tiles(html: str) -> list[str]:
    return re.findall(r"<li><strong>(\d+)</strong>", html)


async def test_what_the_cloud_has_otherwise_is_shown_and_mended(
    console: Console, browser: Browser, store: SimulatedStore
) -> None:
    await console.sign_in("installer")
    await take(console.gateway, "id,name,price\nM-1,Melon,5\nM-2,Mango,4\nM-3,Mint,1\n", source="erp")
    shop = store.cloud.state.shops[store.shop_id]
    product = await console.gateway.products.table.get("M-1")
    assert product is not None
    # What the cloud took after the comparison had begun is left out of it, by whole seconds.
    await until(lambda: console.gateway.clock.now() > (product.confirmed_at or 0) + 1)
    shop.products["M-1"]["price"] = "9.99"
    del shop.products["M-2"]
    shop.products["<b>"] = {"id": "<b>", "name": "Foreign", "price": "1"}
    shop.product_times["<b>"] = 0
    html = await compare(console)
    assert read_tiles(html) == ["1", "1", "1"]
    assert "<td" in html
    assert "9.99" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    _, html = await console.get("products/comparison", headers={"Accept-Language": "zh-CN"})
    assert "云端的商品与当初接受的不一致。" in html
    _, page = await open_browser_session(browser, console, "installer")
    await page.goto(f"{console.url}console/products")
    await page.get_by_role("link", name="Compare with the cloud").click()
    await page.get_by_text("Bring the cloud back to what the lists say").click()
    for violation in (await Axe().run(page)).response["violations"]:
        assert violation["impact"] not in ("serious", "critical"), violation
    await page.get_by_label("Delete the products that the cloud alone has, too").check()
    await page.get_by_role("button", name="Bring it back").click()
    await expect(page.locator("#comparison .verdict")).to_contain_text("3 products are being brought back")
    await settle(console.gateway)
    assert sorted(shop.products) == ["M-1", "M-2", "M-3"]
    assert float(shop.products["M-1"]["price"]) == 5
    await page.get_by_role("button", name="Compare again now").click()
    await expect(page.locator("#comparison .verdict")).to_contain_text("The cloud has all products as it took them.")


async def test_a_comparison_that_fails_says_why(console: Console, store: SimulatedStore) -> None:
    await console.sign_in("installer")
    store.cloud.faults.add("refuse", path="product/getList", code=5020)
    html = await compare(console)
    assert "The products could not be compared." in html
    assert "5020" in html


async def test_only_who_may_change_all_products_compares_them(console: Console) -> None:
    await console.sign_in("pos")
    assert (await console.get("products/comparison"))[0].status == 403
    response, _ = await console.post("products/comparison", csrf=await console.csrf())
    assert response.status == 403
    assert "products/comparison" not in (await console.get("products"))[1]
