"""The words for what commands return: the fields of the models of their results, and the values that these declare."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel

from firmware_tools.language import Message, message
from gateway.api.models.cameras import DiscoveryResultDocument
from gateway.api.models.outbox import ReleasedItemsDocument, RetriedItemsDocument
from gateway.api.models.site_plan import SitePlanDocument
from gateway.api.models.system import DoctorReportDocument
from gateway.cameras.record import Activation
from gateway.console.camera_report import FOUND_BY, OWNERS
from gateway.console.site_plan_texts import CAMERA_STATES, STEP_STATES, STEP_TITLES
from gateway.discovery.device import FoundBy
from gateway.doctor.check import Status
from gateway.fleet.command_results import SupportBundleResult, TokenRevokeResult, UpdateResult
from gateway.fleet_settings import CommandName
from gateway.shop.progress import PlannedCameraState
from gateway.shop.run_record import RunState
from gateway.shop.steps import PlanStepName, PlanStepState

BadgeKind = Literal["ok", "warning", "failed", "skipped", ""]
"""How a value is coloured; the empty one not at all."""

RESULTS: Final[Mapping[CommandName, type[BaseModel] | None]] = {
    "doctor": DoctorReportDocument,
    "support_bundle": SupportBundleResult,
    "discover": DiscoveryResultDocument,
    "camera_call": None,
    "site_plan": SitePlanDocument,
    "outbox_retry": RetriedItemsDocument,
    "outbox_release": ReleasedItemsDocument,
    "token_revoke": TokenRevokeResult,
    "update": UpdateResult,
}
"""What each command returns; None: what the camera says, as the vendor names it."""

FIELD_TEXTS: Final[Mapping[str, Message]] = {
    "activation": message("Belongs to"),
    "activation_number": message("Activation number"),
    "address": message("Address"),
    "addresses": message("Addresses"),
    "advice": message("What to do"),
    "base64": message("Content"),
    "began_at": message("Began"),
    "camera": message("Camera"),
    "cameras": message("Cameras"),
    "certificate_sha256": message("SHA-256 of the certificate"),
    "changed": message("Something was changed"),
    "check": message("Check"),
    "counts": message("Cameras by state"),
    "detail": message("Detail"),
    "done": message("done"),
    "ended_at": message("Ended"),
    "erases": message("Cameras that lose their face groups"),
    "error": message("What went wrong"),
    "evidence": message("Evidence"),
    "failed": message("failed"),
    "file": message("File"),
    "findings": message("Findings"),
    "firmware": message("Firmware"),
    "found": message("Found"),
    "found_by": message("How it was found"),
    "hidden": message("Hides its name"),
    "ignored": message("Not used"),
    "interface": message("Network interface"),
    "last_seen": message("Last seen"),
    "left": message("Left as they are"),
    "left_items": message("What was left"),
    "mac": message("MAC address"),
    "managed": message("Managed"),
    "methods": message("Ways of searching"),
    "model": message("Model"),
    "name": message("Name"),
    "needs_card": message("Needs a firmware card"),
    "notes": message("Notes"),
    "online": message("Online"),
    "outbox_id": message("Item"),
    "outcome": message("Outcome"),
    "outdated": message("Stays behind, since a newer one was sent"),
    "password": message("Password"),
    "pending": message("to do"),
    "place": message("Place"),
    "reason": message("Reason"),
    "released": message("Released"),
    "retried": message("Sent again"),
    "revoked": message("Revoked token"),
    "row": message("Row"),
    "running": message("under way"),
    "runs": message("Version that runs"),
    "settings": message("Settings"),
    "sha256": message("SHA-256"),
    "sn": message("Serial number"),
    "software_version": message("Firmware"),
    "ssid": message("Name of the Wi-Fi"),
    "state": message("State"),
    "status": message("State"),
    "steps": message("Steps"),
    "text": message("Text"),
    "unidentified": message("Hosts that do not say which camera they are"),
    "version": message("Version"),
    "waiting": message("waits for a person"),
    "wanted": message("Version that is wanted"),
    "what": message("What was found"),
    "what_to_do": message("What to do"),
    "wifi": message("Wi-Fi"),
}
"""What the fields of these models are called."""

_STATUSES: Final[Mapping[Status, tuple[BadgeKind, Message]]] = {
    "ok": ("ok", message("ok")),
    "warning": ("warning", message("warning")),
    "failed": ("failed", message("failed")),
    "skipped": ("skipped", message("skipped")),
}
_RUN_STATES: Final[Mapping[RunState, tuple[BadgeKind, Message]]] = {
    "ready": ("skipped", message("ready")),
    "running": ("skipped", message("under way")),
    "stopped": ("warning", message("stopped")),
    "done": ("ok", message("done")),
    "failed": ("failed", message("failed")),
}
_OUTCOMES: Final[Mapping[str, tuple[BadgeKind, Message]]] = {
    "applied": ("ok", message("applied")),
    "pending": ("skipped", message("pending")),
}


def _plain(texts: Mapping[Any, Message]) -> Mapping[str, tuple[BadgeKind, Message]]:
    return {value: ("", text) for value, text in texts.items()}


VALUE_TEXTS: Final[Mapping[Any, Mapping[Any, tuple[BadgeKind, Message]]]] = {
    Status: _STATUSES,
    RunState: _RUN_STATES,
    PlannedCameraState: CAMERA_STATES,
    PlanStepState: STEP_STATES,
    PlanStepName: _plain(STEP_TITLES),
    Activation: _plain(OWNERS),
    FoundBy: _plain(FOUND_BY),
    UpdateResult.model_fields["outcome"].annotation: _OUTCOMES,
}
"""What the values of a type are called, and how they are coloured."""
