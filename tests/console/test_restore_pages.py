"""A backup that is restored in the console: uploaded, looked at, confirmed, and in its place after the next start."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.backup.create import create_backup
from gateway.console import restore
from gateway.console.site import add_console
from gateway.labels.label_table import LabelTable
from gateway.outbox.item_table import ItemFilter
from gateway.protocol.catalogue import CATALOGUE
from gateway.settings import load_settings
from gateway.storage.state_replacement import STAGE_FOLDER, load_waiting
from tests.console.conftest import Console, open_browser_session

ORDER = CATALOGUE.get("cloud", "order/update")


@pytest.fixture
async def file(console: Console, tmp_path: Path) -> Path:
    """Return a backup that was made while an order waited; a token was made after it."""
    gateway = console.gateway
    gateway.settings_file = tmp_path / "gateway.toml"
    order = ORDER.encode({"order_list": [{"order_no": "CN1"}]}, defaults=gateway.settings.cloud.shop)
    await gateway.tokens.create("till 1", "pos")
    await gateway.outbox.submit(order, token="till", wait_s=0)
    labels = LabelTable(gateway.database, account=lambda: gateway.outbox.accounts.number)
    await labels.store("SKDI0001", model="SL121", content="product", product_id="1", template="price", now=0)
    file = tmp_path / "backup.tar.gz"
    await asyncio.to_thread(create_backup, gateway.settings, gateway.settings_file, file)
    await gateway.tokens.create("newer", "pos")
    return file


@pytest.fixture
def content(file: Path) -> bytes:
    return file.read_bytes()


@pytest.mark.parametrize(
    ("locale", "upload", "restore_it", "label_notice"),
    [
        ("en-US", "Upload and check", "Restore it at the next start", "1 shelf label is drawn again"),
        ("zh-CN", "上传并检查", "下次启动时恢复", "1 个电子价签会重新绘制"),
    ],
)
async def test_a_backup_is_restored_at_the_next_start(
    console: Console, browser: Browser, file: Path, locale: str, upload: str, restore_it: str, label_notice: str
) -> None:
    gateway, settings_file = console.gateway, file.with_name("gateway.toml")
    _, page = await open_browser_session(browser, console, locale=locale)
    await page.goto(f"{console.url}console/shop/backup")
    await page.locator("#restore-file").set_input_files(file)
    await page.get_by_role("button", name=upload).click()
    await expect(page.locator(".compared")).to_contain_text(gateway.settings.cloud.app_id)
    waiting = load_waiting(gateway.directory.path)
    assert waiting is not None
    assert (waiting.held, waiting.labels, waiting.counts["token"], waiting.confirmed) == (1, 1, 1, False)
    await page.mouse.move(0, 0)
    for scheme in ("light", "dark"):
        # Without motion: a colour that is on its way from one scheme to the other has no contrast.
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        results = (await Axe().run(page)).response
        serious = [one for one in results["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], node["html"]) for one in serious for node in one["nodes"]] == []
    await page.locator("#restore-confirm").fill("2001-01-01")
    await page.get_by_role("button", name=restore_it).click()
    await expect(page.locator("#notices .failed")).to_be_visible()
    await page.locator("#restore-confirm").fill(waiting.made_at[:10])
    await page.get_by_role("button", name=restore_it).click()
    await expect(page.locator("#restore-confirm")).to_have_count(0)
    assert {one.name for one in gateway.tokens.all()} >= {"till 1", "newer"}, "nothing is changed before the start"
    await gateway.close()
    again = await Gateway.open(load_settings(settings_file), settings_file=settings_file)
    try:
        assert [one.name for one in again.tokens.all()] == ["till 1"]
        assert again.outbox.held
        entries, _ = await again.outbox.list_items(ItemFilter(states=("waiting",)))
        assert len(entries) == 1
        [change] = (await again.audit.read())[0]
        assert (change.who, change.action, change.object) == ("browser", "Restore a backup", waiting.made_at)
        kept = again.directory.path / "restored-settings" / "gateway.toml"
        assert kept.read_text(encoding="utf-8") == settings_file.read_text(encoding="utf-8")
        async with serve(again, add_pages=add_console) as urls:
            new = Console(again, urls[0], console.http)
            _, page = await open_browser_session(browser, new, locale=locale)
            await page.goto(f"{new.url}console/")
            await expect(page.locator("div.notice.ok")).to_contain_text("replaced-1")
            await expect(page.locator("div.notice.ok")).to_contain_text(label_notice)
            await page.locator("div.notice.ok button").click()
            await expect(page.locator("div.notice.ok")).to_have_count(0)
            await page.goto(f"{new.url}console/")
            await expect(page.locator("div.notice.ok")).to_have_count(0)
    finally:
        await again.close()


async def send(
    console: Console, content: bytes, *, csrf: str | None = None, first: bool = True, cut: int = 0
) -> tuple[int, str]:
    """Upload a file as a script would, in small pieces; return the status and what the next page says."""
    form = aiohttp.FormData(default_to_multipart=True)
    token = await console.csrf() if csrf is None else csrf
    if first:
        form.add_field("csrf", token)
    form.add_field("file", content, filename="backup.tar.gz")
    if not first:
        form.add_field("csrf", token)
    body = form()
    raw = (await body.as_bytes())[: -cut or None]

    async def trickle():  # type: ignore[no-untyped-def]
        for start in range(0, len(raw), 997):
            yield raw[start : start + 997]

    async with console.http.post(
        f"{console.url}console/shop/restore",
        data=trickle(),  # type: ignore[no-untyped-call]
        headers=body.headers,
        allow_redirects=False,
    ) as response:
        status = response.status
        text = await response.text()
    return (status, text) if status != 303 else (status, (await console.get("shop/backup"))[1])


async def test_what_arrives_in_pieces_is_taken_and_can_be_discarded(console: Console, content: bytes) -> None:
    await console.sign_in()
    assert (await send(console, content))[0] == 303
    directory = console.gateway.directory.path
    assert load_waiting(directory) is not None
    assert not list(directory.glob("upload-*"))
    assert (await console.post("shop/restore/discard", csrf=await console.csrf()))[0].status == 303
    assert not (directory / STAGE_FOLDER).exists()
    response, _ = await console.post("shop/restore/confirm", csrf=await console.csrf(), confirm="2001-01-01")
    assert response.status == 409


@pytest.mark.parametrize(("csrf", "first", "status"), [("0" * 64, True, 403), (None, False, 403)])
async def test_a_form_of_another_page_is_not_received(
    console: Console, content: bytes, csrf: str | None, first: bool, status: int
) -> None:
    await console.sign_in()
    assert (await send(console, content, csrf=csrf, first=first))[0] == status
    assert load_waiting(console.gateway.directory.path) is None


async def test_a_damaged_backup_is_refused_at_once(console: Console, content: bytes) -> None:
    await console.sign_in()
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 0xFF
    status, page = await send(console, bytes(damaged))
    assert status == 303
    assert "The backup was not taken" in page
    assert "backup.tar.gz" in page
    assert "Choose the file" in (await send(console, b""))[1]
    directory = console.gateway.directory.path
    assert not [*directory.glob("upload-*"), *directory.glob(STAGE_FOLDER)]


@pytest.mark.parametrize("cut", [2, 30, 2000])
async def test_a_form_that_is_cut_off_is_refused(console: Console, content: bytes, cut: int) -> None:
    """Its last line break may be missing."""
    await console.sign_in()
    assert (await send(console, content, cut=cut))[0] == (303 if cut == 2 else 400)
    directory = console.gateway.directory.path
    assert not list(directory.glob("upload-*"))
    assert (load_waiting(directory) is not None) is (cut == 2)


async def test_fields_are_few_and_the_file_is_there(console: Console) -> None:
    await console.sign_in()
    address = f"{console.url}console/shop/restore"
    for fields in ({"csrf": await console.csrf()}, {f"name{number}": "x" * 1000 for number in range(30)}):
        form = aiohttp.FormData(fields, default_to_multipart=True)
        async with console.http.post(address, data=form, allow_redirects=False) as response:
            assert response.status == 400
    response, _ = await console.post("shop/restore", csrf=await console.csrf())
    assert response.status == 400


async def test_a_full_disk_keeps_its_room(console: Console, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    await console.sign_in()
    monkeypatch.setattr(restore, "MIN_FREE_BYTES", 2**60)
    assert "the disk has no room" in (await send(console, content))[1]
    assert not list(console.gateway.directory.path.glob("upload-*"))


async def test_only_over_an_encrypted_connection(
    console: Console, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.sign_in()
    monkeypatch.setattr(restore, "is_private", lambda request: False)
    status, page = await send(console, content)
    assert (status, "over HTTPS only" in page) == (403, True)


async def test_only_administrators_restore(console: Console, content: bytes) -> None:
    await console.sign_in("installer")
    assert (await send(console, content))[0] == 403


async def test_a_restoration_that_fails_is_reported_and_the_gateway_starts(
    console: Console, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = console.gateway
    await console.sign_in()
    await send(console, content)
    waiting = load_waiting(gateway.directory.path)
    assert waiting is not None
    response, _ = await console.post("shop/restore/confirm", csrf=await console.csrf(), confirm=waiting.made_at[:10])
    assert response.status == 303
    await gateway.close()
    real = Path.rename

    def fail(source: Path, target: Path) -> Path:
        if source.name == "gateway.db":
            raise OSError(5, "Input/output error")
        return real(source, target)

    monkeypatch.setattr(Path, "rename", fail)
    assert gateway.settings_file is not None
    again = await Gateway.open(load_settings(gateway.settings_file))
    try:
        assert {one.name for one in again.tokens.all()} >= {"till 1", "newer"}
        assert (await again.audit.read())[0][0].action == "Restore a backup, which failed"
        async with serve(again, add_pages=add_console) as urls:
            new = Console(again, urls[0], console.http)
            await new.sign_in()
            assert "Input/output error" in (await new.get(""))[1]
    finally:
        await again.close()
