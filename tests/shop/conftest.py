"""A gateway in a simulated store, with site plans whose pauses are short."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.settings import load_settings
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from tests.api.conftest import Rest
from tests.waiting import until

PLAN = "/api/v1/site-plan"


@dataclass(frozen=True)
class Site:
    """A simulated store and the gateway in it."""

    store: SimulatedStore
    gateway: Gateway
    rest: Rest

    def rows(self, **common: Any) -> list[dict[str, Any]]:
        """Return a row for each camera of the store, with the activation number of those that are new."""
        rows = []
        for index, camera in enumerate(self.store.cameras):
            row = {"sn": camera.sn, "name": f"Camera {index + 1}", "place": f"aisle {index + 1}", **common}
            if camera.sn in self.store.activation_numbers:
                row["activation_number"] = self.store.activation_numbers[camera.sn]
            rows.append(row)
        return rows

    def plan(self, **common: Any) -> dict[str, Any]:
        return {"cameras": self.rows(**common), "wifi": {"ssid": WIFI_SSID, "password": WIFI_PASSWORD}}

    def connect_all(self) -> None:
        """Plug every camera into Ethernet."""
        for camera in self.store.cameras:
            camera.state.cable, camera.state.hotspot = True, False

    async def run(self, **body: Any) -> dict[str, Any]:
        """Run the plan to its end, and return it."""
        started = await self.rest("POST", f"{PLAN}/run", body)
        assert started.status == 202, started.body
        return await self.ended()

    async def ended(self) -> dict[str, Any]:
        await until(lambda: not self.gateway.shop.is_running)
        shown = await self.rest("GET", PLAN)
        document: dict[str, Any] = shown.body
        return document


def failures(document: dict[str, Any]) -> list[str]:
    """Return what is not right, camera by camera, for messages."""
    return [
        f"{camera['sn']} {step['name']} {step['state']} {step['reason']}: {step['detail']}"
        for camera in document["cameras"]
        for step in camera["steps"]
        if step["state"] not in ("done", "skipped")
    ]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with SimulatedStore(cameras=3) as store:
        file = tmp_path / "gateway.toml"
        server = '[server]\nhost = "127.0.0.1"\nport = 0\n[provisioning]\nevent_wait_s = 0.2\n'
        rest = f'\n{server}[storage]\ndirectory = "{tmp_path}/state"\n'
        file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
        gateway = await Gateway.open(load_settings(file))
        try:
            async with serve(gateway) as urls, aiohttp.ClientSession(urls[0]) as http:
                yield Site(store, gateway, Rest(http, await gateway.tokens.create("the installer", "installer")))
        finally:
            await gateway.close()
