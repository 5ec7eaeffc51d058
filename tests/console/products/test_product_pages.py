"""The console's pages of products."""

import re

from playwright.async_api import Browser, expect

from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.console.products.conftest import take

CHINESE = {"Accept-Language": "zh-CN"}


async def test_products_are_found_by_number_name_and_bar_code(console: Console) -> None:
    await console.sign_in("pos")
    await take(console.gateway, "id,name,bar_code,price\nS-1,Lemonade 柠檬,6901234567892,3.2\nS-2,Ginger ale,,2\n")
    for words in ("S-1", "柠檬", "69012345"):
        _, html = await console.get(f"products/list?search={words}&state=settled")
        assert "Lemonade 柠檬" in html
        assert "Ginger ale" not in html
    _, html = await console.get("products?search=nothing-is-called-this")
    assert "No product is like that." in html
    _, html = await console.get("products?search=S-1", headers=CHINESE)
    assert "已到云端" in html
    assert "3.20" in html


async def test_a_long_list_has_pages(console: Console) -> None:
    await console.sign_in("pos")
    rows = "".join(f"P-{number:03},Bottle {number},1\n" for number in range(60))
    await take(console.gateway, f"id,name,price\n{rows}")
    _, html = await console.get("products?search=P-0")
    first = re.findall(r"<small>(P-\d+)</small>", html)
    following = re.search(r'href="/console/(products\?[^"]*after=\d+)" rel="next"', html)
    assert len(first) == 50
    assert following is not None
    _, html = await console.get(following[1].replace("&amp;", "&"))
    rest = re.findall(r"<small>(P-\d+)</small>", html)
    assert first + rest == [f"P-{number:03}" for number in range(60)]
    assert 'rel="next"' not in html
    assert "First page" in html


async def test_odd_addresses_are_refused_or_ignored(console: Console) -> None:
    await console.sign_in("pos")
    for path, status in (
        ("products?state=x&after=y&search=" + "z" * 5000, 200),
        ("products?after=" + "9" * 40, 200),
        ("products/by-id/none", 404),
        ("products/by-id/none/state", 404),
        ("products/by-id/%F0%9F%8D%8B", 404),
    ):
        assert (await console.get(path))[0].status == status, path


async def test_a_product_shows_what_the_lists_say_and_what_the_cloud_has(console: Console) -> None:
    await console.sign_in("pos")
    for price in ("2.00", "2.50"):
        await take(console.gateway, f"id,name,price,unit\nK/1 ä,<img src=x> 苹果,{price},kg\n", source="erp")
    _, html = await console.get("products?search=K/1")
    page = re.search(r'href="/console/(products/by-id/[^"]*)"', html)
    assert page is not None
    _, html = await console.get(page[1])
    assert "<img" not in html
    assert "The cloud has it as the lists say." in html
    assert re.search(r"Selling price</th><td>2\.50</td><td>2\.50", html)
    assert "· erp" in html
    assert re.search(r'class="price">2\.00</td>', html)
    _, html = await console.get(page[1], headers=CHINESE)
    assert "云端与清单一致。" in html


async def test_a_refused_product_says_why_and_leads_to_the_outbox(console: Console, store: SimulatedStore) -> None:
    gateway = console.gateway
    await take(gateway, "id,name,price\nR-1,Bread,2\n")
    store.cloud.faults.add("refuse", path="product/update", code=5015)
    await take(gateway, "id,name,price\nR-1,Bread,2.20\n")
    product = await gateway.products.table.get("R-1")
    assert product is not None
    assert product.state == "refused"
    await console.sign_in("installer")
    _, html = await console.get("products?state=refused", headers=CHINESE)
    assert "商品无效" in html
    _, html = await console.get("products/by-id/R-1")
    assert f'href="/console/outbox/{product.item}"' in html
    assert "differs" in html
    # The item is of nobody's token: a till cannot see it.
    await console.sign_in("pos")
    _, html = await console.get("products/by-id/R-1")
    assert "/console/outbox/" not in html
    await take(gateway, "id,name,price\nR-1,Bread,2.20\n")
    assert "R-1" not in (await console.get("products?state=refused"))[1]


async def test_prices_for_a_time_are_shown_and_deleted(console: Console) -> None:
    await console.sign_in("pos")
    times = "2031-01-01T00:00+08:00,2031-02-01T00:00+08:00"
    await take(console.gateway, f"id,name,price,promote_price,valid_from,valid_until\nT-1,Tea,4,3,{times}\n")
    _, html = await console.get("products/by-id/T-1")
    number = re.search(r'name="number" value="(\d+)"', html)
    assert number is not None
    assert re.search(r"Promotion price <strong>3\.00</strong>", html)
    for given, text in (
        (number[1], "The prices for a time were deleted."),
        ("9" * 40, "not there any more"),
        ("x", "not"),
    ):
        fields = {"csrf": await console.csrf(), "number": given}
        response, _ = await console.post("products/by-id/T-1/timed-prices/delete", **fields)
        assert response.status == 303
        _, html = await console.get("products/by-id/T-1")
        assert text in html
    assert "Prices for a time" not in html


async def test_an_open_list_follows_what_happens(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "pos")
    await page.goto(f"{console.url}console/products?search=LIVE")
    await expect(page.locator("#products table")).to_have_count(0)
    await take(console.gateway, "id,name,price\nLIVE-1,Peaches,5\n")
    await expect(page.locator("#products table")).to_contain_text("Peaches")
    await page.get_by_role("link", name="Peaches").click()
    await expect(page.locator(".verdict")).to_have_text("The cloud has it as the lists say.")
    await take(console.gateway, "id,name,price\nLIVE-1,Peaches,5.50\n")
    await expect(page.locator(".prices")).to_contain_text("5.50")
