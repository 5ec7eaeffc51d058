"""One scan as a program: `python -m tests.netns.search SETTINGS [TIMEOUT_S]`, settings as JSON.

It prints the result as JSON, each device with `after_s`, the time since the scan began.
"""

import asyncio
import dataclasses
import json
import sys
import time
from typing import Any

from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.discovery import DEFAULT_SCAN_S, Discovery
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings


async def search(settings: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    seen: list[tuple[float, DiscoveredDevice]] = []
    begin = time.monotonic()
    discovery = Discovery(
        DiscoverySettings(**settings),
        Supervisor(),
        camera_port=443,
        on_device=lambda device: seen.append((time.monotonic() - begin, device)),
    )
    result = await discovery.scan(timeout_s=timeout_s)
    whole_s = time.monotonic() - begin
    await discovery.close()
    return {
        "devices": [{**dataclasses.asdict(device), "after_s": after_s} for after_s, device in seen],
        "unidentified": [device.address for device in result.unidentified],
        "methods": {name: {"found": method.found, "error": method.error} for name, method in result.methods.items()},
        "whole_s": whole_s,
    }


def main() -> None:
    settings = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    timeout_s = float(sys.argv[2]) if len(sys.argv) > 2 else DEFAULT_SCAN_S
    print(json.dumps(asyncio.run(search(settings, timeout_s))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
