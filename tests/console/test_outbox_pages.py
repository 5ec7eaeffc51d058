import json
import re
from typing import Any

from playwright.async_api import Browser, expect

from gateway.app import Gateway
from gateway.protocol.catalogue import CATALOGUE
from tests.console.conftest import Console, open_browser_session
from tests.waiting import until

HOSTILE = "<img src=x onerror=alert(1)>可乐"


async def hand_over(gateway: Gateway, path: str, arguments: dict[str, Any]) -> None:
    """Hand a call over as a till does, and wait until it has its outcome."""
    call = CATALOGUE.get("cloud", path).encode(arguments, defaults=gateway.settings.cloud.shop)
    gateway.outbox_worker.start()
    await gateway.outbox.submit(call, token="till 1", idempotency_key=None, wait_s=5)


async def refuse_product(gateway: Gateway, name: str | None = None) -> int:
    """Let the cloud refuse a product update, since it knows no such product; return the number of the item."""
    product = {"id": "1", "price": "2"} | ({"promotion": {"name": name}} if name else {})
    await hand_over(gateway, "product/update", {"product_list": [product]})
    items, _ = await gateway.outbox.list_items()
    assert items[-1].state == "refused"
    return items[-1].sequence


async def test_a_refused_call_is_corrected_and_arrives(console: Console, browser: Browser) -> None:
    number = await refuse_product(console.gateway)
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/")
    await page.click("nav >> text=Outbox")
    row = page.locator(f"#item-{number}")
    await expect(page.locator(".verdict")).to_contain_text("1 call was refused. Everything else has been sent.")
    await expect(row).to_contain_text("Product 1")
    await expect(row).to_contain_text("refused")
    await row.get_by_role("link").click()
    await page.fill("#parameters", "{ no JSON")
    await page.click("text=Send it again as corrected")
    await expect(page.get_by_role("alert")).to_have_text(re.compile("^is no JSON"))
    assert await page.input_value("#parameters") == "{ no JSON"
    corrected = {"product_list": [{"id": "1", "name": "Lemonade"}]}
    await page.fill("#parameters", json.dumps(corrected))
    await page.click("text=Send it again as corrected")
    await expect(page.locator("#notices")).to_contain_text("It was corrected and waits again.")
    await until(lambda: console.gateway.outbox.depth == 0)
    assert (await console.gateway.outbox.item(number)).state == "delivered"


async def test_chosen_calls_are_dropped_and_others_stay(console: Console) -> None:
    await console.sign_in("installer")
    first, second = await refuse_product(console.gateway), await refuse_product(console.gateway)
    csrf = await console.csrf()
    response, _ = await console.post("outbox", csrf=csrf, action="drop", item=str(first))
    assert response.status == 303
    items, _ = await console.gateway.outbox.list_items()
    assert [item.sequence for item in items] == [second]
    _, html = await console.get("outbox")
    assert "1 done." in html


async def test_the_list_that_somebody_looks_at_stays_when_nothing_was_chosen(console: Console) -> None:
    await console.sign_in("installer")
    back = "/console/outbox?state=refused&reference=1"
    response, _ = await console.post("outbox", csrf=await console.csrf(), action="drop", back=back)
    assert (response.status, response.headers["Location"]) == (303, back)


async def test_a_call_is_dropped_only_after_a_warning(console: Console, browser: Browser) -> None:
    number = await refuse_product(console.gateway)
    _, page = await open_browser_session(browser, console)
    for path, warning in (("outbox", "cannot be brought back"), (f"outbox/{number}", "cannot be brought back")):
        await page.goto(f"{console.url}console/{path}")
        drop = page.get_by_role("button", name=re.compile("^Drop"))
        await expect(drop).to_have_count(0)
        await page.locator("summary").filter(has_text="Drop").click()
        await expect(page.get_by_text(warning)).to_be_visible()
        await expect(drop).to_be_visible()
    await drop.click()
    await expect(page.locator("#notices")).to_contain_text("1 done.")
    assert await console.gateway.outbox.items([number]) == []


async def test_the_name_of_a_product_stands_below_its_number_on_a_phone(console: Console, browser: Browser) -> None:
    product = {"id": "1001", "name": "饮用天然水 550 毫升" * 3}
    await hand_over(console.gateway, "product/create", {"product_list": [product]})
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/outbox")
    cell = page.locator("#item-1 td").nth(1)
    link, name = await cell.get_by_role("link").bounding_box(), await cell.locator("small").bounding_box()
    assert link is not None
    assert name is not None
    assert name["y"] >= link["y"] + link["height"] - 1


async def test_what_has_arrived_needs_no_reason(console: Console) -> None:
    await console.sign_in("installer")
    await hand_over(console.gateway, "order/update", {"order_list": [{"order_no": "A-1"}]})
    _, html = await console.get("outbox")
    assert "has arrived" in html
    assert ">success" not in html


async def test_all_refused_calls_are_sent_again(console: Console) -> None:
    await console.sign_in("installer")
    numbers = [await refuse_product(console.gateway) for _ in range(3)]
    before = [(await console.gateway.outbox.item(one)).attempts for one in numbers]
    response, _ = await console.post("outbox", csrf=await console.csrf(), action="retry", all="yes")
    assert response.status == 303
    _, html = await console.get("outbox?state=refused")
    assert "3 done." in html
    await until(lambda: console.gateway.outbox.depth == 0)
    assert [(await console.gateway.outbox.item(one)).attempts for one in numbers] > before


async def test_a_person_with_a_small_scope_sees_and_changes_only_their_own(console: Console) -> None:
    number = await refuse_product(console.gateway)
    await console.sign_in("pos")
    _, html = await console.get("outbox")
    assert f'id="item-{number}"' not in html
    assert (await console.get(f"outbox/{number}"))[0].status == 404
    response, _ = await console.post("outbox", csrf=await console.csrf(), action="drop", item=str(number))
    assert response.status == 303
    assert (await console.gateway.outbox.item(number)).state == "refused"
    response, _ = await console.post("outbox/release", csrf=await console.csrf())
    assert response.status == 403


async def test_texts_from_elsewhere_stay_text(console: Console) -> None:
    await console.sign_in("installer")
    await hand_over(console.gateway, "product/create", {"product_list": [{"id": HOSTILE[:20], "name": HOSTILE}]})
    for path in ("outbox", "outbox/1"):
        _, html = await console.get(path)
        assert "可乐" in html
        assert "<img" not in html


async def test_an_order_is_found_by_its_number(console: Console) -> None:
    await console.sign_in("installer")
    for order in ("A-1", "A-2"):
        await hand_over(console.gateway, "order/update", {"order_list": [{"order_no": order}]})
    _, html = await console.get("outbox?reference=A-2")
    assert re.findall(r"Order (A-\d)</a>", html) == ["A-2"]


async def test_odd_addresses_are_refused_or_ignored(console: Console) -> None:
    await console.sign_in("installer")
    for path, status in (
        ("outbox?state=x&after=y&reference=" + "z" * 5000, 200),
        ("outbox?after=" + "9" * 40, 200),
        ("outbox/x", 404),
        ("outbox/" + "9" * 40, 404),
        ("outbox/7", 404),
    ):
        assert (await console.get(path))[0].status == status, path
    response, _ = await console.post("outbox", csrf=await console.csrf(), action="explode")
    assert response.status == 400


async def test_half_a_character_in_a_correction_is_shown_as_a_mistake(console: Console) -> None:
    await console.sign_in("installer")
    number = await refuse_product(console.gateway)
    parameters = '{"\\ud800": 1}'
    response, html = await console.post(f"outbox/{number}", csrf=await console.csrf(), parameters=parameters)
    assert response.status == 400
    assert "ud800" in html


async def test_the_reason_of_the_cloud_is_in_the_language_of_the_person(console: Console) -> None:
    number = await refuse_product(console.gateway)
    await console.sign_in("installer")
    for path in ("outbox", f"outbox/{number}"):
        _, html = await console.get(path, headers={"Accept-Language": "zh-CN"})
        assert "云端没有此商品" in html
