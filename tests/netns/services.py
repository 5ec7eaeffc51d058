"""Discovery and advertisement as a program: `python -m tests.netns.services SETTINGS`, settings as JSON.

It prints when one of these services begins to fail, and when it has recovered.
"""

import asyncio
import json
import sys

from gateway.discovery.advertisement import Advertisement
from gateway.discovery.discovery import Discovery
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings


async def watch() -> None:
    settings = DiscoverySettings(**json.loads(sys.argv[1]))
    supervisor = Supervisor(initial_delay_s=0.1, max_delay_s=0.5)
    discovery = Discovery(settings, supervisor, camera_port=443, on_device=lambda _: None)
    advertisement = Advertisement(settings, supervisor, host_suffix="3a4f", version="1.2.3", refresh_interval_s=0.2)
    await advertisement.start(8080)
    await discovery.start()
    failing: set[str] = set()
    while True:
        for report in supervisor.reports():
            if report.state == "failing" and report.name not in failing:
                failing.add(report.name)
                print(f"{report.name} fails: {report.last_failure}", flush=True)  # noqa: T201
            elif report.state == "running" and report.name in failing:
                failing.remove(report.name)
                print(f"{report.name} has recovered", flush=True)  # noqa: T201
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(watch())
