"""A gateway's provisioning in a process of its own, for tests that kill it.

Takes one JSON argument: `folder`, `sn`, `camera_port`, `broadcast_port`, `interfaces`, `app_id`, `secret_key`,
`timeouts` where they differ from those below, and `request`, which is null to resume what the database holds. Writes
every published change of the job as a line of JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.discovery import Discovery
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.settings import CameraSettings, DiscoverySettings
from gateway.storage.database import Database

TIMEOUTS = {
    "reach_s": 60, "networks_s": 60, "rejoin_s": 60, "leave_s": 60, "activate_s": 3, "verify_s": 60, "probe_s": 0.1,
    "person_s": 60,
}  # fmt: skip


async def provision(asked: dict[str, Any]) -> None:
    database = await Database.open(Path(asked["folder"]) / "gateway.db")
    supervisor = Supervisor()
    registry = Registry(CameraTable(database), supervisor)
    await registry.load()

    def record_device(device: DiscoveredDevice) -> None:
        registry.record_device(device)

    discovery = Discovery(
        DiscoverySettings(
            methods=["broadcast"], interfaces=asked["interfaces"], broadcast_port=asked["broadcast_port"]
        ),
        Supervisor(),
        camera_port=asked["camera_port"],
        on_device=record_device,
    )
    cameras = Cameras(
        registry,
        settings=CameraSettings(port=asked["camera_port"], timeout_s=30),
        credentials=(asked["app_id"], asked["secret_key"]),
        cloud_clock=PeerClock(),
        identify=discovery.identify,
    )
    provisioning = Provisioning(
        cameras,
        registry,
        ProvisioningJobTable(database),
        supervisor,
        scan=lambda: discovery.scan(timeout_s=0.2),
        timeouts=StepTimeouts(**(TIMEOUTS | asked.get("timeouts", {}))),
    )
    ended = asyncio.Event()

    def tell(job: ProvisioningJob) -> None:
        sys.stdout.write(json.dumps(job.describe()) + "\n")
        sys.stdout.flush()
        if not job.is_active:
            ended.set()

    provisioning.subscribe(tell)
    await provisioning.load()
    await provisioning.resume()
    if asked["request"] is not None:
        await provisioning.start(asked["sn"], ProvisioningRequest(**asked["request"]))
    await ended.wait()
    await provisioning.close()
    await cameras.close()
    await discovery.close()
    await registry.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(provision(json.loads(sys.argv[1])))
