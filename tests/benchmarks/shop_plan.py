"""How long a whole shop takes, as a multiple of one camera alone: `python tests/benchmarks/shop_plan.py`.

Forty simulated cameras on the LAN, whose responses are late: one alone takes about eight seconds. The gateway is
real. Measured for several values of the setting `provisioning.max_concurrency`, without pictures, and once with them:
each costs an ffmpeg, and `video.max_streams` bounds how many run.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.shop.conftest import PLAN, Site, failures, open_site

CAMERAS = 40
LATENCY_S = 0.18
MAX_RATIO = 3.0
DEFAULT = 20
SETTINGS = {"zoom": 120, "irmode": 1, "rotation": 180, "motion_level": 3, "led_switch": 0}


async def main() -> None:
    ratios = {bound: await _measure(bound, max_streams=0) for bound in (5, 10, DEFAULT, CAMERAS)}
    with_pictures = await _measure(DEFAULT, max_streams=2)
    print(f"site plan of {CAMERAS} cameras, as a multiple of one camera alone")
    for bound, ratio in ratios.items():
        print(f"  {bound:3} at the same time: {ratio:.2f}")
    print(f"  {DEFAULT:3} at the same time, with pictures: {with_pictures:.2f}")
    if ratios[DEFAULT] > MAX_RATIO:
        sys.exit(f"missed: {ratios[DEFAULT]:.2f} is more than {MAX_RATIO}")


async def _measure(bound: int, *, max_streams: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with open_site(
            Path(folder), cameras=CAMERAS + 1, latency_s=LATENCY_S, max_streams=max_streams, max_concurrency=bound
        ) as site:
            site.connect_all()
            plan = site.plan(settings=SETTINGS)
            rows = plan["cameras"]
            alone = await _run(site, {**plan, "cameras": rows[1:2]})
            return await _run(site, {**plan, "cameras": rows[2:] + rows[1:2]}) / alone


async def _run(site: Site, plan: dict[str, Any]) -> float:
    put = await site.rest("PUT", PLAN, plan)
    began = time.monotonic()
    document = await site.run(confirm_erase=put.body["erases"])
    if failures(document):
        sys.exit("\n".join(failures(document)))
    return time.monotonic() - began


if __name__ == "__main__":
    asyncio.run(main())
