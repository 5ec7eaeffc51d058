"""The doctor as a program: `python -m tests.netns.run_checks DISCOVERY KNOWN CHECK...`, in a host of the lab.

DISCOVERY are settings as JSON, KNOWN is an address at which a camera is known, or `-`. It prints the findings as JSON.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from gateway.app import Gateway
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.settings import load_settings


async def look(discovery: str, known: str, *names: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.toml"
        # JSON's texts and lists are TOML's too.
        keys = [f"{key} = {json.dumps(value)}" for key, value in json.loads(discovery).items()]
        file.write_text("\n".join([f'[storage]\ndirectory = "{folder}/state"\n[discovery]', *keys]))
        gateway = await Gateway.open(load_settings(file))
        if known != "-":
            await gateway.registry.manage("FS101D8BS00106", f"{known}:443")
        chosen = [check for check in CHECKS if check.name in names]
        found = await run_checks(CheckContext(gateway.settings, gateway), chosen)
        await gateway.close()
    print(json.dumps([one.describe() for one in found]), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(look(*sys.argv[1:]))
