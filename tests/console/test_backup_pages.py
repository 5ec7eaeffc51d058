"""The backup as a download."""

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.backup import archive
from gateway.console.site import add_console
from gateway.discovery.interfaces import find_lan_interfaces
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.console.conftest import Console, open_browser_session


async def test_a_backup_is_downloaded_whole_and_nothing_of_it_is_left(
    console: Console, browser: Browser, tmp_path: Path
) -> None:
    console.gateway.settings_file = tmp_path / "gateway.toml"
    await console.gateway.tokens.create("till 1", "pos")
    left = console.gateway.directory.path / "download-killed"
    left.mkdir()
    (left / "backup.tar.gz").write_bytes(b"of a gateway that was killed")
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/shop/backup")
    await expect(page.get_by_text("Version", exact=True)).to_be_visible()
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download a backup").click()
    download = await downloading.value
    assert download.suggested_filename.startswith("sunmi-gateway-")
    contents = archive.verify(Path(await download.path()))
    assert contents.settings == (tmp_path / "gateway.toml").read_text(encoding="utf-8")
    assert not list(console.gateway.directory.path.glob("download-*"))
    [change] = (await console.gateway.audit.read())[0]
    assert (change.who, change.action) == ("browser", "Download a backup")


async def test_over_plain_http_a_person_has_to_say_that_nobody_reads_along(gateway: Gateway) -> None:  # noqa: F811
    addresses = [one.address for one in find_lan_interfaces() if not one.is_loopback and "." in one.address]
    if not addresses:
        pytest.skip("this machine has no address but that of loopback")
    server = gateway.settings.server.model_copy(update={"host": addresses[0]})
    gateway.settings = gateway.settings.model_copy(update={"server": server})
    jar = aiohttp.CookieJar(unsafe=True)
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(cookie_jar=jar) as http:
        console = Console(gateway, urls[0], http)
        await console.sign_in()
        csrf = await console.csrf()
        response, _ = await console.post("shop/backup", csrf=csrf)
        assert response.status == 303
        _, html = await console.get("shop/backup")
        assert 'name="readable"' in html
        assert "tick the box" in html
        assert (await gateway.audit.read())[0] == []


async def test_only_administrators_get_one(console: Console) -> None:
    await console.sign_in("installer")
    response, _ = await console.post("shop/backup", csrf=await console.csrf())
    assert response.status == 403
