"""The console's page of label templates. All tests share one gateway: each has templates of its own."""

import re
from base64 import b64decode

import aiohttp
import pytest

from gateway.labels.template import TEMPLATE_FOLDER
from tests.console.conftest import Console
from tests.console.labels.conftest import CHINESE, settle, show


async def upload(shop: Console, name: str, content: bytes, **given: object) -> tuple[aiohttp.ClientResponse, str]:
    form = aiohttp.FormData({"csrf": await shop.csrf()}, quote_fields=False)
    form.add_field("file", content, filename=name, content_type="application/toml")
    address = f"{shop.url}console/labels/templates"
    async with shop.http.post(address, data=form, allow_redirects=False, **given) as response:  # type: ignore[arg-type]
        return response, await response.text()


PRICE = (TEMPLATE_FOLDER / "price.toml").read_bytes()


async def test_every_template_is_drawn_for_the_chosen_model(console: Console) -> None:
    await console.sign_in("pos")
    _, html = await console.get("labels/templates?model=SL142")
    pictures = re.findall(
        r'src="data:image/png;base64,([^"]*)" class="label-picture true-size sl142" width="400"', html
    )
    assert len(pictures) == 6
    assert all(b64decode(one).startswith(b"\x89PNG") for one in pictures)
    assert "Drawn with a made-up product:" in html
    assert "Your own template" not in html  # a till's people do not change them
    _, html = await console.get("labels/templates?product=L-2", headers=CHINESE)
    assert "以 Ginger ale &lt;b&gt; 绘制" in html
    assert "促销价签" in html
    assert "无法绘制" in html  # it has no price for members
    _, html = await console.get("labels/templates?product=L-&model=none&skip=x")
    assert "Several products are like that." in html


async def test_a_template_is_uploaded_used_downloaded_and_deleted(console: Console) -> None:
    await console.sign_in("installer", "pos")
    response, _ = await upload(console, "mine.toml", PRICE.replace(b'title = "Price"', b'title = "My <i>price"'))
    assert response.status == 303
    _, html = await console.get("labels/templates")
    assert "The template mine was kept." in html
    assert "My &lt;i&gt;price" in html
    response, text = await console.get("labels/templates/mine/file")
    assert "My <i>price" in text
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''mine.toml"
    updater = console.gateway.labels.updater
    await updater.show_product("TEMPL001", product_id="L-1", template="mine", model="SL121")
    await settle(console.gateway, "TEMPL001")
    await console.post("labels/templates/mine/delete", csrf=await console.csrf())
    assert "1 label is drawn by the template" in (await console.get("labels/templates"))[1]
    await show(console.gateway, "TEMPL001", "L-1", model="SL121")
    await console.post("labels/templates/mine/delete", csrf=await console.csrf())
    _, html = await console.get("labels/templates")
    assert "The template mine was deleted." in html
    assert "My &lt;i&gt;price" not in html


async def test_a_template_in_place_of_an_included_one_says_so(console: Console) -> None:
    await console.sign_in("installer", "pos")
    await upload(console, "sold_out.toml", PRICE)
    _, html = await console.get("labels/templates", headers=CHINESE)
    assert "自定义，替代网关自带的模板" in html
    await console.post("labels/templates/sold_out/delete", csrf=await console.csrf())
    assert "in place of" not in (await console.get("labels/templates"))[1]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        (
            "bad.toml",
            PRICE.replace(b"font_size = 22", b"font_size = 2000"),
            "<strong>name.font_size (SL121)</strong>: must be",
        ),
        ("bad.toml", b"[boxes.name]\nx = 1", "<strong>name</strong>: must have &#39;kind&#39;"),
        ("bad.toml", b"[boxes.name]\nkind = 'words'", "&#39;kind&#39; must be one of"),
        ("bad.toml", b"\x00", "TOML"),
        ("bad.toml", b"[boxes]\n" + b"#" * 70000, "65536"),
        ("../../<b>.toml", PRICE, "The file ../../&lt;b&gt;.toml was not taken."),
        ("", b"", "Choose the file of a template first."),
    ],
)
async def test_a_template_with_faults_names_box_and_key(
    console: Console,
    name: str,
    content: bytes,
    text: str,
) -> None:
    await console.sign_in("installer", "pos")
    response, html = await upload(console, name, content)
    assert response.status == 400
    assert text in html
    assert not console.gateway.labels.templates.load()[1]


async def test_tills_change_no_templates(console: Console) -> None:
    await console.sign_in("pos")
    assert (await upload(console, "till.toml", PRICE))[0].status == 403
    response, _ = await console.post("labels/templates/price/delete", csrf=await console.csrf())
    assert response.status == 403
