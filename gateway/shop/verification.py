"""Looks again at what a plan has set up, without changing anything, and says what is different now."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from firmware_tools.language import describe_error, fill, join, message, template
from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.errors import Conflict, GatewayError
from gateway.events.subscriptions import Subscriptions
from gateway.shop.camera_steps import CameraSteps
from gateway.shop.cloud_binding import CloudBinding
from gateway.shop.plan_settings import SETTING_GROUPS
from gateway.shop.progress import CameraFacts, CameraProgress
from gateway.shop.steps import PlanStepName

MAX_CONCURRENCY: Final = 8
"""How many cameras are looked at at a time."""
_CAMERA_TIMEOUT_S: Final = 20.0
_TIMEOUT_S: Final = 120.0
"""How long looking at all cameras may take, in seconds."""

FactName = Literal["firmware", "address", "certificate"]
_FACTS: Final[Mapping[FactName, tuple[str, str]]] = {
    "firmware": ("firmware", template("the firmware was {was} and is {now}")),
    "address": ("address", template("the address was {was} and is {now}")),
    "certificate": ("certificate_sha256", template("the trusted certificate was {was} and is {now}")),
}
"""The field of each fact, and how a change of it is told."""


class StepFinding(NamedTuple):
    """How something is now that a step has set up."""

    step: PlanStepName
    """The step."""
    is_right: bool
    """Whether it is as planned."""
    detail: str
    """How it is, for people."""


class PlanChange(NamedTuple):
    """Something that is different from what came of the run."""

    step: PlanStepName
    """The step whose result it is about."""
    is_right: bool
    """Whether it is right now, and was not; else the other way round. True for a fact, which is neither."""
    detail: str
    """How it is now, for people."""
    fact: FactName | None = None
    """What the camera was known by and is not any more; None for the result of a step."""
    was: str | None = None
    """The fact as the sheet has it."""
    now: str | None = None
    """The fact as it is now."""


class PlanVerifier:
    """Looks at the cameras of a plan again. Every call of it only reads."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        steps: CameraSteps,
        cloud: CloudBinding,
        subscriptions: Subscriptions,
    ) -> None:
        self._cameras = cameras
        self._registry = registry
        self._steps = steps
        self._cloud = cloud
        self._subscriptions = subscriptions

    async def verify(self, progress: Sequence[CameraProgress], *, pictures: bool = False) -> list[list[PlanChange]]:
        """Return what has changed at each camera since the run. With `pictures`, take a new one of each.

        Raises `Conflict` if the settings allow no pictures.
        """
        if pictures and not self._steps.takes_pictures:
            raise Conflict(message("the setting video.max_streams allows no pictures"))
        slots = asyncio.Semaphore(MAX_CONCURRENCY)
        deadline = asyncio.get_running_loop().time() + _TIMEOUT_S

        async def look(one: CameraProgress) -> list[PlanChange]:
            async with slots:
                findings = await self._look(one, deadline)
                if pictures and all(found.is_right for found in findings if found.step == "find"):
                    findings += await self._look_at_picture(one, deadline)
                return [*_compare(one, findings), *self._compare_facts(one)]

        return list(await asyncio.gather(*(look(one) for one in progress)))

    async def _look(self, camera: CameraProgress, deadline: float) -> list[StepFinding]:
        if not camera.sn or not camera.get_step("find").ended:
            return []
        findings: list[StepFinding] = []
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(deadline, now + _CAMERA_TIMEOUT_S)):
                await self._look_at_camera(camera, findings)
                await self._look_elsewhere(camera, findings)
        except TimeoutError:
            findings.append(StepFinding("find", False, message("did not answer everything in time")))
        except GatewayError as exc:
            step: PlanStepName = "cloud" if any(one.step == "settings" for one in findings) else "find"
            findings.append(StepFinding(step, False, describe_error(exc)))
        return findings

    async def _look_at_picture(self, camera: CameraProgress, deadline: float) -> list[StepFinding]:
        if not camera.sn or not camera.get_step("picture").ended:
            return []
        try:
            async with asyncio.timeout_at(deadline):
                taken = await self._steps.take_picture_again(camera.sn)
        except TimeoutError:
            return [StepFinding("picture", False, message("did not answer everything in time"))]
        except GatewayError as exc:
            return [StepFinding("picture", False, describe_error(exc))]
        return [StepFinding("picture", True, taken.detail)]

    def _compare_facts(self, camera: CameraProgress) -> Iterator[PlanChange]:
        """Yield what the camera was known by and is not any more. What was or is not known has not changed."""
        record = self._registry.find(camera.sn) if camera.sn else None
        if record is None or camera.accepted is None:
            return
        present = CameraFacts.of(record)
        for fact, (field, text) in _FACTS.items():
            was, now = getattr(camera.accepted, field), getattr(present, field)
            if was and now and was != now:
                yield PlanChange("find", True, fill(text, was=was, now=now), fact, was, now)

    async def _look_at_camera(self, camera: CameraProgress, findings: list[StepFinding]) -> None:
        activation = await self._cameras.probe_activation(camera.sn)
        findings.append(StepFinding("find", True, message("answers")))
        is_ours = activation == "activated"
        detail = message("is activated by this account") if is_ours else message("is not activated by this account")
        findings.append(StepFinding("activate", is_ours, detail))
        if not is_ours:
            return
        await self._cameras.refresh(camera.sn)
        wanted = camera.planned.name
        if wanted is not None:
            name = await self._steps.read_name(camera.sn)
            findings.append(StepFinding("name", name == wanted, message("is {name!r}", name=name)))
        findings.append(await self._compare_settings(camera))

    async def _compare_settings(self, camera: CameraProgress) -> StepFinding:
        planned = camera.planned.settings
        present: dict[str, int] = {}
        for group in SETTING_GROUPS:
            if planned.keys() & set(group.names):
                present |= await self._steps.read_settings(camera.sn, group)
        differing = [f"{name}={present.get(name)}" for name, value in planned.items() if present.get(name) != value]
        if differing:
            return StepFinding("settings", False, message("the camera says {values}", values=join(", ", differing)))
        return StepFinding("settings", True, message("are as planned"))

    async def _look_elsewhere(self, camera: CameraProgress, findings: list[StepFinding]) -> None:
        subscriptions: Mapping[str, Any] = {one["target"]: one for one in self._subscriptions.describe()}
        state = subscriptions.get(camera.sn, {}).get("state")
        detail = message("reports events") if state == "subscribed" else message("does not report events now")
        findings.append(StepFinding("subscribe", state == "subscribed", detail))
        if not self._cloud.is_configured:
            return
        listed = await self._cloud.find(camera.sn)
        wanted = camera.planned.name
        if listed is None:
            findings.append(StepFinding("cloud", False, message("the cloud does not list it")))
        else:
            is_right = wanted is None or listed.name == wanted
            findings.append(StepFinding("cloud", is_right, message("the cloud lists it as {name!r}", name=listed.name)))


def _compare(camera: CameraProgress, findings: Sequence[StepFinding]) -> Iterator[PlanChange]:
    for one in findings:
        step = camera.get_step(one.step)
        was_right = step.state in ("done", "skipped")
        if step.ended and was_right != one.is_right:
            yield PlanChange(one.step, one.is_right, one.detail)
