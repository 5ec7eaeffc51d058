"""The provisioning jobs of all cameras: started, stored, resumed, cancelled and published."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal
from weakref import WeakValueDictionary

from firmware_tools.language import describe_error, message
from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning.activation import activate, verify
from gateway.cameras.provisioning.context import ProvisioningContext, StepTimeouts, make_step_failure
from gateway.cameras.provisioning.job import (
    STEPS,
    ProvisioningJob,
    ProvisioningRequest,
    Reason,
    StepFailed,
    StepName,
    StepSkipped,
)
from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.cameras.provisioning.wifi import check_network, join_wifi, reach_camera, wait_for_rejoin
from gateway.cameras.record import is_serial_number
from gateway.cameras.registry import Registry
from gateway.discovery.scan import ScanResult
from gateway.errors import Conflict, FieldError, GatewayError, InvalidRequest, NotFound
from gateway.runtime.supervisor import Supervisor

_ACTIONS: Final[Mapping[StepName, Callable[[ProvisioningContext], Awaitable[str]]]] = {
    "reach": reach_camera,
    "networks": check_network,
    "wifi": join_wifi,
    "rejoin": wait_for_rejoin,
    "activate": activate,
    "verify": verify,
}
"""Each returns its outcome for people, or raises `StepSkipped`, `StepFailed` or a `GatewayError`."""

_log = logging.getLogger(__name__)


class Provisioning:
    """All jobs. One that is under way is in the database, with its secrets. When it ends it is deleted there."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        table: ProvisioningJobTable,
        supervisor: Supervisor,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        timeouts: StepTimeouts | None = None,
    ) -> None:
        """Take a function that scans the network. When it returns, the registry has the devices."""
        self._cameras = cameras
        self._registry = registry
        self._table = table
        self._supervisor = supervisor
        self._scan = scan
        self._timeouts = timeouts or StepTimeouts()
        self._jobs: dict[str, ProvisioningJob] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Held while the job of a camera starts or is cancelled. Others go on: a start may scan the network first."""
        self._in_service = False
        self._subscribers: list[Callable[[ProvisioningJob], None]] = []

    def subscribe(self, callback: Callable[[ProvisioningJob], None]) -> None:
        """Call back at each change of a job. A callback that fails is logged."""
        self._subscribers.append(callback)

    def get(self, sn: str) -> ProvisioningJob:
        """Return the job of a camera, the last one if it has ended. Raises `NotFound`."""
        if sn not in self._jobs:
            raise NotFound(message("no provisioning of a camera {sn!r} is under way", sn=sn))
        return self._jobs[sn]

    async def start(
        self, sn: str, request: ProvisioningRequest, *, timeouts: StepTimeouts | None = None
    ) -> ProvisioningJob:
        """Start a job, which makes the camera managed. An empty request resumes the job that there is.

        A new job may have `timeouts` of its own. An unknown camera is looked for first; if Wi-Fi is to be set it may
        even be in its box still. Raises `InvalidRequest`, `NotFound`, `Conflict` (another job is under way; no
        credentials) or `StateError`.
        """
        request.check()
        async with self._lock(sn):
            return await self._start(sn, request, timeouts)

    def _lock(self, sn: str) -> asyncio.Lock:
        return self._locks.setdefault(sn, asyncio.Lock())

    async def _start(self, sn: str, request: ProvisioningRequest, timeouts: StepTimeouts | None) -> ProvisioningJob:
        job = self._jobs.get(sn)
        if job is not None and job.is_active and sn in self._tasks:
            if not request.is_empty and request != job.request:
                raise Conflict(
                    message("the camera {sn} is being provisioned with other values: cancel that first", sn=sn)
                )
            if request.is_empty:
                job.request_resume()
                self._publish(job)
            return job
        if job is not None and job.state != "done" and (request.is_empty or (job.is_active and request == job.request)):
            if not request.is_empty:
                job.activation_sent = False  # a person who gives the number once more decides to send it again
            job.restart()
            await self._manage(sn, job.request)
            return await self._launch(job)
        was_managed = job.was_managed if job is not None and job.is_active else self._is_managed(sn)
        await self._manage(sn, request)
        job = ProvisioningJob.create(sn, request, in_service=self._in_service, was_managed=was_managed)
        return await self._launch(job, timeouts)

    def _is_managed(self, sn: str) -> bool:
        camera = self._registry.find(sn)
        return camera is not None and camera.managed

    async def wait_until_ended(self, sn: str) -> ProvisioningJob:
        """Wait until the job of a camera has ended, and return it. Raises `NotFound`."""
        task = self._tasks.get(sn)
        if task is not None:
            await asyncio.wait({task})
        return self.get(sn)

    async def _parse(self, sn: str, document: Any) -> ProvisioningJob | None:
        """Return a stored job. One that is malformed is logged and deleted, since it may hold secrets."""
        try:
            return ProvisioningJob.from_document(sn, document)
        except (KeyError, TypeError, ValueError, InvalidRequest) as exc:
            reason = type(exc).__name__  # its text may hold a secret
            _log.error("The stored provisioning of the camera %s cannot be read and is deleted: %s", sn, reason)
            await self._table.delete(sn)
            return None

    async def _manage(self, sn: str, request: ProvisioningRequest) -> None:
        if request.activation_number is not None:
            self._cameras.require_credentials()
        with contextlib.suppress(NotFound):
            await self._registry.manage(sn)
            return
        await self._scan()
        try:
            await self._registry.manage(sn)
        except NotFound:
            if request.ssid is None:
                raise
            if not is_serial_number(sn):
                raise InvalidRequest(
                    [FieldError("sn", message("must be letters, digits and ._-, at most 128 characters"))]
                ) from None

    async def cancel(self, sn: str) -> ProvisioningJob:
        """Stop a job and delete its secrets. Raises `NotFound`, or `Conflict` if it has ended already."""
        async with self._lock(sn):
            job = self.get(sn)
            if not job.is_active:
                raise Conflict(message("the provisioning of the camera {sn} has ended already", sn=sn))
            await self._stop(sn)
            if job.is_active:
                step, effects = job.get_step(job.step), job.describe_effects()
                step.state, step.detail = "failed", message("cancelled")
                await self._end(job, "cancelled", "cancelled", message("cancelled; {effects}", effects=effects))
            return job

    async def load(self) -> None:
        """Load the jobs that the end of a process has interrupted. To be called once, before anything else."""
        for sn, document in (await self._table.load_all()).items():
            job = await self._parse(sn, document)
            if job is not None:
                job.interrupt()
                self._jobs[sn] = job

    async def resume(self) -> None:
        """Resume the service's jobs that were interrupted. To be called once, and only by the service.

        A job of a command goes on only if its camera has received something that cannot be taken back. Otherwise a
        person has to resume it.
        """
        self._in_service = True
        for job in self._jobs.values():
            if job.in_service or job.has_changed_camera:
                job.request_resume()
                job.resume_requested.clear()
                self._run_in_background(job, self._timeouts)
            else:
                _log.warning(
                    "The provisioning of the camera %s was interrupted and is not resumed: %s. To go on: sunmi-gateway "
                    "cameras provision %s --resume; to end it: sunmi-gateway cameras cancel %s",
                    *(job.sn, job.detail, job.sn, job.sn),
                )

    async def close(self) -> None:
        """Stop the jobs. Those under way stay in the database, to be resumed."""
        for sn in list(self._tasks):
            await self._stop(sn)

    async def _stop(self, sn: str) -> None:
        task = self._tasks.pop(sn, None)
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _launch(self, job: ProvisioningJob, timeouts: StepTimeouts | None = None) -> ProvisioningJob:
        self._jobs[job.sn] = job
        await self._save(job)
        self._run_in_background(job, timeouts or self._timeouts)
        return job

    def _run_in_background(self, job: ProvisioningJob, timeouts: StepTimeouts) -> None:
        self._tasks[job.sn] = self._supervisor.start_job("camera provisioning", self._run(job, timeouts))

    async def _run(self, job: ProvisioningJob, timeouts: StepTimeouts) -> None:
        context = ProvisioningContext(job, self._cameras, self._registry, self._scan, timeouts, self._save)
        try:
            for name in STEPS[STEPS.index(job.step) :]:
                await self._run_step(context, name)
            await self._end(job, "done", None, "")
        except StepFailed as exc:
            await self._fail(job, exc)
        except GatewayError as exc:
            await self._fail(job, make_step_failure(exc))
        except Exception:
            await self._fail(job, StepFailed("internal", message("the gateway made a mistake; its log says more")))
            raise  # the supervisor logs and reports it

    async def _run_step(self, context: ProvisioningContext, name: StepName) -> None:
        job, step = context.job, context.job.get_step(name)
        job.step, step.state = name, "running"
        await self._save(job)
        try:
            step.detail = await _ACTIONS[name](context)
            step.state = "done"
        except StepSkipped as exc:
            step.state, step.detail = "skipped", describe_error(exc)
        job.state, job.reason, job.detail = "running", None, ""

    async def _fail(self, job: ProvisioningJob, failure: StepFailed) -> None:
        step = job.get_step(job.step)
        step.state, step.detail = "failed", failure.detail
        job.problem = failure.problem
        await self._end(job, "failed", failure.reason, failure.detail)

    async def _end(
        self, job: ProvisioningJob, state: Literal["done", "failed", "cancelled"], reason: Reason | None, detail: str
    ) -> None:
        job.request = job.request.without_secrets()
        job.resume_requested.clear()
        try:
            await self._table.delete(job.sn)
            if state != "done" and not job.was_managed:
                await self._registry.unmanage(job.sn)
        except NotFound:
            pass  # it was never found, or has been forgotten
        except GatewayError:
            _log.exception("The secrets of the provisioning of the camera %s could not be removed", job.sn)
        job.state, job.reason, job.detail = state, reason, detail
        self._publish(job)

    async def _save(self, job: ProvisioningJob) -> None:
        await self._table.save(job.sn, job.to_document())
        self._publish(job)

    def _publish(self, job: ProvisioningJob) -> None:
        for callback in self._subscribers:
            try:
                callback(job)
            except Exception:
                _log.exception("A subscriber failed at the provisioning of the camera %s", job.sn)
