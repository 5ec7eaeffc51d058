"""The record of a demonstration: what came of each step, with evidence, and the document that survives a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self, get_args

from firmware_tools.language import Message, message
from gateway.runtime.stored_text import pack_text, unpack_text
from gateway.runtime.timestamps import utc_text
from gateway.shop.demonstration.steps import (
    DEMONSTRATION_CODES,
    DEMONSTRATION_STEPS,
    DemonstrationReason,
    DemonstrationStepCode,
    get_advice,
    get_step,
)

DEMONSTRATION_PICTURE_PATH: Final = "/api/v1/demonstration/picture"
DemonstrationState = Literal["running", "done", "failed", "stopped", "interrupted"]
DemonstrationStepState = Literal["pending", "running", "waiting", "done", "warning", "failed"]
ENDED_STATES: Final = ("done", "warning", "failed")
PASSED_STATES: Final = ("done", "warning")
"""The states of a step that is ticked off."""

EvidenceName = Literal[
    "shop",
    "shop_cameras",
    "address",
    "model",
    "firmware",
    "name",
    "ipc_id",
    "settings",
    "door_line",
    "customers",
    "counted_on",
    "camera_callback",
    "cloud_callback",
    "event",
    "event_time",
    "event_id",
    "event_shop",
]
EVIDENCE_LABELS: Final[Mapping[EvidenceName, Message]] = {
    "shop": message("Shop"),
    "shop_cameras": message("Its cameras at the cloud"),
    "address": message("Address"),
    "model": message("Model"),
    "firmware": message("Firmware"),
    "name": message("Name"),
    "ipc_id": message("Number at the cloud"),
    "settings": message("Lens"),
    "door_line": message("Door line"),
    "customers": message("Customers today"),
    "counted_on": message("Counted for"),
    "camera_callback": message("The camera reports to"),
    "cloud_callback": message("The cloud reports to"),
    "event": message("Event"),
    "event_time": message("Came at"),
    "event_id": message("Number of the event"),
    "event_shop": message("Shop that it names"),
}


class Evidence(NamedTuple):
    """One thing that shows that a step is right."""

    name: EvidenceName
    """What it is."""
    value: str
    """What was seen, for people."""

    def describe(self) -> dict[str, str]:
        """Return it as the REST API shows it."""
        return {"name": self.name, "label": EVIDENCE_LABELS[self.name], "value": self.value}


@dataclass(frozen=True, slots=True)
class DemonstrationOutcome:
    """What came of a step."""

    state: Literal["done", "warning", "failed"]
    """Ticked off, ticked off with something that a person should look at, or not."""
    detail: str
    """The outcome, for people."""
    evidence: tuple[Evidence, ...] = ()
    """What shows it."""
    reason: DemonstrationReason | None = None
    """Why it is a warning or has failed, for programs."""


@dataclass(slots=True)
class DemonstrationProgress:
    """One step, and how far it is."""

    code: DemonstrationStepCode
    state: DemonstrationStepState = "pending"
    detail: str = ""
    """What came of it, or what a person has to do now."""
    evidence: tuple[Evidence, ...] = ()
    reason: DemonstrationReason | None = None
    ended_at: float | None = None
    """When it ended, in Unix seconds."""

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        declared = get_step(self.code)
        return {
            "code": self.code,
            "title": declared.title,
            "chapter": declared.chapter,
            "purpose": declared.purpose,
            "state": self.state,
            "detail": self.detail,
            "evidence": [one.describe() for one in self.evidence if one.value],
            "reason": self.reason,
            "advice": get_advice(self.code, self.reason) if self.reason is not None else "",
            "ended_at": None if self.ended_at is None else utc_text(self.ended_at),
        }

    def to_document(self) -> dict[str, Any]:
        """Return what is stored of a step that has ended."""
        return {
            "code": self.code,
            "state": self.state,
            "detail": pack_text(self.detail),
            "evidence": [[one.name, pack_text(one.value)] for one in self.evidence],
            "reason": self.reason,
            "ended_at": self.ended_at,
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Return a stored step. Raises `KeyError`, `TypeError` or `ValueError` for a malformed document."""
        if document["state"] not in ENDED_STATES:
            raise ValueError("no step that has ended is in such a state")
        progress = cls(
            document["code"],
            document["state"],
            unpack_text(document["detail"]),
            tuple(Evidence(name, unpack_text(value)) for name, value in document["evidence"]),
            document["reason"],
            document["ended_at"],
        )
        progress.describe()
        return progress


@dataclass(slots=True, kw_only=True)
class DemonstrationRecord:
    """One demonstration, and how far it is."""

    sn: str
    """The serial number of its camera."""
    shop: Mapping[str, str]
    """The shop's keys at the cloud, as the settings named them."""
    host: str
    """The host name of the gateway."""
    state: DemonstrationState = "running"
    """`stopped` if a person ended it, `interrupted` if the gateway ended; `failed` if a step is not ticked off."""
    began_at: float
    """When it began, in Unix seconds."""
    ended_at: float | None = None
    """When it ended, in Unix seconds."""
    steps: list[DemonstrationProgress] = field(
        default_factory=lambda: [DemonstrationProgress(code) for code in DEMONSTRATION_CODES]
    )

    def get_step(self, code: DemonstrationStepCode) -> DemonstrationProgress:
        """Return a step."""
        return self.steps[DEMONSTRATION_CODES.index(code)]

    def find_missing(self, code: DemonstrationStepCode) -> DemonstrationStepCode | None:
        """Return the first step that this one needs and that is not ticked off."""
        return next((one for one in get_step(code).needs if self.get_step(one).state not in PASSED_STATES), None)

    def clear_open_steps(self, *, failed: bool) -> None:
        """Begin anew with the steps that have not ended, or also with those that have failed or are a warning."""
        kept = ("done",) if failed else ENDED_STATES
        self.steps = [step if step.state in kept else DemonstrationProgress(step.code) for step in self.steps]

    def describe(self, *, has_picture: bool) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {
            "sn": self.sn,
            "state": self.state,
            "shop": {name: value or None for name, value in self.shop.items()},
            "host": self.host,
            "began_at": utc_text(self.began_at),
            "ended_at": None if self.ended_at is None else utc_text(self.ended_at),
            "ticked": sum(step.state in PASSED_STATES for step in self.steps),
            "picture": DEMONSTRATION_PICTURE_PATH if has_picture else None,
            "steps": [step.describe() for step in self.steps],
        }

    def to_document(self) -> dict[str, Any]:
        """Return what is stored. It holds no secret, and nothing about a person."""
        return {
            "sn": self.sn,
            "shop": dict(self.shop),
            "host": self.host,
            "state": self.state,
            "began_at": self.began_at,
            "ended_at": self.ended_at,
            "steps": [step.to_document() for step in self.steps if step.state in ENDED_STATES],
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Return a stored one. Raises `KeyError`, `TypeError` or `ValueError` for a malformed document."""
        if document["state"] not in get_args(DemonstrationState):
            raise ValueError("it has no such state")
        names = ("sn", "shop", "host", "state", "began_at", "ended_at")
        record = cls(**{name: document[name] for name in names})
        for one in document["steps"]:
            if one["code"] in DEMONSTRATION_CODES:
                record.steps[DEMONSTRATION_CODES.index(one["code"])] = DemonstrationProgress.from_document(one)
        record.describe(has_picture=False)
        return record


def describe_steps() -> list[dict[str, Any]]:
    """Return all steps as they are declared, as the REST API shows them."""
    return [
        {"code": step.code, "title": step.title, "chapter": step.chapter, "purpose": step.purpose}
        for step in DEMONSTRATION_STEPS
    ]
