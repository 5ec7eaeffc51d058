"""The console's pages of shelf labels. All tests share one gateway: each has labels of its own."""

import asyncio
import re

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session
from tests.console.labels.conftest import CHINESE, show
from tests.console.test_activation_code import make_code


async def test_labels_are_listed_with_the_worst_first_and_found(console: Console) -> None:
    await console.sign_in("pos")
    await show(console.gateway, "SKDI0001", "L-1")
    await show(console.gateway, "WRONG001", "gone", model="SL121")
    _, html = await console.get("labels")
    assert re.findall(r'class="nowrap">(\w+)</a>', html)[:2] == ["WRONG001", "SKDI0001"]
    assert "1 label does not show what it should." in html
    for words in ("SKDI0001", "L-1", "柠檬"):
        _, html = await console.get(f"labels/list?search={words}")
        assert re.findall(r'class="nowrap">(\w+)</a>', html) == ["SKDI0001"], words
    _, html = await console.get("labels?state=failed", headers=CHINESE)
    assert re.findall(r'class="nowrap">(\w+)</a>', html) == ["WRONG001"]
    assert "没有任何清单包含商品" in html
    assert "No label is like that." in (await console.get("labels?state=late"))[1]


async def test_labels_that_need_a_battery_are_ahead_of_the_others(console: Console) -> None:
    await console.sign_in("pos")
    for name in ("SKDI0001", "SKDI0002"):
        await show(console.gateway, name, "L-1")
    await console.gateway.database.execute(
        "UPDATE label SET reading = json_set(reading, '$.battery', 12, '$.contact_at', read_at - 90000) "
        "FROM (SELECT json_extract(reading, '$.read_at') AS read_at FROM label WHERE name = 'SKDI0002') "
        "WHERE name = 'SKDI0002'"
    )
    _, html = await console.get("labels?state=shown")
    assert re.findall(r'class="nowrap">(\w+)</a>', html)[0] == "SKDI0002"
    assert "battery 12 %" in html
    assert "not heard since" in html
    assert "Its battery is nearly empty." in (await console.get("labels/by-name/SKDI0002"))[1]


async def test_a_label_shows_its_picture_in_its_size(console: Console) -> None:
    await console.sign_in("pos")
    label = await show(console.gateway, "SKDI0003", "L-2")
    _, html = await console.get("labels/by-name/SKDI0003")
    assert "Ginger ale &lt;b&gt;" in html
    assert re.search(rf'class="label-picture true-size {label.model.lower().rstrip("+")}" width="296"', html)
    assert "The picture is not as the template wants it:" in html  # the bar code has a wrong check digit
    address = re.search(r'src="/console/([^"]*picture[^"]*)"', html)
    assert address is not None
    async with console.http.get(f"{console.url}console/{address[1]}") as response:
        assert response.content_type == "image/png"
        assert "immutable" in response.headers["Cache-Control"]
        assert await response.read() == await console.gateway.labels.table.get_picture(label.number)
    _, html = await console.get("labels/by-name/SKDI0003", headers=CHINESE)
    assert "价签显示正确" in html
    assert "普通价签" in html


async def test_a_label_flashes_is_asked_again_left_and_forgotten(console: Console, store: SimulatedStore) -> None:
    await console.sign_in("pos")
    await show(console.gateway, "SKDI0004", "L-1")
    for action, text in (
        ("flash", "The label flashes green."),
        ("verify", "The cloud is asked whether the label shows it."),
        ("push", "The picture is pushed again."),
        ("leave", "The gateway stays away from this label"),
        ("push", "own templates draw the label"),
    ):
        response, _ = await console.post(f"labels/by-name/SKDI0004/{action}", csrf=await console.csrf())
        assert response.status == 303
        assert text in (await console.get("labels/by-name/SKDI0004"))[1]
    response, _ = await console.post("labels/by-name/SKDI0004/forget", csrf=await console.csrf())
    assert response.headers["Location"] == "/console/labels"
    assert "The label SKDI0004 was forgotten." in (await console.get("labels"))[1]
    assert (await console.get("labels/by-name/SKDI0004"))[0].status == 404


async def test_what_went_wrong_with_a_flash_is_said(console: Console, store: SimulatedStore) -> None:
    await console.sign_in("pos")
    await show(console.gateway, "SKDI0005", "L-1")
    store.cloud.faults.add("refuse", path="device/esl/flashLed", code=5301)
    await console.post("labels/by-name/SKDI0005/flash", csrf=await console.csrf())
    assert "The cloud refused to have it flash" in (await console.get("labels/by-name/SKDI0005"))[1]


async def test_odd_addresses_are_refused_or_ignored(console: Console) -> None:
    await console.sign_in("pos")
    for path, status in (
        ("labels?state=x&skip=y&search=" + "z" * 5000, 200),
        ("labels?skip=" + "9" * 40, 200),
        ("labels/by-name/none", 404),
        ("labels/by-name/none/state", 404),
        ("labels/by-name/none/picture", 404),
        ("labels/by-name/%F0%9F%8D%8B", 404),
    ):
        assert (await console.get(path))[0].status == status, path


async def test_an_open_list_follows_what_happens(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "pos")
    await page.goto(f"{console.url}console/labels?search=LIVE0001")
    await expect(page.locator("#labels table")).to_have_count(0)
    await show(console.gateway, "LIVE0001", "gone", model="SL121")
    await expect(page.locator("#labels table")).to_contain_text("LIVE0001")
    await page.get_by_role("link", name="LIVE0001").click()
    await expect(page.locator(".verdict")).to_contain_text("The label does not show what it should.")


async def bind(console: Console, **fields: str) -> tuple[aiohttp.ClientResponse, str]:
    return await console.post("labels/bind", csrf=await console.csrf(), **fields)


async def test_a_label_is_bound_to_the_product_that_is_meant(console: Console) -> None:
    await console.sign_in("pos")
    for words, product_id in (("L-1", "L-1"), ("6901234567893", "L-2"), ("柠檬", "L-1")):
        response, _ = await bind(console, label="bind0001 ", product=words, template="price", model="SL126")
        assert response.headers["Location"] == "/console/labels/by-name/BIND0001"
        label = await console.gateway.labels.table.get("BIND0001")
        assert label is not None
        assert (label.product_id, label.model) == (product_id, "SL126")
    assert "The label shows Lemonade 柠檬 from now on." in (await console.get("labels/by-name/BIND0001"))[1]
    # What is known of it is filled in.
    _, html = await console.get("labels/bind?label=bind0001")
    assert "Change what label BIND0001 shows" in html
    assert 'name="product" value="L-1"' in html
    assert '<option value="SL126" selected>' in html


async def test_of_several_products_one_is_chosen(console: Console) -> None:
    await console.sign_in("pos")
    fields = {"label": "BIND0002", "product": "L-", "template": "price"}
    response, html = await bind(console, **fields)
    assert response.status == 400
    assert re.findall(r'name="choice" value="([^"]*)"', html) == ["L-1", "L-2"]
    response, _ = await bind(console, **{**fields, "product": "nobody has it"}, searched="L-", choice="L-2")
    assert response.status == 400
    response, _ = await bind(console, **fields, searched="L-", choice="L-2")
    assert response.status == 303
    label = await console.gateway.labels.table.get("BIND0002")
    assert label is not None
    assert label.product_id == "L-2"


@pytest.mark.parametrize(
    ("wrong", "field", "text"),
    [
        ({"label": "<b>"}, "label", "必须是价签上印的编码"),
        ({"product": ""}, "product", "必填"),
        ({"product": "nothing is called this"}, "product", "清单中没有此编号、名称或条码的商品。"),
        ({"template": "none"}, "template", "none"),
        ({"model": "SL999"}, "model", "SL999"),
    ],
)
async def test_what_is_wrong_with_a_binding_stands_beside_its_field(
    console: Console, wrong: dict[str, str], field: str, text: str
) -> None:
    await console.sign_in("pos")
    fields = {"label": "BIND0003", "product": "L-1", "template": "price", "model": ""} | wrong
    csrf = await console.csrf()
    response, html = await console.post("labels/bind", csrf=csrf, headers=CHINESE, **fields)
    assert response.status == 400
    found = re.search(rf'<small id="{field}-error" class="error">([^<]*)</small>', html)
    assert found is not None
    assert text in found[1]
    assert f'value="{fields["product"]}"' in html
    assert await console.gateway.labels.table.get("BIND0003") is None


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ("https://example.com/esl?code=skdi0001", 'name="label" value="SKDI0001"'),
        ("6901234567892", "No code of a label can be read in the picture"),
    ],
)
async def test_the_code_of_a_label_is_read_in_a_photograph(console: Console, shown: str, text: str) -> None:
    await console.sign_in("pos")
    form = aiohttp.FormData({"csrf": await console.csrf(), "product": "L-2", "action": "read"})
    form.add_field("photo", make_code(shown), filename="photo.png", content_type="image/png")
    async with console.http.post(f"{console.url}console/labels/bind", data=form) as response:
        html = await response.text()
    assert text in html
    assert 'name="product" value="L-2"' in html


async def test_a_product_names_its_labels(console: Console) -> None:
    await console.sign_in("pos")
    await show(console.gateway, "SKDI0001", "L-1")
    _, html = await console.get("products/by-id/L-1")
    assert 'href="/console/labels/by-name/SKDI0001"' in html
    assert 'href="/console/labels/bind?product=L-1"' in html


async def test_events_of_labels_lead_to_their_pages(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.labels.failure_reports.REPORT_INTERVAL_S", 0.0)  # other tests had labels fail, too
    await console.sign_in("pos")
    await show(console.gateway, "EVENT001", "gone", model="SL121")
    # One event tells of all that failed meanwhile, and leads to the first.
    while not re.search(r'/labels/by-name/\w+"', (await console.get("today/events?family=labels"))[1]):
        await asyncio.sleep(0.02)
