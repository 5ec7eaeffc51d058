"""Provisioning over simulated cameras."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.scan import ScanResult
from tests.cameras.conftest import NUMBER, Bench

SN = "FS101D8BS00106"
SSID, PASSWORD = "SunmiStore", "plenty-of-coffee"
WHOLE = ProvisioningRequest(
    ssid=SSID, password=PASSWORD, activation_number=NUMBER, confirm_erase=True, name="Door"
)  # fmt: skip
WIFI = ProvisioningRequest(ssid=SSID, password=PASSWORD)
ACTIVATION = ProvisioningRequest(activation_number=NUMBER, confirm_erase=True)
NOTHING = ProvisioningRequest()
# Only a failure that is meant reaches a timeout; its test shortens that one.
TIMEOUTS = StepTimeouts(
    reach_s=60, networks_s=60, rejoin_s=60, leave_s=60, activate_s=60, verify_s=60, probe_s=0.05, person_s=60
)


class Lab:
    """Provisioning over simulated cameras; `visible` is where the gateway's host is: at home, or in the hotspot."""

    def __init__(self, bench: Bench, timeouts: StepTimeouts = TIMEOUTS) -> None:
        self.bench = bench
        self.table = ProvisioningJobTable(bench.database)
        self.visible: Callable[[Any], bool] = lambda camera: True
        self.published: list[tuple[str, str, str | None]] = []
        self.interface = "lo"
        """Where cameras are seen."""
        self.moves = 0
        self.provisioning = self.make(timeouts)

    def shorten(self, **timeouts: float) -> None:
        """Let the steps with these timeouts give up sooner."""
        self.provisioning = self.make(replace(TIMEOUTS, **timeouts))

    def make(
        self,
        timeouts: StepTimeouts = TIMEOUTS,
        cameras: Cameras | None = None,
        scan: Callable[[], Awaitable[ScanResult]] | None = None,
    ) -> Provisioning:
        bench = self.bench
        made = Provisioning(
            cameras or bench.cameras,
            bench.registry,
            self.table,
            bench.supervisor,
            scan=scan or self.scan,
            timeouts=timeouts,
        )
        made.subscribe(lambda job: self.published.append((job.step, job.state, job.reason)))
        return made

    async def restart(self, *, in_service: bool = True) -> None:
        """End the process that provisions, and begin another: the service, or a command."""
        await self.provisioning.close()
        self.provisioning = self.make()
        await self.provisioning.load()
        if in_service:
            await self.provisioning.resume()

    async def scan(self) -> ScanResult:
        devices = [
            DiscoveredDevice(
                address=camera.address,
                interface=self.interface,
                found_by="broadcast",
                sn=camera.sn,
                model=camera.state.model,
                mac=camera.state.mac,
                hotspot=camera.state.hotspot,
            )
            for camera in self.bench.simulated
            if camera.on_network and self.visible(camera)
        ]
        for device in devices:
            self.bench.registry.record_device(device)
        return ScanResult(devices=devices, unidentified=[], methods={}, failures=[])

    async def camera(self, **options: Any) -> Any:
        """Start a factory-new camera in hotspot mode, which moves when it joins."""
        return await self.bench.simulate(**{"hotspot": True, "on_wifi": self.move, "rejoin_s": 0.15, **options})

    def move(self, camera: Any, ssid: str) -> str:
        self.moves += 1
        return f"127.22.0.{self.moves}"

    async def until(self, is_so: Callable[[ProvisioningJob], bool], sn: str = SN) -> ProvisioningJob:
        while not is_so(job := self.provisioning.get(sn)):
            await asyncio.sleep(0.005)
        return job

    async def end(self, sn: str = SN) -> ProvisioningJob:
        return await self.until(lambda job: not job.is_active, sn)

    async def run(self, request: ProvisioningRequest, sn: str = SN) -> ProvisioningJob:
        await self.provisioning.start(sn, request)
        return await self.end(sn)

    async def fails(self, request: ProvisioningRequest, step: str, reason: str, sn: str = SN) -> ProvisioningJob:
        job = await self.run(request, sn)
        assert (job.state, job.step, job.reason) == ("failed", step, reason), job.describe()
        assert job.get_step(job.step).state == "failed"
        assert job.detail
        assert await self.table.load_all() == {}
        return job


@pytest.fixture
async def lab(bench: Bench) -> AsyncIterator[Lab]:
    lab = Lab(bench)
    await lab.provisioning.resume()  # as the service does
    await lab.scan()
    yield lab
    await lab.provisioning.close()


def outcome(job: ProvisioningJob) -> list[str]:
    return [f"{step.name} {step.state}" for step in job.steps]


ALL_DONE = ["reach done", "networks done", "wifi done", "rejoin done", "activate done", "verify done"]
