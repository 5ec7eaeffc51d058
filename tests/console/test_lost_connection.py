"""What an open page does when the gateway restarts, or when its session ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, expect

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.changed_settings import load_all_settings
from gateway.console.site import add_console
from gateway.simulator.ports import find_free_port
from gateway.simulator.store import SimulatedStore
from tests.chromium import open_window
from tests.console.conftest import Console, open_browser_session
from tests.console.test_outbox_pages import refuse_product


@contextlib.asynccontextmanager
async def running(settings: Path, *, held: bool = False) -> AsyncIterator[Gateway]:
    gateway = await Gateway.open(load_all_settings(settings).settings, settings_file=settings)
    if held:
        gateway.readiness.hold("the new version is proved first")
    try:
        async with serve(gateway, add_pages=add_console):
            yield gateway
    finally:
        await gateway.close()


async def test_a_page_outlives_a_restart_of_the_gateway(
    store: SimulatedStore, tmp_path: Path, browser: Browser
) -> None:
    settings, port = tmp_path / "gateway.toml", find_free_port()
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = {port}\n[storage]\ndirectory = "{tmp_path}/state"\n'
    settings.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    url = f"http://127.0.0.1:{port}/"
    async with running(settings) as gateway:
        code = gateway.pairing.create("browser", ["admin"]).code
        page = await (await open_window(browser)).new_page()
        await page.goto(f"{url}console/sign-in#code={code}")
        await page.wait_for_url("**/console/")
        await page.goto(f"{url}console/outbox")
        await expect(page.locator("#outbox")).to_contain_text("Nothing was handed over yet.")
    await expect(page.locator("#connection")).to_be_visible()
    async with running(settings) as gateway:
        number = await refuse_product(gateway)
        await expect(page.locator("#connection")).to_be_hidden(timeout=30_000)
        await expect(page.locator(f"#item-{number}")).to_contain_text("refused")
        # Forms of the page are still good: the session outlives a restart, too.
        await page.locator(f"#item-{number} input").check()
        await page.locator("#drop summary").click()
        await page.get_by_role("button", name="Drop the chosen ones").click()
        await expect(page.locator("#notices")).to_contain_text("1 done.")


async def test_a_page_outlives_an_update_whose_new_version_is_proved_first(
    store: SimulatedStore, tmp_path: Path, browser: Browser
) -> None:
    settings, port = tmp_path / "gateway.toml", find_free_port()
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = {port}\n[storage]\ndirectory = "{tmp_path}/state"\n'
    settings.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    url = f"http://127.0.0.1:{port}/"
    async with running(settings) as gateway:
        code = gateway.pairing.create("browser", ["admin"]).code
        page = await (await open_window(browser)).new_page()
        await page.goto(f"{url}console/sign-in#code={code}")
        await page.wait_for_url("**/console/")
        await page.goto(f"{url}console/outbox")
        await expect(page.locator("#outbox")).to_contain_text("Nothing was handed over yet.")
    async with running(settings, held=True) as gateway:
        async with page.expect_response(lambda one: "/outbox/list" in one.url and one.status == 503):
            pass
        await expect(page.locator("#connection")).to_be_visible()
        gateway.readiness.release()
        number = await refuse_product(gateway)
        await expect(page.locator("#connection")).to_be_hidden()
        await expect(page.locator(f"#item-{number}")).to_contain_text("refused")


async def test_the_settings_are_shown_anew_after_the_restart_that_they_asked_for(
    store: SimulatedStore, tmp_path: Path, browser: Browser
) -> None:
    settings, port = tmp_path / "gateway.toml", find_free_port()
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = {port}\n[storage]\ndirectory = "{tmp_path}/state"\n'
    settings.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    url, ended = f"http://127.0.0.1:{port}/", asyncio.Event()
    async with running(settings) as gateway:
        gateway.restart = ended.set
        code = gateway.pairing.create("browser", ["admin"]).code
        page = await (await open_window(browser)).new_page()
        await page.goto(f"{url}console/sign-in#code={code}")
        await page.wait_for_url("**/console/")
        await page.goto(f"{url}console/shop/settings")
        await page.locator('[name="video.max_streams"]').fill("1")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("button", name="Restart now").click()
        await expect(page.locator("#notices")).to_contain_text("The gateway restarts.")
        await expect(page.get_by_role("button", name="Restart now")).to_have_count(0)
        await ended.wait()
    async with running(settings):
        await page.wait_for_url("**/console/shop/settings")
        await expect(page.locator("#notices")).to_be_empty()
        await expect(page.get_by_text("still runs with other settings")).to_have_count(0)
        await expect(page.locator('[name="video.max_streams"]')).to_have_value("1")


async def test_a_page_whose_session_ends_leads_to_the_sign_in_and_back(console: Console, browser: Browser) -> None:
    _, page = await open_browser_session(browser, console)
    await page.goto(f"{console.url}console/outbox?state=refused")
    await expect(page.locator("#outbox")).to_be_visible()
    await console.gateway.tokens.revoke("browser")
    await page.wait_for_url("**/console/sign-in?next=**")
    await page.fill("#code", console.gateway.pairing.create("browser", ["admin"]).code)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/console/outbox?state=refused")
