"""The gateway: assembles the parts, starts and stops them. It holds no logic of its own."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gateway import __version__
from gateway.api.token_table import TokenTable
from gateway.authority.names import present_names
from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning
from gateway.cameras.provisioning.table import JobTable
from gateway.cameras.registry import Registry
from gateway.cameras.table import CameraTable
from gateway.cloud.client import Cloud
from gateway.cloud.customer_flow import CustomerFlow
from gateway.cloud.customer_flow.table import FlowTable
from gateway.discovery.advertisement import Advertisement, own_digits
from gateway.discovery.interfaces import own_addresses
from gateway.discovery.scan import Discovery
from gateway.events.callback_urls import CallbackUrls
from gateway.events.callbacks import Callbacks
from gateway.events.camera_ids import CloudCameraIds
from gateway.events.log import EventLog
from gateway.events.subscriptions import Subscriptions
from gateway.events.system_events import SystemEvents
from gateway.events.targets import CameraTarget, CloudTarget
from gateway.events.webhooks import Webhooks
from gateway.events.webhooks.table import WebhookTable
from gateway.outbox import Outbox
from gateway.outbox.worker import Relay
from gateway.runtime import logs
from gateway.runtime.clock import PeerClock
from gateway.runtime.metrics import Metrics
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.state_directory import StateDirectory

if TYPE_CHECKING:  # imported where it is used, for the memory that it takes
    from gateway.authority.authority import Authority


@dataclass(kw_only=True)
class Gateway:
    """Every part of a running gateway. Make one with `open`, and `close` it."""

    settings: Settings
    directory: StateDirectory
    database: Database
    metrics: Metrics
    tokens: TokenTable
    registry: Registry
    cloud: Cloud
    outbox: Outbox
    relay: Relay
    flow: CustomerFlow
    event_log: EventLog
    callbacks: Callbacks
    system_events: SystemEvents
    callback_urls: CallbackUrls
    subscriptions: Subscriptions
    webhooks: Webhooks
    cameras: Cameras
    discovery: Discovery
    provisioning: Provisioning
    advertisement: Advertisement
    authority: "Authority | None"
    """What certifies the HTTPS port; None where that is off, or has a certificate of the shop's own."""
    started_at: float = field(default_factory=time.monotonic)
    _parts: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open the state directory and assemble the parts; nothing is sent yet.

        Raises `StateError` if the directory is held by another gateway or cannot be used, and `SettingsError`.
        """
        logs.hide(settings.secrets)
        async with AsyncExitStack() as parts:
            directory = StateDirectory.acquire(settings.state_directory)
            parts.callback(directory.release)
            clock = PeerClock()
            metrics = Metrics()
            cloud = Cloud(settings.cloud, clock)
            cloud.on_call = metrics.calls("cloud")
            parts.push_async_callback(cloud.close)
            database = await Database.open(directory.database)
            parts.push_async_callback(database.close)
            tokens = await TokenTable.open(database)
            parts.push_async_callback(tokens.close)
            outbox = await Outbox.open(database, max_bytes=settings.outbox.max_bytes)
            parts.push_async_callback(outbox.close)
            relay = Relay(cloud, outbox)
            parts.push_async_callback(relay.close)
            account = f"{settings.cloud.url} {settings.cloud.app_id}"
            flow = CustomerFlow(cloud, FlowTable(database, outbox.running, account=account), settings.cloud.shop)
            parts.push_async_callback(flow.close)
            event_log = await EventLog.open(database, outbox.running, now=clock.now)
            parts.push_async_callback(event_log.close)
            event_log.subscribe(metrics.events)
            registry = Registry(CameraTable(database), interval_s=settings.discovery.interval_s)
            await registry.load()
            parts.push_async_callback(registry.close)
            system_events = SystemEvents(event_log, registry, clock, directory.path)
            relay.subscribe(system_events.relay_told)
            parts.push_async_callback(system_events.close)
            ipcs = CloudCameraIds(cloud, settings.cloud)
            parts.push_async_callback(ipcs.close)
            webhooks = await Webhooks.open(WebhookTable(database), event_log, own=own_addresses, now=clock.now)
            parts.push_async_callback(webhooks.close)
            callbacks = Callbacks(
                event_log,
                registry,
                cloud=(settings.cloud.app_id, settings.cloud.secret_key),
                camera=settings.camera_credentials,
                serial_number=ipcs.serial_number,
                now=clock.now,
            )
            cameras = Cameras(
                registry, settings=settings.cameras, credentials=settings.camera_credentials, cloud_clock=clock
            )
            cameras.on_call = metrics.calls("camera")
            parts.push_async_callback(cameras.close)
            callback_urls = CallbackUrls(settings.hooks, settings.server.host)
            subscriptions = Subscriptions(
                registry,
                cloud=CloudTarget(cloud, settings.cloud, callback_urls),
                camera=lambda sn: CameraTarget(sn, registry, cameras, callback_urls),
                on_cloud_subscribed=ipcs.refresh,
                now=clock.now,
            )
            parts.push_async_callback(subscriptions.close)
            discovery = Discovery(
                settings.discovery,
                camera_port=settings.cameras.port,
                on_sighting=registry.see,
                known_addresses=lambda: [camera.address for camera in registry.all() if camera.address],
                on_round_end=registry.expire,
                tls=cameras.tls,
            )
            parts.push_async_callback(discovery.close)
            provisioning = Provisioning(cameras, registry, JobTable(database), discover=discovery.round)
            parts.push_async_callback(provisioning.close)
            digits = directory.digits(lambda: own_digits(settings.discovery.interfaces))
            advertisement = Advertisement(settings.discovery, digits=digits, version=__version__)
            gateway = cls(
                settings=settings,
                directory=directory,
                database=database,
                metrics=metrics,
                tokens=tokens,
                registry=registry,
                cloud=cloud,
                outbox=outbox,
                relay=relay,
                flow=flow,
                event_log=event_log,
                callbacks=callbacks,
                system_events=system_events,
                callback_urls=callback_urls,
                subscriptions=subscriptions,
                webhooks=webhooks,
                cameras=cameras,
                discovery=discovery,
                provisioning=provisioning,
                advertisement=advertisement,
                authority=_authority(settings, directory, advertisement.host),
            )
            gateway._parts = parts.pop_all()
            return gateway

    async def start(self, *, port: int, https_port: int) -> None:
        """Begin what runs by itself: sending what waits, announcing, looking for cameras, jobs that a crash cut off."""
        self.relay.start()
        self.system_events.start()
        self.callback_urls.port = port
        self.subscriptions.start()
        self.webhooks.start({port, https_port} - {0})
        await self.provisioning.resume()
        await self.advertisement.start(port, https_port)
        self._parts.push_async_callback(self.advertisement.close)
        await self.discovery.start()

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
    return Authority.open(directory.path, title, present_names(settings, host))
