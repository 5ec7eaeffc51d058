"""The gateway's announcement as a program: `python -m tests.netns.announcer [SETTINGS [REFRESH_INTERVAL_S [ACCOUNT]]]`.

It says `host NAME` and stays until it is terminated.
"""

import asyncio
import json
import signal
import sys

from gateway.discovery.advertisement import Advertisement, create_host_suffix
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings


async def announce() -> None:
    settings = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    refresh_interval_s = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    announcement = Advertisement(
        DiscoverySettings(**settings),
        Supervisor(),
        host_suffix=create_host_suffix(settings.get("interfaces", [])),
        version="1.2.3",
        account=sys.argv[3] if len(sys.argv) > 3 else "",
        refresh_interval_s=refresh_interval_s,
    )
    await announcement.start(8080)
    print(f"host {announcement.host}", flush=True)  # noqa: T201
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    await told_to_end.wait()
    await announcement.close()


if __name__ == "__main__":
    asyncio.run(announce())
