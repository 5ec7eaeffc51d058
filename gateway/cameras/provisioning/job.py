"""The provisioning job of one camera: the request, its progress, and the document that survives a crash."""

import asyncio
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self, get_args

from firmware_tools.language import join, message
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.stored_text import pack_text, unpack_text

StepName = Literal["reach", "networks", "wifi", "rejoin", "activate", "verify"]
StepState = Literal["pending", "running", "done", "skipped", "failed"]
JobState = Literal["running", "waiting", "done", "failed", "cancelled"]
Reason = Literal[
    # waiting: a person has to act
    "join_hotspot",
    "return_to_lan",
    "interrupted",
    # failed
    "not_reachable",
    "malformed_response",
    "network_not_seen",
    "wep_not_supported",
    "wrong_wifi_password",
    "wrong_activation_number",
    "wrong_serial_number",
    "app_id_rejected",
    "no_internet",
    "no_credentials",
    "other_owner",
    "activation_unknown",
    "not_activated",
    "certificate_changed",
    "refused",
    "internal",
    "cancelled",
]

STEPS: Final[tuple[StepName, ...]] = get_args(StepName)
MAX_ACTIVATION_NUMBER_LENGTH: Final = 64
"""How many characters an activation number may have; the vendor's have 8 to 24 (NOTES: Public parameters)."""

_WIFI = CATALOGUE.get("camera", "config/setWifiConf")
_NAME = CATALOGUE.get("camera", "config/updateName")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRequest:
    """What to do with a camera. None leaves it as it is."""

    ssid: str | None = None
    """The Wi-Fi network to join."""
    password: str | None = field(default=None, repr=False)
    """The password of that network; blank if it is open."""
    hidden: bool = False
    """Whether the network hides its name, so that the camera need not see it."""
    activation_number: str | None = field(default=None, repr=False)
    """The number to activate the camera with."""
    confirm_erase: bool = False
    """Whether a person confirmed that the activation may erase the camera's face groups."""
    name: str | None = None
    """The name to give to the camera."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for, which means: resume."""
        return self.ssid is self.password is self.activation_number is self.name is None

    def check(self) -> None:
        """Raise `InvalidRequest` with every field error."""
        field_errors: list[FieldError] = []
        if self.ssid is not None:
            field_errors += _find_field_errors(_WIFI, {"ssid": self.ssid, "password": self.password or ""})
        elif self.password is not None:
            field_errors.append(FieldError("ssid", message("is required with password")))
        elif self.hidden:
            field_errors.append(FieldError("ssid", message("is required for a hidden network")))
        if self.activation_number is not None:
            number = self.activation_number
            if not 0 < len(number) <= MAX_ACTIVATION_NUMBER_LENGTH or not number.isprintable() or not number.strip():
                field_errors.append(
                    FieldError(
                        "activation_number",
                        message("must have 1 to {max_length} characters", max_length=MAX_ACTIVATION_NUMBER_LENGTH),
                    )
                )
            if not self.confirm_erase:
                field_errors.append(
                    FieldError("confirm_erase", message("must be true: the activation erases the camera's face groups"))
                )
        if self.name is not None:
            field_errors += _find_field_errors(_NAME, {"name": self.name})
        if field_errors:
            raise InvalidRequest(field_errors)

    def without_secrets(self) -> Self:
        """Return the request as it may be kept after the job has ended."""
        return replace(self, password=None, activation_number=None)


@dataclass(slots=True)
class Step:
    """One step of a job."""

    name: StepName
    state: StepState = "pending"
    detail: str = ""
    """The outcome, for people."""


class StepFailed(Exception):
    """A step has failed, and the job with it."""

    def __init__(self, reason: Reason, detail: str, problem: Problem | None = None) -> None:
        """Take the reason for machines, the detail for people, and the problem that caused the failure, if any."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.problem = problem


class StepSkipped(Exception):
    """A step has nothing to do. The text says why."""


@dataclass(slots=True, kw_only=True, eq=False)
class ProvisioningJob:
    """One camera's job. It is published at each change of step, and stored while it is under way."""

    sn: str
    """The camera's serial number."""
    request: ProvisioningRequest
    state: JobState = "running"
    step: StepName = "reach"
    """The present step, or the last one."""
    steps: list[Step] = field(default_factory=lambda: [Step(name) for name in STEPS])
    reason: Reason | None = None
    """Why it waits or has failed, for machines."""
    detail: str = ""
    """The same, for people."""
    problem: Problem | None = None
    """The problem that made it fail, if any."""
    via_hotspot: bool = False
    """Whether the camera was reached through its own hotspot."""
    in_service: bool = False
    """Whether the service runs it, rather than a command in a process of its own."""
    was_managed: bool = True
    """Whether the camera was managed before the job."""
    wifi_sent: bool = False
    """Whether the camera may have been told to join the Wi-Fi network."""
    wifi_answered: bool = False
    """Whether the camera answered that it will join."""
    wifi_sent_again: bool = False
    """Whether it was told once more, since it did not answer and was back in its hotspot."""
    wifi_address: str = ""
    """The camera's address when it was told to join the Wi-Fi network."""
    activation_sent: bool = False
    """Whether an activation may have gone out with an unknown outcome. Then it must not be sent again."""
    had_password: bool = False
    """Whether the request held a password when the job began."""
    had_number: bool = False
    """Whether the request held an activation number when the job began."""
    resume_requested: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when a person requests to resume a waiting job, or to probe at once."""

    @classmethod
    def create(cls, sn: str, request: ProvisioningRequest, *, in_service: bool, was_managed: bool) -> Self:
        """Return a new job."""
        return cls(
            sn=sn,
            request=request,
            in_service=in_service,
            was_managed=was_managed,
            had_password=bool(request.password),
            had_number=request.activation_number is not None,
        )

    @property
    def is_active(self) -> bool:
        """Whether the job is under way."""
        return self.state in ("running", "waiting")

    def get_step(self, name: StepName) -> Step:
        """Return a step."""
        return self.steps[STEPS.index(name)]

    @property
    def has_changed_camera(self) -> bool:
        """Whether the camera may have received something that cannot be taken back."""
        return self.wifi_sent or self.activation_sent or self.get_step("activate").state == "done"

    def describe_effects(self) -> str:
        """Return what the camera has received so far, and what it has not."""
        received: list[str] = []
        missing: list[str] = []
        if self.request.ssid is not None:
            (received if self.wifi_sent else missing).append(
                message("the Wi-Fi network {ssid!r}", ssid=self.request.ssid)
            )
        if self.had_number and self.activation_sent:
            received.append(message("an activation whose outcome is not known"))
        elif self.had_number and self.get_step("activate").state != "skipped":
            is_activated = self.get_step("activate").state == "done"
            (received if is_activated else missing).append(message("the activation"))
        if self.request.name is not None:
            missing.append(message("the name {name!r}", name=self.request.name))
        effects = message("the camera has received {what}", what=join(" and ", received) or message("nothing"))
        return (
            message("{effects}, and not {missing}", effects=effects, missing=join(", ", missing))
            if missing
            else effects
        )

    def interrupt(self) -> None:
        """Let a stored job wait until it is resumed or cancelled: the process that ran it is gone."""
        self.state, self.reason = "waiting", "interrupted"
        self.detail = message("the command that ran it has ended; {effects}", effects=self.describe_effects())

    def request_resume(self) -> None:
        """Let the job resume, as a person requests."""
        if self.state == "waiting":
            self.state, self.reason, self.detail = "running", None, ""
            self.get_step(self.step).detail = ""
        self.resume_requested.set()

    def restart(self) -> None:
        """Go back to the step that was interrupted or failed, or to the first one if Wi-Fi is not done yet.

        Raises `InvalidRequest` if that needs values that were deleted when the job ended.
        """
        failed = "wifi" if self.reason == "wrong_wifi_password" else self.step
        index = STEPS.index(failed)
        if index <= STEPS.index("wifi"):
            index = 0
        self._require_values(index)
        self.state, self.step, self.reason, self.detail = "running", STEPS[index], None, ""
        for step in self.steps[index:]:
            step.state, step.detail = "pending", ""

    def _require_values(self, index: int) -> None:
        gone = message("is not kept when a job has ended: start again and give every value that is still needed")
        field_errors = []
        if self.had_password and self.request.password is None and index <= STEPS.index("wifi"):
            field_errors.append(FieldError("password", gone))
        pending = self.had_number and self.request.activation_number is None and not self.activation_sent
        if pending and index <= STEPS.index("activate"):
            field_errors.append(FieldError("activation_number", gone))
        if field_errors:
            raise InvalidRequest(field_errors)

    def describe(self) -> dict[str, Any]:
        """Return the job as the REST API shows it. It holds no secret."""
        return {
            "sn": self.sn,
            "state": self.state,
            "step": self.step,
            "steps": [{"name": step.name, "state": step.state, "detail": step.detail} for step in self.steps],
            "reason": self.reason,
            "detail": self.detail,
        }

    def to_document(self) -> dict[str, Any]:
        """Return what is stored while the job is under way. It holds secrets."""
        request = {known.name: getattr(self.request, known.name) for known in fields(self.request)}
        return {
            "request": request,
            "step": self.step,
            "steps": [[step.name, step.state, pack_text(step.detail)] for step in self.steps],
            **{name: getattr(self, name) for name in _STORED},
        }

    @classmethod
    def from_document(cls, sn: str, document: Any) -> Self:
        """Return a stored job, ready to run.

        Raises `ValueError`, `TypeError`, `KeyError` or `InvalidRequest` for a malformed document.
        """
        job = cls(
            sn=sn,
            request=ProvisioningRequest(**document["request"]),
            step=document["step"],
            steps=[Step(name, state, unpack_text(detail)) for name, state, detail in document["steps"]],
            **{name: document[name] for name in _STORED if name in document},  # not all are in an older version's
        )
        job.restart()
        return job


_STORED: Final = (
    "via_hotspot", "in_service", "was_managed", "wifi_sent", "wifi_answered", "wifi_sent_again", "wifi_address",
    "activation_sent", "had_password", "had_number",
)  # fmt: skip


def _find_field_errors(endpoint: Any, arguments: dict[str, str]) -> list[FieldError]:
    try:
        endpoint.encode(arguments)
    except InvalidRequest as exc:
        return list(exc.field_errors)
    return []
