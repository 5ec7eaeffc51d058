"""Subscriptions: keep the cloud and every camera of ours reporting events to this gateway.

Each is renewed daily, and at once when its address for callbacks has changed. Nobody waits for it, and nothing of it is
ended but by a person, because the vendor's `hook/delete` may end the subscription of another system, too.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.cameras.connection import Garbled
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Change, Registry
from gateway.errors import Conflict, GatewayError, Problem, VendorRefused
from gateway.events.targets import CLOUD, Event, Target
from gateway.runtime.timestamps import utc_text

DAY_S: Final = 86400.0
RENEW_S: Final = DAY_S
UNSUPPORTED_AGAIN_S: Final = 7 * DAY_S
"""How long a camera whose firmware has no hook/add is left alone; an update may bring it."""
FIRST_PAUSE_S: Final = 15.0
LONGEST_PAUSE_S: Final = 900.0
_LOOK_EVERY_S: Final = 30.0
_AT_ONCE: Final = 4
"""How many targets are called at the same time."""

State = Literal["waiting", "subscribed", "failing", "unsupported", "ended", "off"]

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Subscription:
    """How one target stands. `try_at` is when it is called next (monotonic seconds), None: not by itself.

    `under_way` says that it is being called, or waits for that, without a person having asked.
    """

    target: Target
    try_at: float | None
    state: State = "waiting"
    callback: str = ""
    events: list[Event] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """What the vendor says of events that it does not report."""
    since: float | None = None
    last_error: str = ""
    failures: int = 0
    away: bool = False
    under_way: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def busy(self) -> bool:
        """Whether it is being called."""
        return self.under_way or self.turn.locked()

    def describe(self) -> dict[str, Any]:
        """Return it as the local REST interface shows it."""
        return {
            "target": self.target.name,
            "state": self.state,
            "callback": self.callback or None,
            "events": self.events,
            "refused": self.refused,
            "since": None if self.since is None else utc_text(self.since),
            "last_error": self.last_error or None,
            "next_try_in_s": None if self.try_at is None else max(0, round(self.try_at - time.monotonic())),
        }


class Subscriptions:
    """Every subscription. `camera` makes the target of a serial number; `now` is the time in Unix seconds.

    `on_cloud_subscribed` is waited for whenever the cloud has taken a subscription.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        cloud: Target,
        camera: Callable[[str], Target],
        on_cloud_subscribed: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._cloud = cloud
        self._camera = camera
        self._now = now
        self._on_cloud_subscribed = on_cloud_subscribed
        self._entries: dict[str, Subscription] = {}
        self._news = asyncio.Event()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._keeper: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[None]] = set()
        registry.subscribe(self._camera_changed)

    def start(self) -> None:
        """Begin to subscribe; callbacks can arrive."""
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Stop; what is subscribed stays so."""
        tasks = [*self._calls, *([self._keeper] if self._keeper is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def describe(self) -> list[dict[str, Any]]:
        """Return all of them: the cloud's, then the cameras' by serial number."""
        self._look()
        names = sorted(self._entries, key=lambda name: (name != CLOUD, name))
        return [self._entries[name].describe() for name in names]

    async def add(self, name: str) -> dict[str, Any]:
        """Subscribe at the cloud or a camera now, also where a person had ended it; return how it stands.

        Raises `NotFound`, `Conflict` for what cannot be subscribed at, and what the call raises.
        """
        entry = self._entry(name)
        async with entry.turn:
            failure = await self._renew(entry)
        self._news.set()
        if failure is not None:
            raise failure
        return entry.describe()

    async def end(self, name: str) -> dict[str, Any]:
        """End every subscription at the cloud or a camera, and leave it so until `add` or a restart.

        Raises as `add`.
        """
        entry = self._entry(name)
        async with entry.turn:
            callback = entry.callback or _callback_if_any(entry.target)
            await entry.target.delete(entry.events or entry.target.events, callback)
            entry.state, entry.try_at, entry.last_error, entry.since = "ended", None, "", None
            entry.events, entry.refused, entry.callback = [], {}, ""
        return entry.describe()

    # Who is to be subscribed at

    def _entry(self, name: str) -> Subscription:
        self._look()
        if name not in self._entries:
            camera = self._registry.get(name)
            why = "not activated by this account" if camera.managed else "only found: make it managed first"
            raise Conflict(f"the camera {name} is {why}, so it reports no events to this gateway")
        return self._entries[name]

    def _look(self) -> None:
        """Take up cameras that have become ours, let go of those that are not, and see whether an address changed."""
        now = time.monotonic()
        ours = {camera.sn for camera in self._registry.all() if camera.proves_its_serial_number}
        known = {camera.sn for camera in self._registry.all()}
        for name, entry in list(self._entries.items()):
            # What a person has ended stays ended as long as the camera is known.
            if name != CLOUD and name not in ours and not (entry.state == "ended" and name in known):
                del self._entries[name]
        if CLOUD not in self._entries:
            self._entries[CLOUD] = Subscription(self._cloud, now)
        for sn in ours:
            if sn not in self._entries:
                self._entries[sn] = Subscription(self._camera(sn), now)
        for entry in self._entries.values():
            if entry.state != "subscribed" or entry.busy or (entry.try_at or 0) <= now:
                continue
            if _callback_if_any(entry.target) not in ("", entry.callback):
                entry.try_at = now
                self._news.set()

    def _camera_changed(self, change: Change, camera: CameraRecord) -> None:
        entry = self._entries.get(camera.sn)
        if entry is None:
            self._news.set()  # it may have become ours
        elif change == "offline":
            entry.away = True
        # What happens during our own call is its own doing: the camera answers, and tells who it is.
        elif not entry.busy and entry.state != "ended":
            back = change == "online" and (entry.away or entry.state != "subscribed")
            if back or change in ("moved", "activation", "pinned"):
                entry.try_at = time.monotonic()
                self._news.set()

    # Subscribing

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            self._look()
            now = time.monotonic()
            for entry in self._entries.values():
                if entry.try_at is not None and entry.try_at <= now and not entry.busy:
                    entry.try_at, entry.under_way = None, True
                    task = asyncio.create_task(self._call(entry))
                    self._calls.add(task)
                    task.add_done_callback(self._calls.discard)
            pauses = [entry.try_at - now for entry in self._entries.values() if entry.try_at is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min([_LOOK_EVERY_S, *pauses])):
                    await self._news.wait()

    async def _call(self, entry: Subscription) -> None:
        failed_before = entry.failures > 0
        failure = None
        try:
            async with self._at_once, entry.turn:
                # A person may have done it meanwhile, or ended it, or forgotten the camera.
                if entry.try_at is None and entry.state != "ended" and self._entries.get(entry.target.name) is entry:
                    failure = await self._renew(entry)
        finally:
            entry.under_way = False
            if entry.try_at is None and entry.state not in ("ended", "off"):
                entry.try_at = time.monotonic() + LONGEST_PAUSE_S
            self._news.set()
        if failed_before and entry.state == "subscribed":
            _log.info("events are subscribed to at %s again", _named(entry))
        elif failure is not None and entry.state == "failing":
            level = logging.DEBUG if failed_before else logging.WARNING
            _log.log(level, "events are not subscribed to at %s: %s", _named(entry), failure)

    async def _renew(self, entry: Subscription) -> GatewayError | None:
        """Subscribe, and note what came of it; return what went wrong."""
        try:
            callback = entry.target.callback()
            events, refused = await _subscribed(entry.target, callback)
        except GatewayError as exc:
            _note_failure(entry, exc)
            return exc
        if entry.state != "subscribed" or (entry.callback, entry.events) != (callback, events):
            entry.since = self._now()
        entry.state, entry.callback, entry.events, entry.refused = "subscribed", callback, events, refused
        entry.failures, entry.last_error, entry.away = 0, "", False
        entry.try_at = time.monotonic() + RENEW_S * random.uniform(0.9, 1.0)
        if entry.target is self._cloud:
            await self._on_cloud_subscribed()
        return None


def _note_failure(entry: Subscription, failure: GatewayError) -> None:
    """Note why a target is not subscribed at, and when it is called again."""
    entry.last_error = str(failure)
    if entry.target.name == CLOUD and not _callback_if_any(entry.target):
        entry.state, entry.try_at = "off", None  # it takes other settings, and so a restart
        return
    if isinstance(failure, Garbled) and failure.http_status == 404:
        entry.state, entry.failures, pause_s = "unsupported", 0, UNSUPPORTED_AGAIN_S
    else:
        entry.state, entry.failures = "failing", entry.failures + 1
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(entry.failures - 1, 10))
    entry.try_at = time.monotonic() + pause_s * random.uniform(0.8, 1.2)


async def _subscribed(target: Target, callback: str) -> tuple[list[Event], dict[str, str]]:
    """Subscribe to all events of a target, or else to each that it takes; return those, and the reasons of the others.

    Raises what the call raises, and for a target that takes none of them its first refusal.
    """
    events = list(target.events)
    try:
        await target.add(events, callback)
    except VendorRefused as exc:
        if len(events) == 1 or exc.vendor_code in target.about_all:
            raise
        refusal = exc
    else:
        return events, {}
    taken: list[Event] = []
    refused: dict[str, str] = {}
    for event in events:
        try:
            await target.add([event], callback)
        except VendorRefused as exc:
            refused[str(event)] = exc.detail
        else:
            taken.append(event)
    if not taken:
        raise refusal
    return taken, refused


def _callback_if_any(target: Target) -> str:
    try:
        return target.callback()
    except Problem:
        return ""


def _named(entry: Subscription) -> str:
    return "the cloud" if entry.target.name == CLOUD else f"the camera {entry.target.name}"
