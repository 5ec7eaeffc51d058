"""A run of the plan: works on many cameras at once; one camera's trouble never holds the others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final

from firmware_tools.language import message
from gateway.errors import GatewayError
from gateway.runtime.supervisor import Supervisor
from gateway.shop.bring_up import BringUp
from gateway.shop.camera_steps import CameraSteps, StepAction
from gateway.shop.failures import make_plan_failure, take_step
from gateway.shop.hotspot_walk import HotspotWalk
from gateway.shop.plan import WifiNetwork
from gateway.shop.progress import CameraProgress, PlanStepFailed, StepOutcome
from gateway.shop.steps import PLAN_STEP_NAMES, PlanStepName

_UNREACHABLE: Final = ("not_reachable", "malformed_response", "certificate_changed", "wrong_serial_number")
"""Reasons after which there is no point in calling the camera for its other steps."""

MAX_STEP_S: Final = 120.0
"""How long a step that calls the camera or the cloud takes at most, whatever they answer and however slowly."""

_log: Final = logging.getLogger(__name__)


class PlanRun:
    """One run. `finish` is awaited with each camera when the run has done with it; `walk` is None without hotspots.

    `plan` has all cameras of the plan: those that the run leaves alone may be in two rows, too.
    """

    def __init__(
        self,
        cameras: Sequence[CameraProgress],
        wifi: WifiNetwork | None,
        bring_up: BringUp,
        walk: HotspotWalk | None,
        steps: CameraSteps,
        supervisor: Supervisor,
        *,
        max_concurrency: int,
        plan: Sequence[CameraProgress],
        retry_s: float,
        end_step: Callable[[CameraProgress, PlanStepName, StepOutcome | PlanStepFailed], None],
        save: Callable[[CameraProgress], Awaitable[None]],
        finish: Callable[[CameraProgress], Awaitable[None]],
    ) -> None:
        self._cameras = cameras
        self._wifi = wifi
        self._bring_up = bring_up
        self._walk = walk
        self._steps = steps
        self._supervisor = supervisor
        self._slots = asyncio.Semaphore(max_concurrency)
        self._plan = plan
        self._retry_s = retry_s
        self._end_step = end_step
        self._save = save
        self._finish = finish

    async def run(self) -> None:
        """Work on all cameras, and return when that has ended for each."""
        if not self._cameras:
            return
        await self._bring_up.scan()
        for camera in self._cameras:
            camera.active = True
        jobs = [self._supervisor.start_job("site plan camera", self._work(camera)) for camera in self._cameras]
        if self._walk is not None:
            walk = self._supervisor.start_job("walk through hotspots", self._walk.run(self._cameras))
            jobs.append(walk)
        try:
            await asyncio.wait(jobs)
        except asyncio.CancelledError:
            for job in jobs:
                job.cancel()
            await asyncio.wait(jobs)
            raise

    async def _work(self, camera: CameraProgress) -> None:
        try:
            await self._take_steps(camera)
        except PlanStepFailed as exc:
            self._fail(camera, exc)
        except GatewayError as exc:  # the database cannot be used
            self._fail(camera, make_plan_failure(exc))
        except Exception:
            self._fail(camera, PlanStepFailed("internal", message("the gateway made a mistake; its log says more")))
            raise  # the supervisor logs and reports it
        finally:
            camera.interrupt()
        await self._finish(camera)

    def _fail(self, camera: CameraProgress, failure: PlanStepFailed) -> None:
        present = next((step.name for step in camera.steps if not step.ended), PLAN_STEP_NAMES[-1])
        self._end_step(camera, failure.step or present, failure)

    async def _take_steps(self, camera: CameraProgress) -> None:
        if not camera.get_step("activate").ended:
            await self._bring_to_work(camera)
            await self._save(camera)
        async with self._slots:
            is_reachable = await self._take(camera, self._steps.in_turn, MAX_STEP_S)
        if is_reachable:
            await self._take(camera, self._steps.afterwards)

    async def _bring_to_work(self, camera: CameraProgress) -> None:
        if not camera.sn:
            await self._bring_up.identify(camera)
        self._bring_up.check_identity(camera, self._plan)
        if not self._bring_up.has_job(camera) and self._bring_up.is_on_lan(camera):
            try:
                async with self._slots:
                    if not await self._bring_up.look(camera):
                        await self._bring_up.provision(camera, None)
                return
            except PlanStepFailed as exc:
                if exc.reason != "not_reachable" or self._walk is None or not self._walk.has_seen(camera):
                    raise
            # It was reset since it was on this network: its hotspot is there.
        if self._wifi is None and not self._bring_up.has_job(camera):
            reason = message(
                "the camera {label} is not on this network, and there is no Wi-Fi to put it on", label=camera.label
            )
            raise PlanStepFailed("no_wifi", reason, "find")
        # It may wait for a person for long, so it takes nobody's place.
        await self._bring_up.provision(camera, self._wifi)

    async def _take(
        self, camera: CameraProgress, actions: Mapping[PlanStepName, StepAction], max_s: float | None = None
    ) -> bool:
        """Take steps that do not depend on each other. Return false if the camera cannot be reached any more."""
        for name, action in actions.items():
            if camera.get_step(name).ended:
                continue
            camera.get_step(name).state = "running"
            outcome = await self._take_in_time(partial(action, camera.sn, camera.planned), max_s)
            self._end_step(camera, name, outcome)
            await self._save(camera)
            if isinstance(outcome, PlanStepFailed) and outcome.reason in _UNREACHABLE:
                return False
        return True

    async def _take_in_time(
        self, take: Callable[[], Awaitable[StepOutcome]], max_s: float | None
    ) -> StepOutcome | PlanStepFailed:
        try:
            async with asyncio.timeout(max_s) as limit:
                return await take_step(take, retry_s=self._retry_s)
        except TimeoutError:
            if not limit.expired():
                raise
            return PlanStepFailed("not_reachable", message("it has not ended within {seconds:.0f} s", seconds=max_s))
