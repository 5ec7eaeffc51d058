"""A list of products is uploaded in the console, looked at, corrected, and taken exactly as it was shown."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from gateway.console.list_upload import ListUpload, UploadedList
from gateway.errors import Conflict
from gateway.storage.state_directory import UPLOADED_LIST_FILE, StateDirectory
from tests.console.conftest import Console, open_browser_session
from tests.console.products.conftest import settle, take
from tests.waiting import until

CHINESE = {"Accept-Language": "zh-CN"}
PREVIEW = "products/import/preview"


async def upload(console: Console, content: bytes, *, kind: str = "fields", source: str = "") -> aiohttp.ClientResponse:
    form = aiohttp.FormData({"csrf": await console.csrf(), "kind": kind, "source": source})
    form.add_field("file", content, filename="<b>清单</b>.csv", content_type="text/csv")
    address = f"{console.url}console/products/import"
    async with console.http.post(address, data=form, allow_redirects=False) as response:
        return response


def find_hidden(html: str) -> dict[str, str]:
    """Return the hidden fields of the form that takes the list."""
    return dict(re.findall(r'name="(csrf|key|digest)" value="([0-9a-f]+)"', html))


def read_tiles(html: str) -> list[str]:
    return re.findall(r"<li><strong>(\d+)</strong>", html)


async def send(console: Console, action: str, **fields: str) -> tuple[aiohttp.ClientResponse, str]:
    """Send a form of the preview, and return where it leads."""
    response, html = await console.post(f"products/import/{action}", **fields)
    if response.status == 303:
        _, html = await console.get(response.headers["Location"].removeprefix("/console/"))
    return response, html


async def test_a_list_is_shown_and_then_taken(console: Console) -> None:
    await console.sign_in("installer")
    content = "货号;品名;售价\nI-1;可乐 <i>;3,50\nI-2;雪碧;2,90\nI-3;茶;-1\n".encode("gb18030")
    response = await upload(console, content)
    assert (response.status, response.headers["Location"]) == (303, f"/console/{PREVIEW}")
    assert await console.gateway.products.table.get("I-1") is None
    _, html = await console.get(PREVIEW)
    assert read_tiles(html) == ["2", "0", "0", "0", "1"]
    for text in ("GBK", "semicolon", "Selling price: comma", "可乐 &lt;i&gt;", "must be at least 0", "3.50"):
        assert text in html
    assert "<b>清单" not in html
    assert html.index("products whose rows are bad stay as they are") < html.index("products/import/take"), "said first"
    _, chinese = await console.get(PREVIEW, headers=CHINESE)
    assert "1 行有误，其余行可以采用。" in chinese
    _, html = await send(console, "take", **find_hidden(html))
    assert "The list was taken. Products: 2 new, 0 changed, 0 deleted." in html
    assert not (console.gateway.directory.path / UPLOADED_LIST_FILE).exists()
    await settle(console.gateway)
    product = await console.gateway.products.table.get("I-2")
    assert product is not None
    assert str(product.confirmed and product.confirmed["price"]) in ("2.9", "2.90")
    assert (await console.get(PREVIEW))[0].headers["Location"] == "/console/products/import"


async def test_columns_are_corrected_and_remembered_for_the_source(console: Console) -> None:
    await console.sign_in("installer")
    content = b"Art;Text;VK\nC-1;Tee;1.234\n"
    await upload(console, content, source="till 2", kind="complete")
    _, html = await console.get(PREVIEW)
    assert "The list cannot be read as it is." in html
    fields = find_hidden(html) | {"column-0": "id", "column-1": "price", "column-2": "price"}
    _, html = await send(console, "columns", **fields)
    assert "two columns are chosen to be Selling price; choose one" in html
    _, html = await send(console, "columns", **(fields | {"column-1": "name"}))
    assert "Selling price" in html  # 1.234 can be read in two ways
    assert "The list cannot be read as it is." in html
    _, html = await send(console, "columns", **(fields | {"column-1": "name", "decimal": "comma"}))
    assert "1234.00" in html
    await send(console, "discard", **find_hidden(html))
    assert await console.gateway.product_lists.mappings.find("till 2") is None
    await upload(console, content.replace(b"C-1", b"C-2"), source="till 2")
    _, html = await console.get(PREVIEW)
    fields = find_hidden(html) | {"column-0": "id", "column-1": "name", "column-2": "price", "decimal": "comma"}
    _, html = await send(console, "columns", **fields)
    await send(console, "take", **find_hidden(html))
    await upload(console, content.replace(b"C-1", b"C-3"), source="till 2")
    _, html = await console.get(PREVIEW)
    assert read_tiles(html)[0] == "1"
    await send(console, "discard", **find_hidden(html))


async def test_what_changed_since_the_preview_is_shown_again(console: Console) -> None:
    await console.sign_in("installer")
    await take(console.gateway, "id,name,price\nD-1,Plums,2\n")
    await upload(console, b"id,name,price\nD-1,Plums,9\n")
    _, html = await console.get(PREVIEW)
    assert "1 price changes by more than half" in html
    fields = find_hidden(html)
    await take(console.gateway, "id,name,price\nD-1,Plums,4\n")
    _, html = await send(console, "take", **fields)
    assert "the list or the products are not the same any more as in the preview" in html
    assert 'class="price">4.00</td>' in html
    _, html = await send(console, "take", **find_hidden(html))
    assert "Products: 0 new, 1 changed" in html


async def test_a_list_that_was_replaced_cannot_be_taken(console: Console) -> None:
    await console.sign_in("installer")
    await upload(console, b"id,name,price\nE-1,Pears,2\n")
    _, html = await console.get(PREVIEW)
    await upload(console, b"id,name,price\nE-2,Pears,2\n")
    response, page = await send(console, "take", **find_hidden(html))
    assert response.status == 409
    assert "another one has taken its place" in page
    assert await console.gateway.products.table.get("E-1") is None
    _, html = await console.get(PREVIEW)
    await send(console, "discard", **find_hidden(html))
    assert not (console.gateway.directory.path / UPLOADED_LIST_FILE).exists()


async def test_fields_that_become_empty_are_called_as_people_call_them(console: Console) -> None:
    await console.sign_in("installer")
    await take(console.gateway, "id,name,price,bar_code\nM-1,Milk,2,6901234567892\nM-2,Tea,3,\n")
    await upload(console, b"id,name,price\nM-1,Milk,2\nM-2,Tea,3\n", kind="complete")
    _, html = await console.get(PREVIEW)
    assert "Bar code becomes empty for 1 product: the list gives none" in html
    assert "bar_code becomes" not in html
    _, chinese = await console.get(PREVIEW, headers=CHINESE)
    assert "条码：列表未提供" in chinese
    await send(console, "discard", **find_hidden(html))


async def test_what_was_said_of_a_list_is_filled_in_for_the_next_one(console: Console) -> None:
    await console.sign_in("installer")
    response = await upload(console, b"[{]", kind="fields", source="till <2>")
    _, html = await console.get(response.headers["Location"].removeprefix("/console/"))
    assert read_form(html) == ("fields", "till &lt;2&gt;")
    await upload(console, b"id;name\nK-1\n", kind="fields", source="erp")
    _, html = await console.get("products/import")
    assert read_form(html) == ("fields", "erp"), "a list that waits may have to be corrected"
    _, html = await console.get(PREVIEW)
    await send(console, "discard", **find_hidden(html))
    _, html = await console.get("products/import")
    assert read_form(html) == ("complete", "")


def read_form(html: str) -> tuple[str, str]:
    """Return which kind of list is chosen, and the source that is filled in."""
    return (*re.findall(r'value="(\w+)" checked', html), *re.findall(r'name="source" value="([^"]*)"', html))


@pytest.mark.parametrize(
    ("content", "given", "text"),
    [
        (b"", {}, "Choose the file of a list first."),
        (b"PK\x03\x04 no workbook", {}, "The list was not taken: "),
        (b"[{]", {}, "The list was not taken: "),
        (b"id,name,price\n1,a,2\n", {"source": "a/b"}, "must be at most 64 letters"),
    ],
)
async def test_what_is_no_list_leaves_nothing_behind(
    console: Console,
    content: bytes,
    given: dict[str, str],
    text: str,
) -> None:
    await console.sign_in("installer")
    await upload(console, content, **given)
    _, html = await console.get("products/import")
    assert text in html
    assert not (console.gateway.directory.path / UPLOADED_LIST_FILE).exists()


async def test_a_file_that_is_too_large_is_refused_before_it_is_read(console: Console) -> None:
    await console.sign_in("installer")
    length = str(65 * 1024 * 1024)
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": length, "Connection": "close"}
    address = f"{console.url}console/products/import"
    async with console.http.post(address, data=b"--x", headers=headers) as response:
        assert response.status == 413


async def test_only_who_may_change_all_products_imports_lists(console: Console) -> None:
    await console.sign_in("pos")
    for path in ("products/import", PREVIEW):
        assert (await console.get(path))[0].status == 403
    assert (await upload(console, b"id,name,price\n1,a,2\n")).status == 403
    assert "products/import" not in (await console.get("products"))[1]


async def test_an_old_list_is_deleted(tmp_path: Path) -> None:
    def keep(upload: ListUpload) -> UploadedList:
        upload.path.write_bytes(b"id")
        kept = UploadedList(path=upload.path, file_name="", kind="fields", source="", who="")
        upload.keep(kept)
        return kept

    upload = ListUpload(tmp_path, max_age_s=0)
    kept = keep(upload)
    async with upload.lock():  # while it is read it stays
        with pytest.raises(Conflict, match="another list is being received"):
            upload.lock()
        assert upload.find(kept.key) is kept
    await until(lambda: upload.waiting is None)
    assert not upload.path.exists()


def test_a_list_that_a_killed_gateway_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / UPLOADED_LIST_FILE).write_bytes(b"id")
    StateDirectory.acquire(tmp_path).release()
    assert not (tmp_path / UPLOADED_LIST_FILE).exists()


async def test_a_person_uploads_a_list_in_a_browser(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console, "installer", locale="zh-CN")
    await page.goto(f"{console.url}console/products")
    await page.get_by_role("link", name="导入清单").click()
    await page.get_by_label("部分商品或部分字段").check()
    file: Any = {"name": "清单.csv", "mimeType": "text/csv", "buffer": "编码,品名,零售,条码\nB-1,苹果,5.5,1\n".encode()}
    await page.set_input_files("#file", files=[file])
    await page.get_by_role("button", name="上传").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("清单将带来的更改")
    await page.get_by_label("零售").select_option("售价")
    for violation in (await Axe().run(page)).response["violations"]:
        assert violation["impact"] not in ("serious", "critical"), violation
    assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    await page.get_by_role("button", name="按此重新读取").click()
    await expect(page.locator(".first-rows")).to_contain_text("5.50")
    await page.get_by_role("button", name="采用清单").click()
    await expect(page.locator("#notices")).to_contain_text("新增 1 个商品")
