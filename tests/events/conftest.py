"""A simulated store, and the parts of a gateway that subscribe to its events, over a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.cloud.client import CloudClient
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.discovery import Discovery
from gateway.events.callback_urls import CallbackUrls
from gateway.events.camera_ids import CloudCameraIds
from gateway.events.subscription_targets import CameraTarget, CloudTarget
from gateway.events.subscriptions import Subscriptions
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from gateway.settings import CameraSettings, CloudSettings, DiscoverySettings, HookSettings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from gateway.storage.database import Database


@dataclass
class Bench:
    """The parts; `own` is this machine's address as cameras see it. Nothing is subscribed before `start`."""

    store: SimulatedStore
    registry: Registry
    cameras: Cameras
    cloud: CloudClient
    camera_ids: CloudCameraIds
    callback_urls: CallbackUrls
    subscriptions: Subscriptions
    own: list[str] = field(default_factory=lambda: ["127.0.0.1"])

    def record_device(self, camera: SimulatedCamera) -> None:
        """Let discovery have seen a camera."""
        self.registry.record_device(
            DiscoveredDevice(
                address=camera.address, interface="lo", found_by="broadcast", sn=camera.sn, model=camera.state.model
            )
        )

    async def manage(self, number: int = 0) -> SimulatedCamera:
        """Let a camera of the store be found, managed and known as it stands."""
        camera = self.store.cameras[number]
        self.record_device(camera)
        await self.registry.manage(camera.sn)
        await self.cameras.confirm_certificate(camera.sn)
        await self.cameras.probe_activation(camera.sn)
        return camera

    def start(self) -> None:
        self.callback_urls.port = 8080
        self.subscriptions.start()

    def state(self, name: str = "cloud") -> dict[str, object]:
        return {one["target"]: one for one in self.subscriptions.describe()}[name]


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def store() -> AsyncIterator[SimulatedStore]:
    async with SimulatedStore(cameras=2) as simulated:
        yield simulated


@pytest.fixture
async def make(store: SimulatedStore, tmp_path: Path) -> AsyncIterator[Make]:
    """Make the parts, with the settings of hooks that are given."""
    made: list[Bench] = []
    database = await Database.open(tmp_path / "gateway.db")
    supervisor = Supervisor()

    async def assemble(*, camera_timeout_s: float = 30, **hooks: str) -> Bench:
        registry = Registry(CameraTable(database), supervisor)
        clock = PeerClock()
        account = (store.app_id, store.secret_key)
        discovery = Discovery(
            DiscoverySettings(interfaces=["lo"], broadcast_port=store.broadcast_port),
            supervisor,
            camera_port=store.camera_port,
            on_device=registry.record_device,
        )
        cameras = Cameras(
            registry,
            settings=CameraSettings(timeout_s=camera_timeout_s),
            credentials=account,
            cloud_clock=clock,
            identify=discovery.identify,
        )
        ca_file = tmp_path / "ca.pem"
        ca_file.write_text(store.cloud.ca_pem)
        settings = CloudSettings(
            base_url=store.cloud.base_url, app_id=store.app_id, secret_key=store.secret_key, shop_id=store.shop_id,
            ca_file=str(ca_file),
        )  # fmt: skip
        cloud = CloudClient(settings, clock)
        own = ["127.0.0.1"]
        callback_urls = CallbackUrls(HookSettings.model_validate(hooks), "0.0.0.0", own_address=lambda _: own[0])
        camera_ids = CloudCameraIds(cloud, settings, supervisor)
        subscriptions = Subscriptions(
            registry,
            supervisor,
            cloud=CloudTarget(cloud, settings, callback_urls),
            camera=lambda sn: CameraTarget(sn, registry, cameras, callback_urls),
            on_cloud_subscribed=camera_ids.refresh,
        )
        bench = Bench(store, registry, cameras, cloud, camera_ids, callback_urls, subscriptions, own)
        made.append(bench)
        return bench

    yield assemble
    for bench in made:
        await bench.subscriptions.close()
        await bench.camera_ids.close()
        await bench.cameras.close()
        await bench.cloud.close()
        await bench.registry.close()
    await supervisor.close()
    await database.close()


@pytest.fixture
async def bench(make: Make) -> Bench:
    return await make()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait until something is so."""

    async def wait(is_so: Callable[[], object]) -> None:
        while not is_so():
            await asyncio.sleep(0.005)

    return wait
