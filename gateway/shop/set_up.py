"""The set-up of the shop: its one site plan, and the run of it. Both survive the end of the process."""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from firmware_tools.language import message
from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning, StepTimeouts
from gateway.cameras.registry import Registry
from gateway.discovery.scan import ScanResult
from gateway.errors import Conflict, FieldError, GatewayError, InvalidRequest, NotFound
from gateway.events.system_events import SystemEvents
from gateway.runtime.supervisor import Supervisor
from gateway.shop import events
from gateway.shop.bring_up import BringUp
from gateway.shop.camera_steps import CameraSteps
from gateway.shop.dry_run import describe_actions
from gateway.shop.hand_over import continue_progress, drop_secrets, look_at_done, require_unfinished
from gateway.shop.hotspot_walk import HotspotVisits, HotspotWalk
from gateway.shop.hotspots import HotspotSupport
from gateway.shop.pictures import PlanPictures
from gateway.shop.plan import PlannedCamera, SitePlan
from gateway.shop.plan_check import check_identities, will_be_activated
from gateway.shop.plan_document import count_erased, describe_plan
from gateway.shop.plan_table import WIFI_SECRET, SitePlanTable
from gateway.shop.progress import CameraFacts, CameraProgress, PlanStepFailed, StepOutcome
from gateway.shop.run import PlanRun
from gateway.shop.run_record import RunRecord, RunRequest, RunState, from_stored, to_stored
from gateway.shop.steps import PlanStepName

_log: Final = logging.getLogger(__name__)


class SiteSetUp:
    """The site plan of the shop, and its run."""

    def __init__(
        self,
        table: SitePlanTable,
        registry: Registry,
        cameras: Cameras,
        provisioning: Provisioning,
        steps: CameraSteps,
        pictures: PlanPictures,
        hotspots: HotspotVisits,
        system_events: SystemEvents,
        supervisor: Supervisor,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        max_concurrency: int,
        timeouts: StepTimeouts | None = None,
    ) -> None:
        """Take a function that scans the network, and how many cameras are worked on at a time."""
        self._table = table
        self._registry = registry
        self._cameras = cameras
        self._provisioning = provisioning
        self._steps = steps
        self._pictures = pictures
        self._hotspots = hotspots
        self._system_events = system_events
        self._supervisor = supervisor
        self._max_concurrency = max_concurrency
        self._timeouts = timeouts or StepTimeouts()
        self._bring_up = BringUp(
            cameras,
            registry,
            provisioning,
            scan=scan,
            timeouts=self._timeouts,
            end_step=self._end_step,
            note_waiting=self._note_waiting,
        )
        self._plan: SitePlan | None = None
        self._progress: list[CameraProgress] = []
        self._run = RunRecord()
        self._job: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    # The plan

    @property
    def plan(self) -> SitePlan:
        """The plan. Raises `NotFound` if there is none."""
        if self._plan is None:
            raise NotFound(
                message("there is no site plan: hand one over in the console, or run `sunmi-gateway shop run PLAN`")
            )
        return self._plan

    @property
    def progress(self) -> list[CameraProgress]:
        """How far each camera of the plan is, in the order of the list."""
        return self._progress

    def find_planned(self, sn: str) -> PlannedCamera | None:
        """Return what the plan wants of a camera; None if it is in none."""
        return next((one.planned for one in self._progress if one.sn.casefold() == sn.casefold()), None)

    @property
    def run_record(self) -> RunRecord:
        """What is known of the run."""
        return self._run

    @property
    def is_running(self) -> bool:
        """Whether a run is under way."""
        return self._run.state == "running"

    def check(self, plan: SitePlan) -> dict[str, Any]:
        """Return what a plan would be, without keeping it. Raises `InvalidRequest`."""
        check_identities(plan, self._registry)
        progress = [CameraProgress.create(camera) for camera in plan.cameras]
        return describe_plan(plan, progress, RunRecord(), self._registry)

    async def replace(self, plan: SitePlan) -> None:
        """Keep a plan in place of the former one. What was done for a camera that it leaves as it was stays done.

        Raises `InvalidRequest`, and `Conflict` while a run is under way or if a camera that is not done yet is missing.
        """
        check_identities(plan, self._registry)
        async with self._changing:
            if self.is_running:
                raise Conflict(
                    message("the plan is running: stop it first (`sunmi-gateway shop stop`), then change it")
                )
            require_unfinished(plan, self._progress)
            progress = continue_progress(plan, self._progress)
            await look_at_done(progress, self._cameras)
            plan = drop_secrets(plan, progress)
            run = RunRecord()
            await self._table.replace(to_stored(plan, progress, run))
            self._plan, self._progress, self._run = plan, progress, run
            self._pictures.keep_only([one.sn for one in progress])

    async def delete(self) -> None:
        """Forget the plan and its secrets. Raises `NotFound`, and `Conflict` while a run is under way."""
        async with self._changing:
            _ = self.plan
            if self.is_running:
                raise Conflict(message("the plan is running: stop it first (`sunmi-gateway shop stop`)"))
            await self._table.delete()
            self._plan, self._progress, self._run = None, [], RunRecord()
            self._pictures.keep_only(())

    def describe(self) -> dict[str, Any]:
        """Return the plan and how far it is, as the REST API shows it, without secrets. Raises `NotFound`."""
        return describe_plan(self.plan, self._progress, self._run, self._registry)

    # The run

    async def describe_dry_run(self, request: RunRequest, plan: SitePlan | None = None) -> dict[str, Any]:
        """Return what a run would do to which cameras: one of the plan that is kept, or of another, which is not kept.

        Raises `NotFound`, and `InvalidRequest` for another plan with rows that cannot be right.
        """
        if plan is None:
            plan, progress = self.plan, self._progress
        else:
            check_identities(plan, self._registry)
            progress = continue_progress(plan, self._progress)
        chosen = _choose(progress, request)
        support = await self._describe_hotspots(plan, chosen)
        return {
            "erases": count_erased(chosen, self._registry),
            "hotspots": None
            if support is None
            else {
                "available": support.available,
                "interrupts_shop": support.interrupts_shop,
                "detail": support.effect or support.reason,
            },
            "cameras": [
                {
                    "sn": one.sn or None,
                    "mac": one.planned.mac or None,
                    "actions": describe_actions(one, self._registry, plan.wifi),
                }
                for one in chosen
            ],
        }

    async def start_run(self, request: RunRequest) -> None:
        """Start a run. Raises `NotFound`, `InvalidRequest` without the right confirmation, and `Conflict`."""
        async with self._changing:
            _ = self.plan
            if self.is_running:
                raise Conflict(message("the plan is running already: look how far it is, or stop it first"))
            self._cameras.require_credentials()
            chosen = _choose(self._progress, request)
            self._check_confirmation(request, count_erased(chosen, self._registry))
            use_hotspots = await self._may_use_hotspots(request, chosen)
            before = [(one, one.steps, one.may_activate) for one in chosen]
            for one in chosen:
                one.interrupt()
                one.may_activate = will_be_activated(one.planned, self._registry)
                one.restart(only_failed=request.only_failed)
            try:
                await self._store_run(RunRecord("running", time.time(), use_hotspots=use_hotspots))
            except BaseException:
                for one, steps, may_activate in before:
                    one.steps, one.may_activate = steps, may_activate
                raise
            self._start_job(chosen)
            self._system_events.add(events.PlanRunBegan(cameras=len(chosen)))

    def _check_confirmation(self, request: RunRequest, erased: int) -> None:
        if erased and request.confirm_erase != erased:
            reason = message(
                "must be {count}: so many cameras lose their face groups when they are activated", count=erased
            )
            raise InvalidRequest([FieldError("confirm_erase", reason)])

    async def _describe_hotspots(self, plan: SitePlan, cameras: list[CameraProgress]) -> HotspotSupport | None:
        """Return whether hotspots can be joined, or None if no camera needs that."""
        if plan.wifi is None or not any(map(self._bring_up.may_need_hotspot, cameras)):
            return None
        return await self._hotspots.describe()

    async def _may_use_hotspots(self, request: RunRequest, cameras: list[CameraProgress]) -> bool:
        support = await self._describe_hotspots(self.plan, cameras)
        if support is None or not support.available:
            return False
        if support.interrupts_shop and request.confirm_offline is None:
            reason = message(
                "must be true or false: {effect} With false, a person joins the hotspots", effect=support.effect
            )
            raise InvalidRequest([FieldError("confirm_offline", reason)])
        return not support.interrupts_shop or request.confirm_offline is True

    def _start_job(self, cameras: list[CameraProgress]) -> None:
        self._job = self._supervisor.start_job("site plan", self._work(cameras))

    async def _work(self, cameras: list[CameraProgress]) -> None:
        run = PlanRun(
            cameras,
            self.plan.wifi,
            self._bring_up,
            self._make_walk() if self._run.use_hotspots else None,
            self._steps,
            self._supervisor,
            max_concurrency=self._max_concurrency,
            plan=self._progress,
            retry_s=self._timeouts.probe_s,
            end_step=self._end_step,
            save=self._save,
            finish=self._finish_camera,
        )
        await run.run()
        await self._end_run("failed" if any(one.state != "done" for one in self._progress) else "done")

    def use_hotspots(self, hotspots: HotspotVisits) -> None:
        """Join hotspots by other means from now on."""
        self._hotspots = hotspots

    def _make_walk(self) -> HotspotWalk:
        return HotspotWalk(self._hotspots, self._registry, self._provisioning, scan=self._bring_up.scan)

    async def stop_run(self) -> None:
        """Stop the run; what was done stays. Raises `NotFound`, and `Conflict` if none is under way."""
        async with self._changing:
            _ = self.plan
            if not self.is_running:
                raise Conflict(message("no run of the plan is under way"))
            await self._cancel_job()
            for one in self._progress:
                await self._bring_up.cancel(one)
            await self._end_run("stopped")

    async def _end_run(self, state: RunState) -> None:
        """Store that the run has ended, and then show it. A plan that is done needs no secret any more."""
        ended = dataclasses.replace(self._run, state=state, ended_at=time.time())
        try:
            if state == "done" and self.plan.wifi is not None:
                self._plan = dataclasses.replace(self.plan, wifi=dataclasses.replace(self.plan.wifi, password=""))
                await self._table.delete_secret(WIFI_SECRET)
            await self._store_run(ended)
        except BaseException:
            if state != "stopped":  # the next start goes on with the run: it finds it done, but not stopped
                self._run = ended
            raise
        states = [one.state for one in self._progress]
        self._system_events.add(
            events.PlanRunEnded(
                done=states.count("done"), failed=states.count("failed"), pending=states.count("pending")
            )
        )

    async def _cancel_job(self) -> None:
        if self._job is not None and not self._job.done():
            self._job.cancel()
            await asyncio.wait({self._job})
        self._job = None
        for one in self._progress:
            one.interrupt()

    async def load(self) -> None:
        """Load the plan that is stored. To be called once, before anything else."""
        try:
            stored = await self._table.load()
            if stored is not None:
                self._plan, self._progress, self._run = from_stored(stored)
                for one in self._progress:  # a number is still there if the gateway was killed just then
                    await self._delete_number(one)
        except (KeyError, TypeError, ValueError) as exc:
            _log.error("The stored site plan cannot be read and is deleted: %s", type(exc).__name__)
            await self._table.delete()
            self._pictures.keep_only(())

    def resume(self) -> None:
        """Go on with a run that the end of a process has interrupted. Only the service does that, once."""
        if self.is_running:
            self._start_job([one for one in self._progress if one.state not in ("done", "failed")])

    async def close(self) -> None:
        """Stop working. A run that is under way goes on when the gateway starts again."""
        await self._cancel_job()

    # What the run reports

    def _end_step(self, camera: CameraProgress, name: PlanStepName, outcome: StepOutcome | PlanStepFailed) -> None:
        step = camera.get_step(name)
        common: dict[str, Any] = {
            "step": name,
            "name": camera.planned.name,
            "place": camera.planned.place,
            "detail": outcome.detail,
        }
        step.detail, step.reason = outcome.detail, outcome.reason
        if isinstance(outcome, PlanStepFailed):
            step.state, step.changed = "failed", False
            event: events.PlanStepEvent = events.PlanStepFailure(**common, reason=outcome.reason)
        elif outcome.state == "warning":
            step.state, step.changed = "warning", outcome.changed
            event = events.PlanStepWarning(**common, reason=outcome.reason or "")
        else:
            step.state, step.changed = outcome.state, outcome.changed
            event = events.PlanStepDone(**common, changed=outcome.changed)
        self._system_events.add(event, camera.sn or None)

    def _note_waiting(self, camera: CameraProgress, name: PlanStepName) -> None:
        step = camera.get_step(name)
        planned = camera.planned
        event = events.PlanStepWaits(
            step=name, name=planned.name, place=planned.place, detail=step.detail, reason=step.reason or ""
        )
        self._system_events.add(event, camera.sn or None)

    async def _save(self, camera: CameraProgress) -> None:
        await self._table.save_progress(self._progress.index(camera), camera.to_document())

    async def _store_run(self, run: RunRecord) -> None:
        progress = {position: one.to_document() for position, one in enumerate(self._progress)}
        await self._table.save_run(dataclasses.asdict(run), progress)
        self._run = run

    async def _finish_camera(self, camera: CameraProgress) -> None:
        """Store what came of a camera; one that is done needs its secret no more."""
        record = self._registry.find(camera.sn) if camera.sn else None
        camera.accepted = None if record is None else CameraFacts.of(record)
        try:
            await self._save(camera)
            await self._delete_number(camera)
        except GatewayError as exc:  # the others go on; the progress is stored again when the run ends
            _log.warning("The progress of the camera %s in the site plan cannot be stored: %s", camera.label, exc)

    async def _delete_number(self, camera: CameraProgress) -> None:
        """Delete the activation number of a camera that is done. One that cannot be deleted is at the next start."""
        if camera.state == "done" and camera.planned.activation_number is not None:
            camera.planned = dataclasses.replace(camera.planned, activation_number=None)
            try:
                await self._table.delete_secret(self._progress.index(camera))
            except GatewayError as exc:
                _log.warning("The activation number of the camera %s cannot be deleted: %s", camera.label, exc)


def _choose(progress: list[CameraProgress], request: RunRequest) -> list[CameraProgress]:
    return [one for one in progress if not (request.only_failed and one.state == "done")]
