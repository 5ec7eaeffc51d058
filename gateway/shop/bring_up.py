"""The first steps of a camera in a plan: find, wifi, activate. A camera that is right already costs a look."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from firmware_tools.language import message
from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.cameras.provisioning.context import RETRYABLE_ERRORS
from gateway.cameras.provisioning.job import Step, StepName
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Activation, Registry
from gateway.discovery.scan import ScanResult
from gateway.errors import CameraUnreachable, GatewayError, NotFound
from gateway.shop.failures import make_plan_failure
from gateway.shop.plan import WifiNetwork
from gateway.shop.plan_check import find_conflicts, find_other_owner, find_planned
from gateway.shop.progress import CameraProgress, PlanStepFailed, StepOutcome
from gateway.shop.steps import PlanStepName

_PARTS: Final[dict[PlanStepName, tuple[StepName, ...]]] = {
    "find": ("reach",),
    "wifi": ("networks", "wifi", "rejoin"),
    "activate": ("activate", "verify"),
}
"""The steps of a provisioning job that make up a step of the plan."""

EndStep = Callable[[CameraProgress, PlanStepName, StepOutcome], None]


class BringUp:
    """Finds cameras, puts them on the network and activates them, by means of provisioning jobs."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        provisioning: Provisioning,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        timeouts: StepTimeouts,
        end_step: EndStep,
        note_waiting: Callable[[CameraProgress, PlanStepName], None],
    ) -> None:
        """Take a function that scans the network, one that notes what came of a step, and one that a step waits."""
        self._cameras = cameras
        self._registry = registry
        self._provisioning = provisioning
        self._scan = scan
        self._timeouts = timeouts
        self._end_step = end_step
        self._note_waiting = note_waiting
        self._followed: dict[str, CameraProgress] = {}
        """Cameras whose provisioning job is under way, by serial number."""
        provisioning.subscribe(self._follow)

    def is_on_lan(self, progress: CameraProgress) -> bool:
        """Tell whether a camera has an address of its own on this network, as far as is known."""
        record = self._find_record(progress)
        return record is not None and record.is_on_network

    def may_need_hotspot(self, progress: CameraProgress) -> bool:
        """Tell whether a camera may have to be looked for in its hotspot: it is not, or no longer, on this network."""
        record = self._find_record(progress)
        return record is None or not record.online or not self.is_on_lan(progress)

    def has_job(self, progress: CameraProgress) -> bool:
        """Tell whether a provisioning job of the camera is under way."""
        job = self._find_job(progress)
        return job is not None and job.is_active

    async def look(self, progress: CameraProgress) -> bool:
        """Look at a camera on this network. Return true if it is activated, and what it needs is done.

        Raises `PlanStepFailed`.
        """
        progress.get_step("find").state = "running"
        record = self._find_record(progress)
        assert record is not None  # noqa: S101 - the caller has seen it
        was_managed = record.managed
        try:
            activation = await self._probe(record)
            if not self.is_on_lan(progress):
                reason = message("the camera {sn} is not on this network any more: it is in its hotspot", sn=record.sn)
                raise PlanStepFailed("not_reachable", reason)
            if activation == "other_owner":
                reason = message("the camera {sn} is activated by another account", sn=record.sn)
                raise PlanStepFailed("other_owner", reason, "activate")
            if activation != "activated" and not progress.planned.activation_number:
                reason = message("the camera {sn} is not activated, and the plan has no number for it", sn=record.sn)
                raise PlanStepFailed("no_activation_number", reason, "activate")
            if activation != "activated" and not progress.may_activate:
                reason = message("the camera {sn} was taken for activated, and is not (any more)", sn=record.sn)
                raise PlanStepFailed("not_confirmed", reason, "activate")
        except PlanStepFailed as exc:
            if exc.step is not None:
                self._end_found(progress, record)
            await self._release(record.sn, was_managed)
            raise
        except GatewayError as exc:
            await self._release(record.sn, was_managed)
            raise make_plan_failure(exc) from exc
        self._end_found(progress, record)
        if activation != "activated":
            return False
        self._end_step(progress, "activate", StepOutcome("done", message("activated by this account already")))
        return True

    def _end_found(self, progress: CameraProgress, record: CameraRecord) -> None:
        self._end_step(progress, "find", StepOutcome("done", message("answers at {address}", address=record.address)))
        self._end_step(progress, "wifi", StepOutcome("skipped", message("is on the network already")))

    async def _probe(self, record: CameraRecord) -> Activation:
        """Manage and trust a camera, and ask it for its activation state, until it answers or time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeouts.reach_s
        while True:
            try:
                await self._registry.manage(record.sn)
                if not record.certificate_sha256:
                    await self._cameras.confirm_certificate(record.sn)
                return await self._cameras.probe_activation(record.sn)
            except RETRYABLE_ERRORS:
                if loop.time() >= deadline:
                    raise
            await asyncio.sleep(self._timeouts.probe_s)

    async def _release(self, sn: str, was_managed: bool) -> None:
        if not was_managed:
            with contextlib.suppress(NotFound):
                await self._registry.unmanage(sn)

    async def provision(self, progress: CameraProgress, wifi: WifiNetwork | None) -> None:
        """Run the camera's provisioning job to its end; one that is under way goes on. Raises `PlanStepFailed`.

        `wifi` is None for a camera that stays on its network.
        """
        sn = progress.sn
        job = self._find_job(progress)
        request = ProvisioningRequest()
        if job is None or not job.is_active:
            number = progress.planned.activation_number if progress.may_activate else None
            request = ProvisioningRequest(
                ssid=wifi.ssid if wifi is not None else None,
                password=(wifi.password or None) if wifi is not None else None,
                hidden=wifi is not None and wifi.hidden,
                activation_number=number,
                confirm_erase=number is not None,
            )
        self._followed[sn] = progress
        if job is not None:
            self._follow(job)  # what it waits for already is not said again
        try:
            if job is None or not job.is_active or job.reason == "interrupted":
                await self._provisioning.start(sn, request)
            job = await self._wait_until_ended(progress)
        except GatewayError as exc:
            raise make_plan_failure(exc) from exc
        finally:
            del self._followed[sn]
        self._mirror(job, progress)
        if job.state != "done":
            step = next(name for name, parts in _PARTS.items() if job.step in parts)
            raise PlanStepFailed(job.reason or "internal", job.detail, step)
        self._check_activated(progress)

    async def _wait_until_ended(self, progress: CameraProgress) -> ProvisioningJob:
        """Wait for a camera's job to end.

        Raises `PlanStepFailed` once the MAC address of its row proves to be another camera's: then a person would join
        that one's hotspot again and again.
        """
        planned = progress.planned
        while True:
            try:
                async with asyncio.timeout(self._timeouts.probe_s if planned.sn and planned.mac else None):
                    return await self._provisioning.wait_until_ended(progress.sn)
            except TimeoutError:
                if not progress.get_step("find").ended and (reason := find_other_owner(planned, self._registry)):
                    await self.cancel(progress)
                    raise PlanStepFailed("wrong_serial_number", reason, "find") from None

    def _check_activated(self, progress: CameraProgress) -> None:
        record = self._registry.find(progress.sn)
        if record is None or record.activation != "activated":
            if progress.planned.activation_number is not None and not progress.may_activate:
                reason = message("the camera {sn} was taken for activated, and is not (any more)", sn=progress.sn)
                raise PlanStepFailed("not_confirmed", reason, "activate")
            reason = message("the camera {sn} is not activated, and the plan has no number for it", sn=progress.sn)
            raise PlanStepFailed("no_activation_number", reason, "activate")

    async def identify(self, progress: CameraProgress) -> None:
        """Wait until a camera that is named by its MAC address alone was seen: then its serial number is known.

        Raises `PlanStepFailed` when time is up.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeouts.person_s
        step = progress.get_step("find")
        while (record := find_planned(progress.planned, self._registry)) is None:
            if step.state != "waiting":
                digits = progress.planned.mac.replace(":", "")[-4:]
                step.state, step.reason = "waiting", "join_hotspot"
                step.detail = message(
                    "the camera {mac} was not seen yet: switch it on, and join its Wi-Fi network SUNMI_{digits} "
                    "if it is not on this network",
                    mac=progress.planned.mac,
                    digits=digits,
                )
                self._note_waiting(progress, "find")
            if loop.time() >= deadline:
                raise make_plan_failure(CameraUnreachable(step.detail))
            await asyncio.sleep(self._timeouts.probe_s)
            await self.scan()
        progress.sn = record.sn
        step.state, step.reason, step.detail = "running", None, ""

    def check_identity(self, progress: CameraProgress, cameras: Sequence[CameraProgress]) -> None:
        """Raise `PlanStepFailed` if the row of a camera cannot be right, by what is known now of all that are found."""
        for conflict in find_conflicts([one.planned for one in cameras], self._registry):
            if conflict.camera is progress.planned:
                raise PlanStepFailed("wrong_serial_number", conflict.reason, "find")

    async def scan(self) -> None:
        """Scan the network; a scan that fails finds nothing."""
        with contextlib.suppress(GatewayError):
            await self._scan()

    async def cancel(self, progress: CameraProgress) -> None:
        """Cancel the provisioning job of a camera, if one is under way, and delete its secrets."""
        if self.has_job(progress):
            with contextlib.suppress(GatewayError):
                await self._provisioning.cancel(progress.sn)

    def _find_record(self, progress: CameraProgress) -> CameraRecord | None:
        record = self._registry.find(self._registry.find_spelling(progress.sn)) if progress.sn else None
        record = record or find_planned(progress.planned, self._registry)
        if record is not None:
            progress.sn = record.sn
        return record

    def _find_job(self, progress: CameraProgress) -> ProvisioningJob | None:
        try:
            return self._provisioning.get(progress.sn)
        except NotFound:
            return None

    # What a job says about its steps

    def _follow(self, job: ProvisioningJob) -> None:
        progress = self._followed.get(job.sn)
        if progress is not None and job.is_active:
            self._mirror(job, progress)

    def _mirror(self, job: ProvisioningJob, progress: CameraProgress) -> None:
        """Take over how far a job is."""
        for name, parts in _PARTS.items():
            step = progress.get_step(name)
            if step.ended:
                continue
            own = [job.get_step(part) for part in parts]
            if job.is_active and job.step in parts:
                was_waiting = step.state == "waiting"
                step.state = "waiting" if job.state == "waiting" else "running"
                step.reason, step.detail = job.reason, job.detail
                if step.state == "waiting" and not was_waiting:
                    self._note_waiting(progress, name)
            elif all(part.state in ("done", "skipped") for part in own):
                self._end_step(progress, name, _summarise(name, own))


def _summarise(name: PlanStepName, parts: list[Step]) -> StepOutcome:
    """Return what came of the parts of a step; of an activation its own part says whether it was done."""
    decisive = parts[:1] if name == "activate" else parts
    changed = name != "find" and any(part.state == "done" for part in decisive)
    if name == "wifi" and not changed:
        return StepOutcome("skipped", decisive[0].detail)
    detail = next((part.detail for part in reversed(decisive) if part.detail and part.state == "done"), "")
    return StepOutcome("done", detail or decisive[0].detail, changed)
