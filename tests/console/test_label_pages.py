"""The console's pages of shelf labels. All tests share one gateway: each has labels of its own."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.labels.label import StoredLabel
from gateway.products.list_intake import ListOptions
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.console.conftest import Console, open_browser_session

CHINESE = {"Accept-Language": "zh-CN"}


@pytest.fixture(scope="module")
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=1) as simulated:
        yield simulated


@pytest.fixture(scope="module")
async def gateway(store: SimulatedStore, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("shelf")
    file = folder / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
    file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
    opened = await Gateway.open(load_settings(file))
    opened.outbox_worker.start()
    opened.system_events.start()
    opened.products.start()
    opened.labels.start()
    rows = "id,name,price,bar_code\nL-1,Lemonade 柠檬,3.2,6901234567892\nL-2,Ginger ale <b>,2,6901234567893\n"
    await opened.product_lists.take(rows.encode(), ListOptions(kind="complete", confirmed=True))
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
async def console(gateway: Gateway) -> AsyncIterator[Console]:
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        yield Console(gateway, urls[0], http)


async def show(gateway: Gateway, name: str, product_id: str, *, model: str = "") -> StoredLabel:
    """Have a label show a product, and wait until it does, or has failed."""
    await gateway.labels.updater.show_product(name, product_id=product_id, template="price", model=model)
    return await settle(gateway, name)


async def settle(gateway: Gateway, name: str) -> StoredLabel:
    while True:
        label = await gateway.labels.table.get(name)
        assert label is not None
        if label.state in ("shown", "failed") and not label.is_stale:
            return label
        await asyncio.sleep(0.02)


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
        ("leave", "The gateway stays away from this label"),
    ):
        response, _ = await console.post(f"labels/by-name/SKDI0004/{action}", csrf=await console.csrf())
        assert response.status == 303
        assert text in (await console.get("labels/by-name/SKDI0004"))[1]
        if action == "verify":
            await settle(console.gateway, "SKDI0004")
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
