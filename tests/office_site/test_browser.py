"""The pages of the head office in a browser: on a phone and a desktop, in both languages and colour schemes."""

import itertools
import os
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.chromium import DESKTOP, PHONE
from tests.console.walk import Walk, begin
from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import SHOPS_OF_CHAIN, Visitor, connect_shops, enrol_all, report, visit
from tests.office_site.large_chain import PATHS, begin_rollout, fill, give_commands

IS_FULL: Final = os.environ.get("FULL_PROOFS") == "1"
SHOPS: Final = 1000 if IS_FULL else 100
VISITORS: Final = (
    list(itertools.product(("en-US", "zh-CN"), ("light", "dark"), (PHONE, DESKTOP)))
    if IS_FULL
    else [("en-US", "light", PHONE), ("zh-CN", "dark", DESKTOP)]
)


async def open_pages(browser: Browser, visitor: Visitor, language: str, scheme: str, size: dict[str, int]) -> Walk:
    # The chain's authority is new with each test; how the pages are certified is tested without a browser.
    walk = await begin(browser, language=language, scheme=scheme, size=size, ignore_https_errors=True)
    code = visitor.site.pairing.create("browser", ["admin"]).code
    await walk.open(f"{visitor.url}/console/sign-in#code={code}")
    await walk.page.wait_for_url("**/console/")
    return walk


async def test_an_open_page_shows_what_a_shop_reports_without_a_reload(
    browser: Browser, office: HeadOffice, visitor: Visitor
) -> None:
    walk = await open_pages(browser, visitor, "en-US", "light", PHONE)
    await walk.page.get_by_text("outbox worker").wait_for()
    async with office.client("hamburg-1") as shop:
        await report(shop, "hamburg-1", failing={"label updater": "out of memory"})
        await walk.page.get_by_text("label updater").wait_for()
        await report(shop, "hamburg-1")


@pytest.mark.slow
@pytest.mark.parametrize(("language", "scheme", "size"), VISITORS)
async def test_every_page_can_be_used_by_everybody(
    tmp_path: Path, browser: Browser, language: str, scheme: str, size: dict[str, int]
) -> None:
    large = HeadOffice(tmp_path, *SHOPS_OF_CHAIN, nodes=1)
    try:
        await large.start()
        await enrol_all(large)
        await fill(large, SHOPS)
        async with connect_shops(large) as shops, visit(large) as visitor:
            rollout = await begin_rollout(visitor.site)
            commands = await give_commands(visitor.site, shops["hamburg-1"])
            walk = await open_pages(browser, visitor, language, scheme, size)
            walk.faults = [one for one in walk.faults if not one.startswith("https://127.0.0.1")]
            found = []
            for path in (*PATHS, f"rollouts/{rollout}", *commands):
                await walk.open(f"{visitor.url}/console/{path}")
                results = (await Axe().run(walk.page)).response
                found += [
                    f"{path}: {one['id']} {node['target']} {node['failureSummary']}"
                    for one in results["violations"]
                    if one["impact"] in ("serious", "critical")
                    for node in one["nodes"]
                ]
                wide = await walk.page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                if wide > 0:
                    found.append(f"{path}: {wide} pixels wider than the screen")
            assert found == []
            await walk.page.close()
    finally:
        await large.stop()
