"""A gateway in a simulated store, with site plans whose pauses are short."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.runtime.supervisor import Supervisor
from gateway.settings import load_settings
from gateway.simulator.store import WIFI_PASSWORD, WIFI_SSID, SimulatedStore
from gateway.simulator.traffic import TrafficGenerator
from tests.api.conftest import Rest
from tests.waiting import until

PLAN = "/api/v1/site-plan"


@dataclass(frozen=True)
class Cameras:
    """A simulated store, and plans for it."""

    store: SimulatedStore

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


@dataclass(frozen=True)
class Site(Cameras):
    """A simulated store and the gateway in it."""

    gateway: Gateway
    rest: Rest

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


@asynccontextmanager
async def open_site(
    folder: Path,
    *,
    cameras: int = 3,
    event_wait_s: float = 30,
    latency_s: float = 0,
    max_streams: int = 0,
    max_concurrency: int = 20,
    public_url: str = "",
) -> AsyncIterator[Site]:
    """Give a gateway in a store whose customers walk past each camera that reports events.

    Pictures cost processor time, so most tests do without them.
    """
    async with SimulatedStore(cameras=cameras) as store:
        for camera in store.cameras:
            camera.faults.latency_s = latency_s
        file = folder / "gateway.toml"
        file.write_text(
            f"{store.settings_toml(folder)}\n"
            f"[video]\nmax_streams = {max_streams}\n"
            f"[provisioning]\nevent_wait_s = {event_wait_s}\nmax_concurrency = {max_concurrency}\n"
            f'[hooks]\npublic_url = "{public_url}"\n'
            f'[storage]\ndirectory = "{folder}/state"\n'
            '[server]\nhost = "127.0.0.1"\nport = 0\n',
            encoding="utf-8",
        )
        gateway = await Gateway.open(load_settings(file))
        try:
            async with serve(gateway) as urls, aiohttp.ClientSession(urls[0]) as http, people(store):
                gateway.callback_urls.port = URL(urls[0]).port
                yield Site(store, gateway, Rest(http, await gateway.tokens.create("the installer", "installer")))
        finally:
            await gateway.close()


@asynccontextmanager
async def people(store: SimulatedStore) -> AsyncIterator[None]:
    """Let each camera see somebody, again and again, as soon as it reports events."""
    traffic = TrafficGenerator(store.cameras)

    async def walk() -> None:
        while True:
            for camera in store.cameras:
                if camera.on_network and camera.state.hooks:
                    await (traffic.show_face if camera.state.model == "FM020" else traffic.show_motion)(camera)
            await asyncio.sleep(0.2)

    supervisor = Supervisor()
    supervisor.start_job("people", walk())
    try:
        yield
    finally:
        await supervisor.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as opened:
        yield opened
