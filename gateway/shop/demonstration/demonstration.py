"""The docking demonstration with one camera: started, followed, stopped, and kept after the end of the process."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from firmware_tools.language import Message, message
from gateway.cameras.activation_probe import require_managed
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.errors import Conflict, FieldError, GatewayError, InvalidRequest, NotFound
from gateway.runtime.supervisor import Supervisor
from gateway.shop.camera_steps import CameraSteps
from gateway.shop.demonstration.actions import DemonstrationActions, reports_faces
from gateway.shop.demonstration.demonstration_table import DemonstrationTable
from gateway.shop.demonstration.record import (
    ENDED_STATES,
    PASSED_STATES,
    DemonstrationOutcome,
    DemonstrationProgress,
    DemonstrationRecord,
    DemonstrationState,
    describe_steps,
)
from gateway.shop.demonstration.steps import get_step
from gateway.shop.failures import take_step
from gateway.shop.pictures import PlanPictures
from gateway.shop.progress import PlanStepFailed

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationRequest:
    """What a person asks for."""

    sn: str = ""
    """The camera; empty for the only one that it can be."""
    resume: bool = False
    """Whether to go on with the last one: only steps that are not done."""


class Demonstration:
    """The demonstration of a gateway: there is one at a time, and the last one stays until it is deleted."""

    def __init__(
        self,
        table: DemonstrationTable,
        registry: Registry,
        actions: DemonstrationActions,
        steps: CameraSteps,
        pictures: PlanPictures,
        supervisor: Supervisor,
        *,
        shop: Mapping[str, str],
        host: Callable[[], str],
        event_s: float,
        retry_s: float = 2,
    ) -> None:
        """Take the shop's keys at the cloud, and a function that returns the host name of the gateway.

        An event is waited for `event_s` seconds; `retry_s` is the pause between two tries.
        """
        self._table = table
        self._registry = registry
        self._actions = actions
        self._steps = steps
        self._pictures = pictures
        self._supervisor = supervisor
        self._shop = shop
        self._host = host
        self._event_s = event_s
        self._retry_s = retry_s
        self._record: DemonstrationRecord | None = None
        self._job: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    @property
    def record(self) -> DemonstrationRecord | None:
        """The last demonstration; None if there is none."""
        return self._record

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._record is not None and self._record.state == "running"

    def get_record(self) -> DemonstrationRecord:
        """Return the last demonstration. Raises `NotFound` if there is none."""
        if self._record is None:
            raise NotFound(message("there is no demonstration: begin one (`sunmi-gateway shop demonstrate`)"))
        return self._record

    def describe(self) -> dict[str, Any]:
        """Return the last demonstration as the REST API shows it. Raises `NotFound` if there is none."""
        record = self.get_record()
        return record.describe(has_picture=self._pictures.has(record.sn, "after"))

    def load_picture(self) -> bytes | None:
        """Return the picture that was taken; None if there is none. It reads a file."""
        return None if self._record is None else self._pictures.load(self._record.sn, "after")

    def list_candidates(self) -> list[CameraRecord]:
        """Return the cameras that can be shown: managed ones, those that report faces first."""
        managed = [one for one in self._registry.all() if one.managed]
        return sorted(managed, key=lambda one: (not one.can_prove_serial_number, not reports_faces(one.model), one.sn))

    def choose_camera(self, sn: str) -> CameraRecord:
        """Return the camera with a serial number, or the only one that it can be.

        Raises `NotFound`, `NotManaged`, and `InvalidRequest` if it can be several or none.
        """
        if sn:
            record = self._registry.get(self._registry.find_spelling(sn))
            require_managed(record)
            return record
        candidates = self.list_candidates()
        faces = [one for one in candidates if one.can_prove_serial_number and reports_faces(one.model)]
        only = faces if len(faces) == 1 else candidates
        if not only:
            raise InvalidRequest([FieldError("sn", message("is needed: no camera is managed yet"))])
        if len(only) > 1:
            names = ", ".join(one.sn for one in only[:5])
            raise InvalidRequest(
                [FieldError("sn", message("is needed: there are several cameras, as {names}", names=names))]
            )
        return only[0]

    def describe_dry_run(self, request: DemonstrationRequest) -> dict[str, Any]:
        """Return what a demonstration would do, and with which camera. Raises as `start`."""
        sn = self._choose(request)
        return {"sn": sn, "event_wait_s": self._event_s, "steps": describe_steps()}

    def _choose(self, request: DemonstrationRequest) -> str:
        if not request.resume:
            return self.choose_camera(request.sn).sn
        record = self.get_record()
        if request.sn and self._registry.find_spelling(request.sn) != record.sn:
            raise Conflict(message("the last demonstration was with the camera {sn}: begin anew", sn=record.sn))
        return self.choose_camera(record.sn).sn

    async def start(self, request: DemonstrationRequest) -> None:
        """Begin one, or go on with the last one.

        Raises `NotFound`, `NotManaged`, `InvalidRequest`, and `Conflict` while one is under way.
        """
        async with self._changing:
            if self.is_running:
                raise Conflict(message("a demonstration is under way: look how far it is, or stop it first"))
            sn = self._choose(request)
            if request.resume:
                record = self.get_record()
                record.clear_open_steps(failed=True)
                record.state, record.ended_at = "running", None
            else:
                record = DemonstrationRecord(sn=sn, shop=self._shop, host=self._host(), began_at=time.time())
                self._pictures.keep_only(())
            await self._table.save(record.to_document())
            self._record = record
            self._steps.expect_events(sn)
            self._job = self._supervisor.start_job("docking demonstration", self._work(record))

    async def stop(self) -> None:
        """Stop the one that is under way; what was ticked off stays. Raises `Conflict` if there is none."""
        async with self._changing:
            if not self.is_running:
                raise Conflict(message("no demonstration is under way"))
            await self._cancel_job()
            await self._end(self.get_record(), "stopped")

    async def delete(self) -> None:
        """Forget the last one, with its picture. Raises `NotFound`, and `Conflict` while it is under way."""
        async with self._changing:
            self.get_record()
            if self.is_running:
                raise Conflict(message("the demonstration is under way: stop it first"))
            await self._table.delete()
            self._record = None
            self._pictures.keep_only(())

    async def load(self) -> None:
        """Load what is stored. One that the end of a process has interrupted waits for a person to go on."""
        try:
            stored = await self._table.load()
            record = None if stored is None else DemonstrationRecord.from_document(stored)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            _log.error("The stored demonstration cannot be read and is deleted: %s", type(exc).__name__)
            await self._table.delete()
            self._pictures.keep_only(())
            record = None
        if record is not None and record.state == "running":
            record.state = "interrupted"
        self._record = record

    async def close(self) -> None:
        """Stop working. The one that is under way is interrupted: a person goes on with it."""
        await self._cancel_job()

    async def _cancel_job(self) -> None:
        if self._job is not None and not self._job.done():
            self._job.cancel()
            await asyncio.wait({self._job})
        self._job = None
        if self._record is not None:
            self._record.clear_open_steps(failed=False)

    async def _work(self, record: DemonstrationRecord) -> None:
        try:
            for index in range(len(record.steps)):
                step = record.steps[index]
                if step.state in ENDED_STATES:
                    continue
                if (missing := record.find_missing(step.code)) is not None:
                    step.detail = message("not tried: it needs “{title}”", title=get_step(missing).title)
                    continue
                await self._take(record, step)
        except Exception:
            await self._end(record, "failed")
            raise  # the supervisor logs and reports it
        is_done = all(step.state in PASSED_STATES for step in record.steps)
        await self._end(record, "done" if is_done else "failed")

    async def _take(self, record: DemonstrationRecord, step: DemonstrationProgress) -> None:
        step.state = "running"
        if step.code == "event":
            step.state, step.detail = "waiting", self._describe_waiting(record.sn)
        try:
            outcome = await take_step(partial(self._actions.by_code[step.code], record.sn), retry_s=self._retry_s)
        except Exception:
            failure = message("the gateway made a mistake; its log says more")
            _note(step, DemonstrationOutcome("failed", failure, (), "internal"))
            raise
        if isinstance(outcome, PlanStepFailed):
            outcome = DemonstrationOutcome("failed", outcome.detail, (), outcome.reason)
        _note(step, outcome)
        await self._table.save(record.to_document())

    def _describe_waiting(self, sn: str) -> Message:
        record = self._registry.find(sn)
        if record is not None and not reports_faces(record.model):
            return message(
                "Walk past the camera now. The gateway waits for the event for {seconds:g} s.", seconds=self._event_s
            )
        return message(
            "Walk past the camera now, facing it. The gateway waits for the event for {seconds:g} s.",
            seconds=self._event_s,
        )

    async def _end(self, record: DemonstrationRecord, state: DemonstrationState) -> None:
        record.state, record.ended_at = state, time.time()
        try:
            await self._table.save(record.to_document())
        except GatewayError as exc:  # it is shown as it is; after a restart it is interrupted
            _log.warning("The demonstration cannot be stored: %s", exc)


def _note(step: DemonstrationProgress, outcome: DemonstrationOutcome) -> None:
    step.state, step.detail, step.reason = outcome.state, outcome.detail, outcome.reason
    step.evidence, step.ended_at = outcome.evidence, time.time()
