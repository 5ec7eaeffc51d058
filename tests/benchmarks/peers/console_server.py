"""A gateway with 20 managed cameras: `console_server.py SETTINGS`. Prints a pairing code, and a token for events."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.settings import load_settings

CAMERAS = 20


async def run(settings: Path) -> None:
    gateway = await Gateway.open(load_settings(settings))
    try:
        for number in range(CAMERAS):
            await gateway.registry.manage(f"FM02D8BS{number:05}", f"127.0.7.{number + 1}:443")
        async with serve(gateway, add_pages=add_console):
            print(gateway.pairing.create("benchmark", ["admin"]).code, flush=True)
            print(await gateway.tokens.create("reader", "pos"), flush=True)
            await asyncio.Event().wait()
    finally:
        await gateway.close()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
