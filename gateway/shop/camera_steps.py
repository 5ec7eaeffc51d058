"""The later steps of a camera in a plan: name, settings, cloud, subscribe, picture, event."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from firmware_tools.language import describe_error, join, message
from gateway.cameras.cameras import Cameras
from gateway.cameras.video.video import CameraVideo
from gateway.errors import CameraUnreachable, Conflict, GatewayError, Overloaded, PeerTimeout, VendorRefused
from gateway.events.event import Event
from gateway.events.log import EventLog
from gateway.events.subscriptions import Subscriptions
from gateway.protocol.catalogue import CATALOGUE
from gateway.shop.cloud_binding import CloudBinding
from gateway.shop.pictures import PlanPictures
from gateway.shop.plan import PlannedCamera
from gateway.shop.plan_settings import LENS_SETTINGS, SETTING_GROUPS, SettingGroup
from gateway.shop.progress import PlanStepFailed, StepOutcome
from gateway.shop.steps import PlanStepName

_GET_NAME: Final = CATALOGUE.get("camera", "config/getName")
_UPDATE_NAME: Final = CATALOGUE.get("camera", "config/updateName")
_MIN_PICTURE_BYTES: Final = 100

StepAction = Callable[[str, PlannedCamera], Awaitable[StepOutcome]]
"""Does a step for a camera, by its serial number. Raises `PlanStepFailed` and what calls raise."""


@dataclass(slots=True)
class _ExpectedEvent:
    """The event of a camera that is waited for."""

    types: frozenset[str]
    """The types of which any will do; empty for all."""
    has_come: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has come."""
    event: Event | None = None
    """The first that has come."""


class CameraSteps:
    """What is done to a camera that is activated. Each step compares first, and reads back what it has set."""

    def __init__(
        self,
        cameras: Cameras,
        cloud: CloudBinding,
        subscriptions: Subscriptions,
        video: CameraVideo,
        event_log: EventLog,
        pictures: PlanPictures,
        *,
        takes_pictures: bool,
        event_s: float,
        picture_s: float = 60,
        retry_s: float = 2,
        find_event_types: Callable[[str], frozenset[str]] = lambda sn: frozenset(),
    ) -> None:
        """Take as how long an event and a picture are waited for, and the pause between two tries, in seconds.

        `find_event_types` returns of which types an event of a camera has to be; empty if any will do.
        """
        self._cameras = cameras
        self._cloud = cloud
        self._subscriptions = subscriptions
        self._video = video
        self._pictures = pictures
        self._takes_pictures = takes_pictures
        self._event_s = event_s
        self._picture_s = picture_s
        self._retry_s = retry_s
        self._find_event_types = find_event_types
        self._expected: dict[str, _ExpectedEvent] = {}
        """The event of each camera that is waited for, by serial number."""
        event_log.subscribe(self._note_events)
        self.in_turn: Mapping[PlanStepName, StepAction] = {
            "name": self._set_name,
            "settings": self._set_settings,
            "cloud": self._bind,
            "subscribe": self._subscribe,
        }
        """Steps that call the camera or the cloud, in their order."""
        self.afterwards: Mapping[PlanStepName, StepAction] = {"picture": self._take_picture, "event": self._wait_event}
        """Steps that wait for something, and keep nobody else from working meanwhile."""

    def expect_events(self, sn: str) -> None:
        """Count events of a camera from now on."""
        self._expected[sn] = _ExpectedEvent(self._find_event_types(sn))

    def find_event(self, sn: str) -> Event | None:
        """Return the first event of a camera that has counted; None if none has come."""
        expected = self._expected.get(sn)
        return None if expected is None else expected.event

    def _note_events(self, events: Sequence[Event]) -> None:
        for event in events:
            expected = self._expected.get(event.camera or "")
            if expected is None or event.source == "gateway" or expected.has_come.is_set():
                continue
            if not expected.types or event.type in expected.types:
                expected.event = event
                expected.has_come.set()

    async def _set_name(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        name = planned.name
        if name is None:
            return StepOutcome("skipped", message("the plan names none"))
        if await self.read_name(sn) == name:
            return StepOutcome("done", message("is {name!r} already", name=name))
        await self._cameras.call(sn, _UPDATE_NAME.encode({"name": name}))
        shown = await self.read_name(sn)
        await self._cameras.refresh(sn)
        if shown != name:
            reason = message("the camera took the name {name!r}, and says {shown!r}", name=name, shown=shown)
            return StepOutcome("warning", reason, changed=True, reason="wrong_value")
        return StepOutcome("done", message("is {name!r}", name=name), changed=True)

    async def read_name(self, sn: str) -> str:
        """Return the name that a camera says."""
        response = await self._cameras.call(sn, _GET_NAME.encode({}))
        return str(response.data.get("name", "")) if isinstance(response.data, Mapping) else ""

    async def _set_settings(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        groups = [group for group in SETTING_GROUPS if any(name in planned.settings for name in group.names)]
        if not groups:
            return StepOutcome("skipped", message("the plan has none"))
        changed: list[str] = []
        differing: list[str] = []
        for group in groups:
            wanted = {name: planned.settings[name] for name in group.names if name in planned.settings}
            present = await self.read_settings(sn, group)
            if _matches(wanted, present):
                continue
            if LENS_SETTINGS & wanted.keys():
                await self._keep_former_picture(sn)
            await self._cameras.call(sn, group.setter.encode(_complete(group, present, wanted)))
            changed += wanted
            present = await self.read_settings(sn, group)
            differing += [f"{name}={present.get(name)}" for name in wanted if present.get(name) != wanted[name]]
        if differing:
            reason = message("the camera took the settings, and says {values}", values=join(", ", differing))
            return StepOutcome("warning", reason, changed=True, reason="wrong_value")
        if not changed:
            return StepOutcome("done", message("are as planned already"))
        return StepOutcome("done", message("set: {names}", names=join(", ", changed)), changed=True)

    async def read_settings(self, sn: str, group: SettingGroup) -> dict[str, int]:
        """Return the settings that a camera says."""
        response = await self._cameras.call(sn, group.getter.encode({}))
        return group.read(response.data)

    async def _bind(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        return await self._cloud.bind(sn, planned.name)

    async def _subscribe(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        self.expect_events(sn)
        known = {one["target"]: one for one in self._subscriptions.describe()}
        subscribed = known.get(sn)
        # One that is about to be renewed may be gone: the camera was activated anew, or has moved.
        changed = subscribed is None or subscribed["state"] != "subscribed" or not subscribed["next_try_in_s"]
        if changed:
            try:
                subscribed = await self._subscriptions.add(sn)
            except Conflict as exc:
                return StepOutcome("warning", describe_error(exc), reason="no_callback")
        assert subscribed is not None  # noqa: S101 - it was found or added
        url = subscribed["callback"]
        return StepOutcome("done", message("it reports to {url}", url=url), changed)

    async def _keep_former_picture(self, sn: str) -> None:
        """Keep a picture from before the plan changes the lens for the first time, if there can be one."""
        if not self._takes_pictures or self._pictures.has(sn, "before"):
            return
        with contextlib.suppress(GatewayError):
            await self._pictures.save(sn, "before", await self._video.small_snapshot(sn))

    async def _take_picture(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        if not self._takes_pictures:
            return StepOutcome("skipped", message("the setting video.max_streams allows no pictures"))
        deadline = asyncio.get_running_loop().time() + self._picture_s
        while True:
            try:
                jpeg = await self._video.small_snapshot(sn)
                break
            except Conflict as exc:  # without ffmpeg there are no pictures, and the camera is all right
                return StepOutcome("warning", describe_error(exc), reason="no_picture")
            except VendorRefused as exc:
                raise PlanStepFailed("no_picture", describe_error(exc)) from exc
            except (CameraUnreachable, PeerTimeout, Overloaded) as exc:
                if asyncio.get_running_loop().time() >= deadline:
                    raise PlanStepFailed("no_picture", describe_error(exc)) from exc
            await asyncio.sleep(self._retry_s)
        if len(jpeg) < _MIN_PICTURE_BYTES:
            raise PlanStepFailed("no_picture", message("the picture is empty"))
        await self._pictures.save(sn, "after", jpeg)
        await self._pictures.remove(sn, "now")
        return StepOutcome("done", message("a picture of {bytes} bytes", bytes=len(jpeg)))

    @property
    def takes_pictures(self) -> bool:
        """Whether the settings allow pictures."""
        return self._takes_pictures

    async def take_picture_again(self, sn: str) -> StepOutcome:
        """Take a picture in addition to those of the run. Raises `GatewayError` if there is none."""
        jpeg = await self._video.small_snapshot(sn)
        await self._pictures.save(sn, "now", jpeg)
        return StepOutcome("done", message("a picture of {bytes} bytes", bytes=len(jpeg)))

    async def _wait_event(self, sn: str, planned: PlannedCamera) -> StepOutcome:
        if sn not in self._expected:
            self.expect_events(sn)
        try:
            async with asyncio.timeout(self._event_s):
                await self._expected[sn].has_come.wait()
        except TimeoutError:
            reason = message("none has come within {seconds:g} s", seconds=self._event_s)
            return StepOutcome("warning", reason, reason="no_event")
        return StepOutcome("done", message("an event has come"))


def _matches(wanted: Mapping[str, int], present: Mapping[str, int]) -> bool:
    return all(present.get(name) == value for name, value in wanted.items())


def _complete(group: SettingGroup, present: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, Any]:
    """Return the arguments of the setter: what the plan leaves open stays as it is."""
    return {name: value for name, value in {**present, **wanted}.items() if name in group.names}
