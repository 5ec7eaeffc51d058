"""How far each camera of a plan is: its steps, what came of them, and the document that survives a crash."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self

from gateway.cameras.record import CameraRecord
from gateway.protocol.endpoint import REDACTED
from gateway.runtime.stored_text import pack_text, unpack_text
from gateway.shop.plan import PlannedCamera
from gateway.shop.steps import ADVICE, PLAN_STEP_NAMES, PlanReason, PlanStepName, PlanStepState

PlannedCameraState = Literal["pending", "running", "waiting", "done", "failed"]

ENDED: Final = ("done", "skipped", "warning", "failed")
"""The states of a step that has ended."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What came of a step that did not fail."""

    state: Literal["done", "skipped", "warning"]
    """Done, nothing to do, or done with something that a person should look at."""
    detail: str = ""
    """The outcome, for people."""
    changed: bool = False
    """Whether something was changed; false if it was right already."""
    reason: PlanReason | None = None
    """Why it is a warning, for programs."""


class CameraFacts(NamedTuple):
    """What a camera was known by when a run had done with it: the sheet shows that, and a later look compares it."""

    firmware: str
    """The version of its firmware; empty if it has not said it."""
    address: str
    """Where it was."""
    certificate_sha256: str
    """Its pin: the SHA-256 of its trusted certificate."""

    @classmethod
    def of(cls, record: CameraRecord) -> Self:
        """Return what is known of a camera now."""
        return cls(record.software_version, record.address, record.certificate_sha256)


class PlanStepFailed(Exception):
    """A step of a camera has failed."""

    def __init__(self, reason: PlanReason, detail: str, step: PlanStepName | None = None) -> None:
        """Take the reason for programs, the detail for people, and the step if it is not the present one."""
        super().__init__(detail)
        self.reason: PlanReason = reason
        self.detail = detail
        self.step = step


@dataclass(slots=True)
class StepProgress:
    """One step of one camera."""

    name: PlanStepName
    state: PlanStepState = "pending"
    reason: PlanReason | None = None
    """Why it waits, is a warning or has failed, for programs."""
    detail: str = ""
    """The outcome, for people."""
    changed: bool = False
    """Whether something was changed; false if it was right already."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDED

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "detail": self.detail,
            "advice": ADVICE[self.reason] if self.reason is not None else "",
            "changed": self.changed,
        }


@dataclass(slots=True, kw_only=True, eq=False)
class CameraProgress:
    """One camera of a plan, and how far it is."""

    planned: PlannedCamera
    sn: str
    """Its serial number as it is known; empty as long as only its MAC address is."""
    steps: list[StepProgress] = field(default_factory=lambda: [StepProgress(name) for name in PLAN_STEP_NAMES])
    may_activate: bool = False
    """Whether it is among the cameras that a person agreed to activate."""
    active: bool = False
    """Whether the present run still works on it."""
    accepted: CameraFacts | None = None
    """What it was known by when the last run had done with it; None before that."""

    @classmethod
    def create(cls, planned: PlannedCamera) -> Self:
        """Return the progress of a camera on which nothing was done yet."""
        return cls(planned=planned, sn=planned.sn)

    @property
    def label(self) -> str:
        """What people call it: its serial number, or else its MAC address."""
        return self.sn or self.planned.mac

    @property
    def state(self) -> PlannedCameraState:
        """How far it is as a whole."""
        states = {step.state for step in self.steps}
        if self.active and states != {"pending"}:
            return "waiting" if "waiting" in states else "running"
        if "failed" in states and not self.active:
            return "failed"
        return "done" if states <= set(ENDED) else "pending"

    def get_step(self, name: PlanStepName) -> StepProgress:
        """Return a step."""
        return self.steps[PLAN_STEP_NAMES.index(name)]

    def restart(self, *, only_failed: bool) -> None:
        """Begin anew with every step, or with those that are not done."""
        self.steps = [
            step if only_failed and step.ended and step.state != "failed" else StepProgress(step.name)
            for step in self.steps
        ]

    def interrupt(self) -> None:
        """Let the steps that have not ended wait for the next run, or for the continuation of this one."""
        self.active = False
        self.steps = [step if step.ended else StepProgress(step.name) for step in self.steps]

    def describe(self, address: str | None) -> dict[str, Any]:
        """Return it as the REST API shows it; secrets are redacted."""
        planned = self.planned
        return {
            "row": planned.row,
            "sn": self.sn or None,
            "mac": planned.mac or None,
            "name": planned.name,
            "place": planned.place,
            "settings": dict(planned.settings),
            "activation_number": REDACTED if planned.activation_number else None,
            "address": address,
            "state": self.state,
            "steps": [step.describe() for step in self.steps],
        }

    def to_document(self) -> dict[str, Any]:
        """Return what is stored. It holds no secret."""
        return {
            "sn": self.sn,
            "may_activate": self.may_activate,
            "accepted": self.accepted,
            "steps": [
                [one.name, one.state, one.reason, pack_text(one.detail), one.changed] for one in self.steps if one.ended
            ],
        }

    @classmethod
    def from_document(cls, planned: PlannedCamera, document: Any) -> Self:
        """Return a stored one. Raises `KeyError`, `TypeError` or `ValueError` for a malformed document."""
        progress = cls(planned=planned, sn=document["sn"], may_activate=document["may_activate"])
        if (accepted := document.get("accepted")) is not None:  # an older version has stored none
            progress.accepted = CameraFacts(*map(str, accepted))
        for name, state, reason, detail, changed in document["steps"]:
            if name in PLAN_STEP_NAMES:
                progress.steps[PLAN_STEP_NAMES.index(name)] = StepProgress(
                    name, state, reason, unpack_text(detail), changed
                )
        return progress
