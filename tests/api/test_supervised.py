"""Every service of a gateway fails, once and for ever: it is reported, it recovers, and the gateway serves on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.runtime.supervisor import Service, Supervisor
from gateway.settings import Settings, load_settings
from gateway.simulator.store import SimulatedStore
from tests.waiting import until


class FaultySupervisor(Supervisor):
    """A supervisor whose services fail as a test wants it."""

    def __init__(self, *, once: bool = False, always: str = "") -> None:
        super().__init__(initial_delay_s=0.001, max_delay_s=0.01)
        self._once = once
        self._always = always
        self.failed: set[str] = set()

    def has_failed_often(self) -> bool:
        return any(report.failures > 3 for report in self.reports())

    def start_service(self, name: str, run: Callable[[Service], Awaitable[None]], **options: Any) -> Service:
        async def fail_or_run(service: Service) -> None:
            if name == self._always or (self._once and name not in self.failed):
                self.failed.add(name)
                raise RuntimeError(f"{name} was made to fail")
            await run(service)

        return super().start_service(name, fail_or_run, **options)


@pytest.fixture
def settings(store: SimulatedStore, tmp_path: Path) -> Settings:
    file = tmp_path / "gateway.toml"
    rest = f'\n[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
    file.write_text(store.settings_toml(tmp_path) + rest, encoding="utf-8")
    return load_settings(file)


@asynccontextmanager
async def running(settings: Settings, supervisor: Supervisor) -> AsyncIterator[tuple[Gateway, aiohttp.ClientSession]]:
    gateway = await Gateway.open(settings, supervisor)
    try:
        token = await gateway.tokens.create(f"till {id(supervisor)}", "pos")
        headers = {"Authorization": f"Bearer {token}"}
        async with serve(gateway) as urls, aiohttp.ClientSession(urls[0], headers=headers) as session:
            await gateway.start(port=1, https_port=0)
            yield gateway, session
    finally:
        await gateway.close()


async def services(session: aiohttp.ClientSession) -> dict[str, Any]:
    async with session.get("/api/v1/status") as response:
        assert response.status == 200
        return {one["name"]: one for one in (await response.json())["services"] if one["kind"] == "service"}


async def order(session: aiohttp.ClientSession, number: str) -> str:
    body = {"order_list": [{"order_no": number}]}
    async with session.post("/api/v1/cloud/order/update", json=body, headers={"Prefer": "wait=20"}) as response:
        return f"{response.status} {await response.text()}"


async def test_every_service_that_fails_once_recovers(settings: Settings, store: SimulatedStore) -> None:
    supervisor = FaultySupervisor(once=True)
    async with running(settings, supervisor) as (_, session):
        assert (await order(session, "CN1")).startswith("200")
        await until(lambda: all(report.state == "running" for report in supervisor.reports()))
        found = await services(session)
    assert {"outbox worker", "outbox writer", "event log writer", "event log retention", "uptime"} <= set(found)
    assert set(found) == supervisor.failed
    assert {one["failures"] for one in found.values()} == {1}
    assert {one["last_failure"] for one in found.values()} == {
        f"RuntimeError: {name} was made to fail" for name in found
    }


async def test_a_service_that_fails_for_ever_stops_nothing_else(settings: Settings) -> None:
    async with running(settings, Supervisor()) as (_, session):
        names = set(await services(session))
    for name in sorted(names):
        supervisor = FaultySupervisor(always=name)
        async with running(settings, supervisor) as (_, session):
            await until(supervisor.has_failed_often)
            found = await services(session)
            assert {one for one, report in found.items() if report["state"] == "failing"} == {name}
            async with session.get("/healthz") as response:
                assert response.status == 200
            if name not in ("outbox worker", "outbox writer"):
                assert (await order(session, f"CN {name}")).startswith("200"), name
