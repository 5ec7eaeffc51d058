"""The provisioning jobs of all cameras: started, stored, resumed, cancelled and told about."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from gateway.cameras.cameras import Cameras
from gateway.cameras.provisioning.activation import activate, verify
from gateway.cameras.provisioning.context import Course, Limits, Round, named
from gateway.cameras.provisioning.job import STEPS, Job, ProvisioningRequest, Reason, Skipped, StepFailed, StepName
from gateway.cameras.provisioning.table import JobTable
from gateway.cameras.provisioning.wifi import networks, reach, rejoin, wifi
from gateway.cameras.record import is_serial_number
from gateway.cameras.registry import Registry
from gateway.errors import Conflict, FieldError, GatewayError, InvalidRequest, NotFound

_ACTIONS: Final[Mapping[StepName, Callable[[Course], Awaitable[str]]]] = {
    "reach": reach,
    "networks": networks,
    "wifi": wifi,
    "rejoin": rejoin,
    "activate": activate,
    "verify": verify,
}
"""Each returns what came of it, or raises `Skipped`, `StepFailed` or an error that `named` gives a reason."""

_log = logging.getLogger(__name__)


class Provisioning:
    """All jobs. One that is under way is in the store with its secrets; when it ends it leaves the store.

    `discover` makes a discovery round, whose sightings the registry has taken when it returns.
    """

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        jobs: JobTable,
        *,
        discover: Callable[[], Awaitable[Round]],
        limits: Limits | None = None,
    ) -> None:
        self._cameras = cameras
        self._registry = registry
        self._table = jobs
        self._discover = discover
        self._limits = limits or Limits()
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()
        self._subscribers: list[Callable[[Job], None]] = []

    def subscribe(self, callback: Callable[[Job], None]) -> None:
        """Call back at every change of a job; a callback that fails hinders nobody."""
        self._subscribers.append(callback)

    def get(self, sn: str) -> Job:
        """Return the job of a camera, the last one if it has ended. Raises `NotFound`."""
        if sn not in self._jobs:
            raise NotFound(f"no provisioning of a camera {sn!r} is under way")
        return self._jobs[sn]

    async def start(self, sn: str, request: ProvisioningRequest, *, limits: Limits | None = None) -> Job:
        """Start a job, which makes the camera managed; with an empty request, go on with the one that there is.

        A new job may have `limits` of its own. A camera that is not known is looked for first; where Wi-Fi is to be set
        it may even be in its box still. Raises `InvalidRequest`, `NotFound`, `Conflict` (another job is under way; no
        credentials) or `StateError`.
        """
        request.check()
        async with self._starting:
            return await self._start(sn, request, limits)

    async def _start(self, sn: str, request: ProvisioningRequest, limits: Limits | None) -> Job:
        job = self._jobs.get(sn)
        if job is not None and job.active:
            if not request.empty and request != job.request:
                raise Conflict(f"the camera {sn} is being provisioned with other values: cancel that first")
            if request.empty:
                job.go_on()
                self._publish(job)
            return job
        if job is not None and request.empty and job.state in ("failed", "cancelled"):
            job.resume()
            return await self._launch(job)
        left_over = None if job is not None else await self._left_over(sn)
        if left_over is not None and (request.empty or request == left_over.request):
            return await self._launch(left_over)
        await self._manage(sn, request)
        job = Job.begin(sn, request)
        job.activation_sent = left_over is not None and left_over.activation_sent
        return await self._launch(job, limits)

    async def ended(self, sn: str) -> Job:
        """Wait until the job of a camera has ended, and return it. Raises `NotFound`."""
        task = self._tasks.get(sn)
        if task is not None:
            await asyncio.wait({task})
        return self.get(sn)

    async def _left_over(self, sn: str) -> Job | None:
        """Return the stored job of a camera that a crash cut off and that nothing has resumed."""
        document = (await self._table.load_all()).get(sn)
        return None if document is None else Job.from_document(sn, document)

    async def _manage(self, sn: str, request: ProvisioningRequest) -> None:
        if request.activation_number is not None:
            self._cameras.require_credentials()
        with contextlib.suppress(NotFound):
            await self._registry.manage(sn)
            return
        await self._discover()
        try:
            await self._registry.manage(sn)
        except NotFound:
            if request.ssid is None:
                raise
            if not is_serial_number(sn):
                raise InvalidRequest(
                    [FieldError("sn", "must be letters, digits and ._-, at most 128 characters")]
                ) from None

    async def cancel(self, sn: str) -> Job:
        """Stop a job and remove its secrets. Raises `NotFound`, or `Conflict` when it has ended already."""
        job = self.get(sn)
        if not job.active:
            raise Conflict(f"the provisioning of the camera {sn} has ended already")
        await self._stop(sn)
        if job.active:
            await self._end(job, "cancelled", "cancelled", "a person stopped it")
        return job

    async def resume(self) -> None:
        """Go on with the jobs that a crash or a restart cut off. To be called once."""
        for sn, document in (await self._table.load_all()).items():
            try:
                job = Job.from_document(sn, document)
            except (KeyError, TypeError, ValueError, InvalidRequest):
                _log.error("The stored provisioning of the camera %s cannot be read and is dropped", sn)
                await self._table.delete(sn)
            else:
                await self._launch(job)

    async def close(self) -> None:
        """Stop working; jobs under way stay in the store, to be resumed."""
        for sn in list(self._tasks):
            await self._stop(sn)

    async def _stop(self, sn: str) -> None:
        task = self._tasks.pop(sn, None)
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _launch(self, job: Job, limits: Limits | None = None) -> Job:
        self._jobs[job.sn] = job
        await self._changed(job)
        self._tasks[job.sn] = asyncio.create_task(self._run(job, limits or self._limits), name=f"provisioning {job.sn}")
        return job

    async def _run(self, job: Job, limits: Limits) -> None:
        course = Course(job, self._cameras, self._registry, self._discover, limits, self._changed)
        try:
            for name in STEPS[STEPS.index(job.step) :]:
                entry = job.entry(name)
                job.step, entry.state = name, "running"
                await self._changed(job)
                try:
                    entry.detail = await _ACTIONS[name](course)
                    entry.state = "done"
                except Skipped as why:
                    entry.state, entry.detail = "skipped", str(why)
                job.state, job.reason, job.detail = "running", None, ""
            await self._end(job, "done", None, "")
        except StepFailed as exc:
            await self._fail(job, exc)
        except GatewayError as exc:
            await self._fail(job, named(exc))
        except Exception:
            _log.exception("The provisioning of the camera %s broke at %s", job.sn, job.step)
            await self._fail(job, StepFailed("internal", "the gateway made a mistake; its log tells more"))

    async def _fail(self, job: Job, failure: StepFailed) -> None:
        entry = job.entry(job.step)
        entry.state, entry.detail = "failed", failure.detail
        job.problem = failure.problem
        await self._end(job, "failed", failure.reason, failure.detail)

    async def _end(
        self, job: Job, state: Literal["done", "failed", "cancelled"], reason: Reason | None, detail: str
    ) -> None:
        job.request = job.request.without_secrets()
        job.nudged.clear()
        try:
            await self._table.delete(job.sn)
        except GatewayError:
            _log.exception("The secrets of the provisioning of the camera %s could not be removed", job.sn)
        job.state, job.reason, job.detail = state, reason, detail
        self._publish(job)

    async def _changed(self, job: Job) -> None:
        await self._table.save(job.sn, job.to_document())
        self._publish(job)

    def _publish(self, job: Job) -> None:
        for callback in self._subscribers:
            try:
                callback(job)
            except Exception:
                _log.exception("A subscriber failed at the provisioning of the camera %s", job.sn)
