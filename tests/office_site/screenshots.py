"""Takes a picture of every page of the head office, for people to look at.

`python tests/office_site/screenshots.py FOLDER` starts servers and shops, and writes one file for each page, language,
colour scheme and size of screen.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import async_playwright

from tests.chromium import DESKTOP, PHONE
from tests.console.walk import begin
from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import SHOPS_OF_CHAIN, Visitor, connect_shops, enrol_all, visit
from tests.office_site.large_chain import PATHS, begin_rollout, fill, give_commands

LOOKS = (("en-US", "light", "phone", PHONE), ("en-US", "light", "desktop", DESKTOP), ("zh-CN", "dark", "phone", PHONE))


async def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        office = HeadOffice(Path(directory), *SHOPS_OF_CHAIN, nodes=1)
        try:
            await office.start()
            await enrol_all(office)
            await fill(office, 300)
            async with connect_shops(office) as shops, visit(office) as visitor:
                rollout = await begin_rollout(visitor.site)
                commands = await give_commands(visitor.site, shops["hamburg-1"])
                await photograph(visitor, folder, (*PATHS, f"rollouts/{rollout}", *commands))
        finally:
            await office.stop()


async def photograph(visitor: Visitor, folder: Path, paths: tuple[str, ...]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--ignore-certificate-errors"]
        )
        for language, scheme, label, size in LOOKS:
            walk = await begin(browser, language=language, scheme=scheme, size=size)
            code = visitor.site.pairing.create("photographer", ["admin"]).code
            await walk.open(f"{visitor.url}/console/sign-in#code={code}")
            await walk.page.wait_for_url("**/console/")
            for path in paths:
                await walk.open(f"{visitor.url}/console/{path}")
                name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"
                await walk.page.screenshot(path=folder / f"{name}.{language[:2]}.{label}.png", full_page=True)
            await walk.context.close()
        await browser.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(target))
