"""How soon a browser shows a camera, and how far behind: `python tests/benchmarks/video_latency.py`.

The camera is simulated, the gateway real, the browser Chromium. What is behind is read from the picture, in which the
camera counts its frames. Needs ffmpeg, chromium and libnss3-tools.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.settings import load_settings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.browser import Page, browsing
from tests.search import manage
from tests.video_page import create_ticket, look, watch

FIRST_PICTURE_S = 3.0
BEHIND_S = 1.0
ROUNDS = 5
LOOKS = 20


async def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        async with SimulatedStore(cameras=1) as store:
            file = folder / "gateway.toml"
            rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{folder}/state"\n'
            file.write_text(store.settings_toml(folder) + rest, encoding="utf-8")
            gateway = await Gateway.open(load_settings(file))
            try:
                await manage(gateway, store.cameras[0])
                await _measure(gateway, store.cameras[0], folder)
            finally:
                await gateway.close()


async def _measure(gateway: Gateway, camera: SimulatedCamera, folder: Path) -> None:
    first: list[float] = []
    behind: list[float] = []
    async with serve(gateway) as [url, *_], browsing(folder) as browser:
        path = f"/api/v1/cameras/{camera.sn}/live.mp4?ticket={await create_ticket(gateway, url)}"
        for _ in range(ROUNDS):
            page = await browser.open(f"{url}healthz")
            await watch(page, path)
            first.append(await _wait_for_picture(page))
            for _ in range(LOOKS):
                await asyncio.sleep(0.2)
                behind.append((await look(page)).behind_s)
            await page.run("location.replace('about:blank')")
            while gateway.video.find_stream(camera.sn) is not None:
                await asyncio.sleep(0.1)
    print(f"live picture in Chromium, {ROUNDS} rounds, each begins with a new ffmpeg")
    print(f"  first picture: median {statistics.median(first):.2f} s, worst {max(first):.2f} s")
    print(f"  behind the camera: median {statistics.median(behind):.2f} s, worst {max(behind):.2f} s")
    print(f"  ratios to the limits: {max(first) / FIRST_PICTURE_S:.2f}, {statistics.median(behind) / BEHIND_S:.2f}")
    sys.exit(max(first) > FIRST_PICTURE_S or statistics.median(behind) > BEHIND_S)


async def _wait_for_picture(page: Page) -> float:
    while (first_s := (await look(page)).first_s) is None:
        await asyncio.sleep(0.05)
    return first_s


if __name__ == "__main__":
    asyncio.run(main())
