"""Events of a plan's run, for whoever watches it. They hold no secrets."""

from dataclasses import dataclass

from gateway.protocol.event_type import EventType


@dataclass(frozen=True, kw_only=True)
class PlanStepEvent(EventType):
    """What came of a step of a camera in the site plan."""

    step: str
    """The step, as `wifi` or `activate`."""
    name: str | None
    """The name that the camera shall have; null if the plan names none."""
    place: str
    """Where the camera hangs; empty if the plan does not say."""
    detail: str
    """What came of it, for people."""


@dataclass(frozen=True, kw_only=True)
class PlanStepDone(PlanStepEvent):
    """A step of a camera in the site plan is done."""

    type = "shop.step_done"

    changed: bool
    """Whether something was changed; false if it was right already."""


@dataclass(frozen=True, kw_only=True)
class PlanStepWarning(PlanStepEvent):
    """A step of a camera in the site plan is done, and a person should look at it."""

    type = "shop.step_warning"

    reason: str
    """Why, for programs."""


@dataclass(frozen=True, kw_only=True)
class PlanStepFailure(PlanStepEvent):
    """A step of a camera in the site plan has failed."""

    type = "shop.step_failed"

    reason: str
    """Why, for programs."""


@dataclass(frozen=True, kw_only=True)
class PlanStepWaits(PlanStepEvent):
    """A camera of the site plan waits until a person has done something."""

    type = "shop.step_waiting"

    reason: str
    """What for, for programs: `join_hotspot` or `return_to_lan`."""


@dataclass(frozen=True, kw_only=True)
class PlanRunBegan(EventType):
    """A run of the site plan has begun."""

    type = "shop.run_began"

    cameras: int
    """How many cameras it works on."""


@dataclass(frozen=True, kw_only=True)
class PlanRunEnded(EventType):
    """A run of the site plan has ended."""

    type = "shop.run_ended"

    done: int
    """How many cameras of the plan are done."""
    failed: int
    """How many have failed."""
    pending: int
    """How many were not finished: the run was stopped."""
