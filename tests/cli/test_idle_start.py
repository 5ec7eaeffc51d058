"""What a gateway that nobody has asked for anything holds in memory: no room that only people use."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="loopback has another name elsewhere")

UNUSED: Final = {
    "jinja2", "openpyxl", "PIL", "zxingcpp", "babel", "cryptography", "dbus_fast", "nats", "prometheus_client", "rich",
    "segno", "gateway.api.docs", "gateway.api.openapi", "gateway.api.models", "gateway.backup", "gateway.cameras.video",
    "gateway.cloud.customer_flow", "gateway.console.page", "gateway.doctor", "gateway.fleet", "gateway.shop.parts",
    "gateway.simulator", "gateway.support",
}  # fmt: skip
START: Final = """
import asyncio, sys
from pathlib import Path
import aiohttp
import gateway.cli.run
from gateway.app import Gateway
from gateway.api.server import serve
from gateway.console.site import add_console
from gateway.settings import load_settings

async def main():
    gateway = await Gateway.open(load_settings(Path(sys.argv[1])))
    try:
        async with serve(gateway, add_pages=add_console) as urls:
            await gateway.start(port=1, https_port=0)
            async with aiohttp.ClientSession(urls[0]) as session, session.get("healthz") as response:
                assert response.status == 200
            print(*sys.modules)
            if "open" in sys.argv:
                async with aiohttp.ClientSession(urls[0]) as session, session.get("console/sign-in") as response:
                    assert response.status == 200
                assert "gateway.console.page" in sys.modules
    finally:
        await gateway.close()

asyncio.run(main())
"""


def test_what_only_people_use_is_imported_when_somebody_uses_it(tmp_path: Path) -> None:
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        f'[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{(tmp_path / "state").as_posix()}"\n'
        '[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-c", START, str(settings), "open"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "gateway.outbox.outbox" in loaded
    assert {name for name in loaded if any(name == room or name.startswith(f"{room}.") for room in UNUSED)} == set()
