"""Takes a picture of every page of the console, for people to look at.

`python tests/console/screenshots.py FOLDER` starts a simulated store, and writes one file for each page, language,
colour scheme and size of screen.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.async_api import async_playwright

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.settings import load_settings
from gateway.simulator.store import SimulatedStore
from tests.chromium import DESKTOP, PHONE
from tests.console.test_every_page import ENDPOINT, keep_label, keep_plan, keep_product
from tests.console.test_outbox_pages import refuse_product
from tests.console.walk import begin, list_paths
from tests.search import find, manage


async def take(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with SimulatedStore(cameras=3) as store:
            file = Path(directory) / "gateway.toml"
            rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{directory}/state"\n'
            file.write_text(store.settings_toml(Path(directory)) + rest, encoding="utf-8")
            gateway = await Gateway.open(load_settings(file), settings_file=file)
            try:
                async with serve(gateway, add_pages=add_console) as urls:
                    await find(gateway, store.cameras)
                    await manage(gateway, store.cameras[0])
                    await keep_plan(gateway, store)
                    outbox_id = str(await refuse_product(gateway))
                    product_id = await keep_product(gateway)
                    names = {
                        "sn": store.cameras[0].sn,
                        "outbox_id": outbox_id,
                        "product_id": product_id,
                        "label": await keep_label(gateway, product_id),
                        **ENDPOINT,
                    }
                    await photograph(gateway, urls[0], names, folder)
            finally:
                await gateway.close()


async def photograph(gateway: Gateway, url: str, names: dict[str, str], folder: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for language in ("en-US", "zh-CN"):
            for scheme in ("light", "dark"):
                for label, size in (("phone", PHONE), ("desktop", DESKTOP)):
                    walk = await begin(browser, language=language, scheme=scheme, size=size)
                    code = gateway.pairing.create("photographer", ["admin"]).code
                    await walk.open(f"{url}console/sign-in#code={code}")
                    await walk.page.wait_for_url("**/console/")
                    for path in list_paths(names):
                        await walk.open(url + path)
                        await walk.page.wait_for_load_state("domcontentloaded")
                        name = re.sub(r"[^a-z0-9]+", "-", path.removeprefix("console/").lower()).strip("-") or "home"
                        await walk.page.screenshot(
                            path=folder / f"{name}.{language[:2]}.{scheme}.{label}.png", full_page=True
                        )
                    await walk.context.close()
        await browser.close()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(target))
