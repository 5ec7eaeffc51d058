"""The gateway: assembles the parts, starts and stops them. It holds no logic of its own."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from gateway import __version__
from gateway.access.pairing import PairingCodes
from gateway.access.token_table import TokenTable
from gateway.audit.log import AuditLog
from gateway.audit.restoration import record_restoration
from gateway.authority.certificate_names import find_certificate_names
from gateway.cameras.cameras import Cameras
from gateway.cameras.found_probe import FoundCameraProbe
from gateway.cameras.moves import MoveTracker
from gateway.cameras.provisioning import Provisioning
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.cloud.client import CloudClient
from gateway.discovery.advertisement import Advertisement, create_host_suffix, digest_account
from gateway.discovery.discovery import Discovery
from gateway.discovery.interfaces import find_own_addresses
from gateway.events.callback_urls import CallbackUrls
from gateway.events.callbacks import Callbacks
from gateway.events.camera_ids import CloudCameraIds
from gateway.events.log import EventLog
from gateway.events.subscription_targets import CameraTarget, CloudTarget
from gateway.events.subscriptions import Subscriptions
from gateway.events.system_events import SystemEvents
from gateway.events.webhooks import Webhooks
from gateway.events.webhooks.table import WebhookTable
from gateway.labels.label_table import LabelTable, has_labels
from gateway.outbox.account import Account
from gateway.outbox.outbox import Outbox
from gateway.outbox.worker import OutboxWorker
from gateway.products.mirror import ProductMirror
from gateway.products.parts import ProductParts
from gateway.products.product_table import ProductTable
from gateway.products.schedule_table import ScheduleTable
from gateway.protocol.endpoint import Scope
from gateway.runtime import logs
from gateway.runtime.changes_under_way import ChangesUnderWay
from gateway.runtime.clock import PeerClock
from gateway.runtime.metrics import Metrics
from gateway.runtime.readiness import Readiness
from gateway.runtime.supervisor import Supervisor
from gateway.settings import Settings
from gateway.shop.stored_work_table import has_stored_work
from gateway.storage.database import Database
from gateway.storage.state_directory import StateDirectory
from gateway.storage.state_replacement import finish_replacement
from gateway.storage.uptime_table import Uptime

if TYPE_CHECKING:  # imported only where they are used: they take much memory
    from gateway.authority.authority import Authority
    from gateway.cameras.video.video import CameraVideo
    from gateway.cloud.customer_flow import CustomerFlow
    from gateway.fleet.desired_follower import ApiCheck, VersionInstaller
    from gateway.fleet.link import FleetLink
    from gateway.fleet.parts import ShopActions
    from gateway.labels.parts import LabelParts
    from gateway.products.list_intake import ListIntake
    from gateway.products.reconciliation import Reconciler
    from gateway.shop.parts import ShopParts
    from gateway.shop.set_up import SiteSetUp


class _Closable(Protocol):
    async def close(self) -> None: ...


Part = TypeVar("Part", bound=_Closable)


class Gateway:
    """Every part of a running gateway. Make one with `open`, and `close` it."""

    def __init__(self, settings: Settings, supervisor: Supervisor, settings_file: Path | None = None) -> None:
        """Take the settings, the supervisor of every long-lived task, and the file of the settings."""
        self.settings = settings
        self.settings_file = settings_file
        """The file that the settings are from; None if there is none."""
        self.restart: Callable[[], None] | None = None
        """Ends the gateway so that the service manager starts it again; None where there is none."""
        self.changes_under_way = ChangesUnderWay()
        """Counts the calls of tills and others that change something."""
        self.fleet_link: FleetLink | None = None
        """The link to the head office; None without one."""
        self.want_version: VersionInstaller | None = None
        """Has a version installed for the head office, at a revision of its wish; None where none can be installed."""
        self.check_api: ApiCheck | None = None
        """Asks for this gateway's health where tills do, and raises without an answer; None while none is served."""
        self.readiness = Readiness()
        """Whether callers are served."""
        self.supervisor = supervisor
        self.started_at = time.monotonic()
        self._parts = AsyncExitStack()

    @classmethod
    async def open(
        cls, settings: Settings, supervisor: Supervisor | None = None, *, settings_file: Path | None = None
    ) -> Self:
        """Open the state directory and assemble the parts; nothing is sent yet.

        Backups hold the file of the settings.

        Raises `StateError` if the directory is held by another gateway or cannot be used, and `SettingsError`.
        """
        logs.add_secrets(settings.secrets)
        gateway = cls(settings, supervisor or Supervisor(), settings_file)
        try:
            await gateway._assemble()
        except BaseException:
            await gateway.close()
            raise
        return gateway

    def _add(self, part: Part) -> Part:
        """Close the part when the gateway is closed, before those that were added earlier."""
        self._parts.push_async_callback(part.close)
        return part

    async def _assemble(self) -> None:
        settings = self.settings
        self._add(self.supervisor)
        self.directory = StateDirectory.acquire(settings.state_directory)
        self._parts.callback(self.directory.release)
        finish_replacement(self.directory.path)
        self.clock = PeerClock()
        self.metrics = Metrics()
        self.cloud = self._add(CloudClient(settings.cloud, self.clock))
        self.cloud.on_call = self.metrics.call_counter("cloud")
        self.database = self._add(await Database.open(self.directory.database))
        self.uptime = await Uptime.open(self.database, self.supervisor)
        self.tokens = self._add(await TokenTable.open(self.database, self.supervisor, uptime_s=self.uptime.now))
        self.pairing = PairingCodes[Scope]()
        self.audit = self._add(AuditLog(self.database, self.uptime, self.supervisor, now=self.clock.now))
        await record_restoration(self.directory.path, self.audit)
        account = Account(settings.cloud.url, settings.cloud.app_id, **settings.cloud.shop)
        self.outbox = self._add(
            await Outbox.open(self.database, self.uptime, self.supervisor, account, max_bytes=settings.outbox.max_bytes)
        )
        self.outbox_worker = self._add(OutboxWorker(self.cloud, self.outbox, self.supervisor))
        self.products = self._add(self._make_mirror())
        await self.products.open()
        self.product_parts = self._add(
            ProductParts(
                self.products,
                self.database,
                self.cloud,
                settings,
                self.supervisor,
                account=lambda: self.outbox.accounts.number,
                report=lambda event: self.system_events.add(event),
                now=self.clock.now,
            )
        )
        self.event_log = self._add(await EventLog.open(self.database, self.uptime, self.supervisor, now=self.clock.now))
        self.event_log.subscribe(self.metrics.count_events)
        self.registry = Registry(CameraTable(self.database), self.supervisor, interval_s=settings.discovery.interval_s)
        await self.registry.load()
        self._add(self.registry)
        self.system_events = self._add(
            SystemEvents(self.event_log, self.registry, self.clock, self.directory.path, self.supervisor)
        )
        self.outbox_worker.subscribe(self.system_events.add)
        camera_ids = self._camera_ids = self._add(CloudCameraIds(self.cloud, settings.cloud, self.supervisor))
        webhook_table = WebhookTable(self.database)
        self.webhooks = self._add(
            await Webhooks.open(
                webhook_table, self.event_log, self.supervisor, own_addresses=find_own_addresses, now=self.clock.now
            )
        )
        self.callbacks = Callbacks(
            self.event_log,
            self.registry,
            cloud=(settings.cloud.app_id, settings.cloud.secret_key),
            camera=settings.camera_credentials,
            serial_number=camera_ids.serial_number,
            now=self.clock.now,
        )
        self.cameras = self._add(
            Cameras(
                self.registry,
                settings=settings.cameras,
                credentials=settings.camera_credentials,
                cloud_clock=self.clock,
                identify=lambda address: self.discovery.identify(address),
            )
        )
        self.cameras.on_call = self.metrics.call_counter("camera")
        self.callback_urls = CallbackUrls(settings.hooks, settings.server.host)
        self.subscriptions = self._add(
            Subscriptions(
                self.registry,
                self.supervisor,
                cloud=CloudTarget(self.cloud, settings.cloud, self.callback_urls),
                camera=lambda sn: CameraTarget(sn, self.registry, self.cameras, self.callback_urls),
                on_cloud_subscribed=camera_ids.refresh,
                now=self.clock.now,
            )
        )
        found_probe = FoundCameraProbe(self.cameras, self.registry, is_ours=camera_ids.has_camera)
        self.moves = MoveTracker(self.cameras, self.registry, self.supervisor, scan=lambda: self.discovery.scan())
        self.discovery = self._add(
            Discovery(
                settings.discovery,
                self.supervisor,
                camera_port=settings.cameras.port,
                on_device=self.registry.record_device,
                known_addresses=lambda: [camera.address for camera in self.registry.all() if camera.address],
                on_scan_end=self.registry.expire_unseen,
                examine=(self.moves.verify, found_probe.probe),
                tls=self.cameras.tls_context,
            )
        )
        self.provisioning = self._add(
            Provisioning(
                self.cameras,
                self.registry,
                ProvisioningJobTable(self.database),
                self.supervisor,
                scan=self.discovery.scan,
            )
        )
        await self.provisioning.load()
        self._has_labels = await has_labels(self.database)
        self.label_table = LabelTable(self.database, account=lambda: self.outbox.accounts.number)
        if self._has_labels:
            await self.labels.updater.open()
        self._shop_has_work = await has_stored_work(self.database)
        if self._shop_has_work:
            await self.shop_parts.load()
        host_suffix = self.directory.load_host_suffix(lambda: create_host_suffix(settings.discovery.interfaces))
        self.advertisement = Advertisement(
            settings.discovery,
            self.supervisor,
            host_suffix=host_suffix,
            version=__version__,
            account=digest_account(settings.camera_credentials[0]),
        )
        self.authority = _authority(settings, self.directory, self.advertisement.host)
        """Certifies the HTTPS port; None if that port is off, or if the settings name a certificate for it."""

    def _make_mirror(self) -> ProductMirror:
        table = ProductTable(self.database, account=lambda: self.outbox.accounts.number)
        return ProductMirror(
            table,
            self.outbox,
            self.supervisor,
            shop=self.settings.cloud.shop,
            report=lambda event: self.system_events.add(event),
            clock=self.clock,
            schedule=ScheduleTable(self.database, account=lambda: self.outbox.accounts.number),
            ask_time=self.cloud.learn_time,
        )

    @cached_property
    def video(self) -> "CameraVideo":
        """Pictures of cameras; imported when somebody asks for one."""
        from gateway.cameras.video.video import CameraVideo
        from gateway.cloud.streams import CloudStreams

        settings, ids, hosts = self.settings, self._camera_ids, self.settings.video.cloud_hosts
        streams = CloudStreams(
            self.cloud, settings.cloud, self.supervisor, find_ipc_id=ids.find_ipc_id, further_hosts=hosts
        )
        video = self._add(CameraVideo(self.cameras, self.registry, self.supervisor, settings.video, streams))
        self.tokens.on_revoked.append(video.end)
        return video

    async def end_viewers(self) -> None:
        """End every picture that somebody watches."""
        if "video" in vars(self):
            await self.video.end_viewers()

    @property
    def product_lists(self) -> "ListIntake":
        """Takes lists of products."""
        return self.product_parts.lists

    @property
    def reconciler(self) -> "Reconciler":
        """Compares products with what the cloud has."""
        return self.product_parts.reconciler

    @cached_property
    def labels(self) -> "LabelParts":
        """The shop's shelf labels; imported when there are some, or when somebody asks for them."""
        from gateway.labels.parts import LabelParts

        settings = self.settings
        return self._add(
            LabelParts(
                self.label_table,
                self.directory.path,
                settings.labels,
                self.cloud,
                self.outbox,
                self.products,
                self.supervisor,
                shop=settings.cloud.shop,
                zone=settings.products.zone,
                report=self.system_events.add,
                metrics=self.metrics,
            )
        )

    @cached_property
    def flow(self) -> "CustomerFlow":
        """The customer flow of the account's shops; imported when somebody asks for it."""
        from gateway.cloud.customer_flow import CustomerFlow
        from gateway.cloud.customer_flow.table import FlowTable

        cloud = self.settings.cloud
        table = FlowTable(self.database, self.uptime, account=f"{cloud.url} {cloud.app_id}")
        return self._add(CustomerFlow(self.cloud, table, self.supervisor, default_shop=cloud.shop))

    @cached_property
    def shop_parts(self) -> "ShopParts":
        """What sets up a shop and shows that it works; imported when somebody asks for it, or when work is stored."""
        from gateway.shop.parts import ShopParts

        return self._add(
            ShopParts(
                self.database,
                self.directory.path,
                self.settings,
                self.cameras,
                self.registry,
                self.provisioning,
                self.video,
                self.cloud,
                self.flow,
                self.subscriptions,
                self.event_log,
                self.system_events,
                self.supervisor,
                scan=self.discovery.scan,
                host=lambda: self.advertisement.host,
            )
        )

    @property
    def shop(self) -> "SiteSetUp":
        """The site plan and its run."""
        return self.shop_parts.set_up

    async def start(self, *, port: int, https_port: int) -> None:
        """Start the background work: outbox, events, webhooks, interrupted jobs, advertisement and discovery."""
        self.directory.warn_if_volatile()
        self.database.start(self.supervisor)
        self.outbox_worker.start()
        self.products.start()
        if self._has_labels:
            self.labels.start()
        self.product_parts.start()
        self.system_events.start()
        self.callback_urls.port = port
        self.subscriptions.start()
        self.webhooks.start({port, https_port} - {0})
        await self.provisioning.resume()
        if self._shop_has_work:
            self.shop.resume()
        await self.advertisement.start(port, https_port)
        self._add(self.advertisement)
        await self.discovery.start()

    def start_fleet_link(self, actions: "ShopActions") -> None:
        """Start the link to the head office that the settings name; `actions` do what it wants of the gateway."""
        from gateway.fleet.parts import make_link

        self.fleet_link = self._add(make_link(self, actions))
        self.fleet_link.start()

    async def close(self) -> None:
        """Stop everything, in the reverse order of its start."""
        await self._parts.aclose()

    @property
    def socket(self) -> Path:
        """The Unix socket on which commands reach this gateway."""
        return self.directory.socket


def _authority(settings: Settings, directory: StateDirectory, host: str) -> "Authority | None":
    if not settings.server.https_port or settings.server.tls_certificate:
        return None
    from gateway.authority.authority import Authority

    shop = settings.cloud.sunmi_shop_no or settings.cloud.shop_id
    title = f"{host.removesuffix('.local')}{f', shop {shop}' if shop else ''}"
    return Authority.open(directory.path, title, find_certificate_names(settings, host))
