"""How a camera is, by evidence: what it answered last and when, in words for people."""

import time
from dataclasses import dataclass
from typing import Final

from firmware_tools.language import Message, message
from gateway.cameras.record import Activation, CameraRecord
from gateway.discovery.device import FoundBy
from gateway.doctor.check import Status

OFFLINE_ALARM_S: Final = 120.0
"""How long a managed camera must have been silent before its state is an alarm, in seconds: a restart takes less."""

OWNERS: Final[dict[Activation, Message]] = {
    "unknown": message("not known"),
    "not_activated": message("nobody: not activated"),
    "activated": message("this account"),
    "other_owner": message("another account"),
}
"""Whose camera it is, by its activation."""
FOUND_BY: Final[dict[FoundBy, Message]] = {
    "broadcast": message("it answered the search in the local network"),
    "mdns": message("it announced itself (mDNS)"),
    "sweep": message("it answered when all addresses were tried"),
    "address": message("a person or the settings named the address"),
}
"""How an address became known."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    """A camera as the pages show it."""

    camera: CameraRecord
    """What is known of it."""
    status: Status
    """How bad its state is."""
    text: Message
    """Its state."""
    silent_s: float | None
    """How long ago it was seen or answered last, in seconds; None if it was not since the gateway started."""

    @property
    def title(self) -> str:
        """What people call it."""
        return self.camera.name or self.camera.sn

    @property
    def owner(self) -> Message:
        """Whose camera it is."""
        return OWNERS[self.camera.activation]

    @property
    def found_by(self) -> str:
        """How it was found at its address last; empty if that is not known."""
        seen = self.camera.addresses.get(self.camera.address)
        return "" if seen is None else seen.found_by


def report_camera(camera: CameraRecord, *, started_at: float) -> CameraReport:
    """Return how a camera is now; `started_at` is when the gateway started, in monotonic seconds."""
    now = time.monotonic()
    silent_s = None if camera.seen_at is None else max(0.0, now - camera.seen_at)
    silent_at_least_s = now - started_at if silent_s is None else silent_s
    status, text = _judge(camera, silent_at_least_s)
    return CameraReport(camera, status, text, silent_s)


def _judge(camera: CameraRecord, silent_s: float) -> tuple[Status, Message]:
    if camera.managed and camera.untrusted_sha256:
        return "failed", message("shows another certificate")
    if camera.duplicates is not None:
        return "failed", message("two devices claim to be it")
    if camera.managed and camera.activation == "other_owner":
        return "failed", message("belongs to another account")
    if not camera.was_scanned:
        return "skipped", message("not looked for yet")
    if camera.online:
        if camera.activation == "not_activated":
            return "warning" if camera.managed else "skipped", message("answers, not activated")
        return "ok", message("answers")
    if not camera.managed:
        return "skipped", message("gone")
    if silent_s < OFFLINE_ALARM_S:
        return "skipped", message("silent for a moment")
    return "failed", message("does not answer")
