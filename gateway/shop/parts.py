"""Assembles what sets up a shop and shows that it works."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning
from gateway.cameras.registry import Registry
from gateway.cameras.video.video import CameraVideo
from gateway.cloud.client import CloudClient
from gateway.cloud.customer_flow import CustomerFlow
from gateway.discovery.scan import ScanResult
from gateway.events.log import EventLog
from gateway.events.subscriptions import Subscriptions
from gateway.events.system_events import SystemEvents
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings
from gateway.shop.camera_steps import CameraSteps
from gateway.shop.cloud_binding import CloudBinding
from gateway.shop.demonstration import Demonstration
from gateway.shop.demonstration.actions import DemonstrationActions, find_event_types
from gateway.shop.demonstration.demonstration_table import DemonstrationTable
from gateway.shop.hotspots import Hotspots
from gateway.shop.hotspots.set_up import HotspotSetUp
from gateway.shop.pictures import PlanPictures
from gateway.shop.plan_table import SitePlanTable
from gateway.shop.set_up import SiteSetUp
from gateway.shop.sheet import SheetMaker
from gateway.shop.verification import PlanVerifier
from gateway.storage.database import Database
from gateway.storage.state_directory import DEMONSTRATION_PICTURES_FOLDER, PLAN_PICTURES_FOLDER


class ShopParts:
    """Every part that sets up a shop and shows that it works. `close` it."""

    def __init__(
        self,
        database: Database,
        directory: Path,
        settings: Settings,
        cameras: Cameras,
        registry: Registry,
        provisioning: Provisioning,
        video: CameraVideo,
        cloud: CloudClient,
        flow: CustomerFlow,
        subscriptions: Subscriptions,
        event_log: EventLog,
        system_events: SystemEvents,
        supervisor: Supervisor,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        host: Callable[[], str],
    ) -> None:
        """Take the state directory, a function that scans the network, and one that returns the gateway's host name."""
        shop, event_s = settings.cloud.shop, settings.provisioning.event_wait_s
        binding = CloudBinding(cloud, settings.cloud)
        self.hotspots = Hotspots(supervisor, confined_to=settings.discovery.interfaces)
        """Joins the hotspots of cameras."""
        self.hotspot_set_up = HotspotSetUp(self.hotspots, provisioning, supervisor, scan=scan)
        """Sets up a camera in its hotspot."""
        self.plan_pictures = PlanPictures(directory / PLAN_PICTURES_FOLDER)
        """The pictures that a run of the site plan takes."""
        steps = CameraSteps(
            cameras,
            binding,
            subscriptions,
            video,
            event_log,
            self.plan_pictures,
            takes_pictures=settings.video.max_streams > 0,
            event_s=event_s,
        )
        self.set_up = SiteSetUp(
            SitePlanTable(database),
            registry,
            cameras,
            provisioning,
            steps,
            self.plan_pictures,
            self.hotspots,
            system_events,
            supervisor,
            scan=scan,
            max_concurrency=settings.provisioning.max_concurrency,
        )
        """The site plan and its run."""
        self.sheets = SheetMaker(
            self.set_up,
            registry,
            cameras,
            PlanVerifier(cameras, registry, steps, binding, subscriptions),
            self.plan_pictures,
            shop=shop,
            host=host,
        )
        """Makes the acceptance sheet."""
        pictures = PlanPictures(directory / DEMONSTRATION_PICTURES_FOLDER)
        demonstration_steps = CameraSteps(
            cameras,
            binding,
            subscriptions,
            video,
            event_log,
            pictures,
            takes_pictures=settings.video.max_streams > 0,
            event_s=event_s,
            find_event_types=lambda sn: find_event_types(registry, sn),
        )
        actions = DemonstrationActions(
            cameras,
            registry,
            binding,
            flow,
            subscriptions,
            demonstration_steps,
            shop=shop,
            scan=scan,
            find_planned=self.set_up.find_planned,
        )
        self.demonstration = Demonstration(
            DemonstrationTable(database),
            registry,
            actions,
            demonstration_steps,
            pictures,
            supervisor,
            shop=shop,
            host=host,
            event_s=event_s,
        )
        """The docking demonstration."""

    async def load(self) -> None:
        """Load what is stored. To be called before anything else, if anything is stored."""
        await self.set_up.load()
        await self.demonstration.load()

    async def close(self) -> None:
        """Stop what is under way; it can be gone on with."""
        await self.demonstration.close()
        await self.set_up.close()
