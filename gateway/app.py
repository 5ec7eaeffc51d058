"""The gateway: assembles the parts, starts and stops them. It holds no logic of its own."""

import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway import __version__
from gateway.clock import PeerClock
from gateway.cloud.client import Cloud
from gateway.cloud.relay import Relay
from gateway.events.callbacks import Callbacks
from gateway.events.observer import Observer
from gateway.events.push import Push
from gateway.lan.cameras import Cameras
from gateway.lan.discovery.announce import Announcement
from gateway.lan.discovery.round import Discovery
from gateway.lan.interfaces import own_addresses
from gateway.lan.provisioning import Provisioning
from gateway.lan.registry import Registry
from gateway.settings import Settings
from gateway.store.cameras import CameraTable
from gateway.store.database import Database
from gateway.store.directory import StateDirectory
from gateway.store.jobs import JobTable
from gateway.store.journal import Journal
from gateway.store.outbox import Outbox
from gateway.store.tokens import TokenTable
from gateway.store.webhooks import WebhookTable


@dataclass(kw_only=True)
class Gateway:
    """Every part of a running gateway. Make one with `open`, and `close` it."""

    settings: Settings
    directory: StateDirectory
    database: Database
    tokens: TokenTable
    registry: Registry
    cloud: Cloud
    outbox: Outbox
    relay: Relay
    journal: Journal
    callbacks: Callbacks
    observer: Observer
    push: Push
    cameras: Cameras
    discovery: Discovery
    provisioning: Provisioning
    announcement: Announcement
    started_at: float = field(default_factory=time.monotonic)
    _parts: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Open the state directory and assemble the parts; nothing is sent yet.

        Raises `StateError` if the directory is held by another gateway or cannot be used, and `SettingsError`.
        """
        async with AsyncExitStack() as parts:
            directory = StateDirectory.acquire(settings.state_directory)
            parts.callback(directory.release)
            clock = PeerClock()
            cloud = Cloud(settings.cloud, clock)
            parts.push_async_callback(cloud.close)
            database = await Database.open(directory.database)
            parts.push_async_callback(database.close)
            tokens = await TokenTable.open(database)
            parts.push_async_callback(tokens.close)
            outbox = await Outbox.open(database, max_bytes=settings.outbox.max_bytes)
            parts.push_async_callback(outbox.close)
            relay = Relay(cloud, outbox)
            parts.push_async_callback(relay.close)
            journal = await Journal.open(database, outbox.running, now=clock.now)
            parts.push_async_callback(journal.close)
            registry = Registry(CameraTable(database), interval_s=settings.discovery.interval_s)
            await registry.load()
            parts.push_async_callback(registry.close)
            observer = Observer(journal, registry, clock, directory.path)
            parts.push_async_callback(observer.close)
            push = await Push.open(WebhookTable(database), journal, own=own_addresses, now=clock.now)
            parts.push_async_callback(push.close)
            callbacks = Callbacks(
                journal,
                registry,
                cloud=(settings.cloud.app_id, settings.cloud.secret_key),
                camera=settings.camera_credentials,
                now=clock.now,
            )
            cameras = Cameras(
                registry, settings=settings.cameras, credentials=settings.camera_credentials, cloud_clock=clock
            )
            parts.push_async_callback(cameras.close)
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
            gateway = cls(
                settings=settings,
                directory=directory,
                database=database,
                tokens=tokens,
                registry=registry,
                cloud=cloud,
                outbox=outbox,
                relay=relay,
                journal=journal,
                callbacks=callbacks,
                observer=observer,
                push=push,
                cameras=cameras,
                discovery=discovery,
                provisioning=provisioning,
                announcement=Announcement(settings.discovery, version=__version__),
            )
            gateway._parts = parts.pop_all()
            return gateway

    async def start(self, *, port: int, https_port: int) -> None:
        """Begin what runs by itself: sending what waits, announcing, looking for cameras, jobs that a crash cut off."""
        self.relay.start()
        self.observer.start()
        self.push.start({port, https_port} - {0})
        await self.provisioning.resume()
        await self.announcement.start(port, https_port)
        self._parts.push_async_callback(self.announcement.close)
        await self.discovery.start()

    async def close(self) -> None:
        """Stop everything, in the reverse order of its start."""
        await self._parts.aclose()

    @property
    def socket(self) -> Path:
        """The Unix socket on which commands reach this gateway."""
        return self.directory.socket
