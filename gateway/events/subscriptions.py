"""Subscriptions: keep the cloud and every managed camera reporting events to this gateway.

Each is renewed daily, and at once when its callback URL has changed. Nobody waits for it. Only a person ends one, since
the vendor's `hook/delete` may end the subscription of another system, too.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from firmware_tools.language import message
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import CameraChange, Registry
from gateway.errors import Conflict, GatewayError
from gateway.events.subscription import MAX_DELAY_S, Subscription
from gateway.events.subscription_targets import CLOUD, SubscriptionTarget
from gateway.runtime.supervisor import Service, Supervisor

CHECK_INTERVAL_S: Final = 30.0
"""How often it is checked whether a callback URL has changed."""
MAX_CONCURRENCY: Final = 4
"""How many targets are called at the same time."""


class Subscriptions:
    """The subscriptions at the cloud and at every managed camera."""

    def __init__(
        self,
        registry: Registry,
        supervisor: Supervisor,
        *,
        cloud: SubscriptionTarget,
        camera: Callable[[str], SubscriptionTarget],
        on_cloud_subscribed: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Subscribe to nothing before `start`.

        `camera` makes the target of a serial number. `on_cloud_subscribed` is awaited whenever the cloud was
        subscribed to. `now` returns the time in Unix seconds.
        """
        self._registry = registry
        self._supervisor = supervisor
        self._cloud = cloud
        self._camera = camera
        self._now = now
        self._on_cloud_subscribed = on_cloud_subscribed
        self._subscriptions: dict[str, Subscription] = {}
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(MAX_CONCURRENCY)
        self._service: Service | None = None
        registry.subscribe(self._note_camera_change)

    def start(self) -> None:
        """Subscribe from now on: callbacks can arrive."""
        self._service = self._supervisor.start_service("event subscriptions", self._run)

    async def close(self) -> None:
        """Stop; what is subscribed stays so."""
        if self._service is not None:
            await self._service.stop()
        calls = [one.call for one in self._subscriptions.values() if one.call is not None]
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)

    def describe(self) -> list[dict[str, Any]]:
        """Return all of them as REST shows them: the cloud's, then the cameras' by serial number."""
        self._update()
        names = sorted(self._subscriptions, key=lambda name: (name != CLOUD, name))
        return [self._subscriptions[name].describe() for name in names]

    async def add(self, name: str) -> dict[str, Any]:
        """Subscribe at the cloud or a camera now, also where a person had ended it; return how it stands.

        Raises `NotFound`, `Conflict` for what cannot be subscribed at, and what the call raises.
        """
        subscription = self._get(name)
        async with subscription.lock:
            try:
                await self._renew(subscription)
            finally:
                self._changed.set()
        return subscription.describe()

    async def end(self, name: str) -> dict[str, Any]:
        """End every subscription at the cloud or a camera, and leave it so until `add` or a restart.

        Raises as `add`.
        """
        subscription = self._get(name)
        async with subscription.lock:
            await subscription.end()
        return subscription.describe()

    # Which targets there are

    def _get(self, name: str) -> Subscription:
        self._update()
        if name not in self._subscriptions:
            camera = self._registry.get(name)
            why = message("only found: make it managed first")
            if camera.managed:
                why = message("not activated by this account")
            raise Conflict(
                message("the camera {name} is {why}, so it reports no events to this gateway", name=name, why=why)
            )
        return self._subscriptions[name]

    def _update(self) -> None:
        """Add cameras that report now, drop those that do not any more, and see whether a callback URL changed."""
        now = time.monotonic()
        known = {camera.sn: camera.can_prove_serial_number for camera in self._registry.all()}
        for name, subscription in list(self._subscriptions.items()):
            # What a person has ended stays ended as long as the camera is known.
            ended = subscription.state == "ended" and name in known
            if name != CLOUD and not known.get(name) and not ended:
                self._subscriptions.pop(name).failure_log.recovered()
        if CLOUD not in self._subscriptions:
            self._subscriptions[CLOUD] = Subscription(self._cloud, now)
        for sn, is_reporting in known.items():
            if is_reporting and sn not in self._subscriptions:
                self._subscriptions[sn] = Subscription(self._camera(sn), now)
        for subscription in self._subscriptions.values():
            if subscription.state != "subscribed" or subscription.busy or (subscription.try_at or 0) <= now:
                continue
            if subscription.known_callback_url() not in ("", subscription.callback_url):
                subscription.try_at = now
                self._changed.set()

    def _note_camera_change(self, change: CameraChange, camera: CameraRecord) -> None:
        subscription = self._subscriptions.get(camera.sn)
        if subscription is None:
            self._changed.set()  # it may report now
        elif change == "offline":
            subscription.was_offline = True
        # A change during our own call is the call's doing: the camera answers, and says who it is.
        elif not subscription.busy and subscription.state != "ended":
            is_back = change == "online" and (subscription.was_offline or subscription.state != "subscribed")
            if is_back or change in ("moved", "activation", "pinned"):
                subscription.try_at = time.monotonic()
                self._changed.set()

    # Subscribing

    async def _run(self, service: Service) -> None:
        while True:
            self._changed.clear()
            self._update()
            now = time.monotonic()
            for subscription in self._subscriptions.values():
                if subscription.try_at is not None and subscription.try_at <= now and not subscription.busy:
                    subscription.try_at = None
                    subscription.call = self._supervisor.start_job("event subscription", self._call(subscription))
            service.heartbeat()
            delays = [one.try_at - now for one in self._subscriptions.values() if one.try_at is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min([CHECK_INTERVAL_S, *delays])):
                    await self._changed.wait()

    async def _call(self, subscription: Subscription) -> None:
        try:
            async with self._slots, subscription.lock:
                # A person may have done it meanwhile, or ended it, or forgotten the camera.
                is_current = self._subscriptions.get(subscription.target.name) is subscription
                if subscription.try_at is None and subscription.state != "ended" and is_current:
                    with contextlib.suppress(GatewayError):  # noted there
                        await self._renew(subscription)
        finally:
            if subscription.try_at is None and subscription.state not in ("ended", "off"):
                subscription.try_at = time.monotonic() + MAX_DELAY_S
            self._changed.set()

    async def _renew(self, subscription: Subscription) -> None:
        await subscription.renew(self._now())
        if subscription.target is self._cloud:
            await self._on_cloud_subscribed()
