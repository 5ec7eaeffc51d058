"""Events that the gateway itself reports, one class for each; those of the outbox are declared there."""

from dataclasses import dataclass

from gateway.cameras.record import Activation
from gateway.protocol.event_type import EventType


@dataclass(frozen=True, kw_only=True)
class CameraEvent(EventType):
    """Something that happened to a camera."""

    managed: bool
    """Whether the camera is managed."""
    address: str | None
    """Its address, `host:port`; null if none is known."""
    name: str
    """Its name; empty if it has none."""


@dataclass(frozen=True, kw_only=True)
class CameraFound(CameraEvent):
    """A camera was seen for the first time."""

    type = "camera.found"

    model: str | None
    """Its model; null if it is not known."""


@dataclass(frozen=True, kw_only=True)
class CameraMoved(CameraEvent):
    """A camera is at another address now."""

    type = "camera.moved"


@dataclass(frozen=True, kw_only=True)
class CameraOffline(CameraEvent):
    """A camera has not answered for a while."""

    type = "camera.offline"


@dataclass(frozen=True, kw_only=True)
class CameraOnline(CameraEvent):
    """A camera answers again."""

    type = "camera.online"


@dataclass(frozen=True, kw_only=True)
class CameraTrusted(CameraEvent):
    """A camera's certificate is remembered from now on."""

    type = "camera.trusted"

    certificate_sha256: str
    """The fingerprint of the certificate."""


@dataclass(frozen=True, kw_only=True)
class CameraCertificateChanged(CameraEvent):
    """A camera shows another certificate than the remembered one; nothing is sent to it."""

    type = "camera.certificate_changed"

    remembered: str
    """The fingerprint of the remembered certificate."""
    shown: str
    """The fingerprint of the certificate that it shows."""


@dataclass(frozen=True, kw_only=True)
class CameraDuplicated(CameraEvent):
    """Two devices announce the same serial number at the same time; only one of them can be the camera."""

    type = "camera.duplicated"

    addresses: tuple[str, str]
    """Where they are, `host:port`."""


@dataclass(frozen=True, kw_only=True)
class CameraActivated(CameraEvent):
    """A camera is activated by this account now."""

    type = "camera.activated"

    activation: Activation
    """`activated`."""


@dataclass(frozen=True, kw_only=True)
class CameraNotActivated(CameraEvent):
    """A camera is not activated by this account (any more)."""

    type = "camera.not_activated"

    activation: Activation
    """`unknown`, `not_activated` or `other_owner`."""


@dataclass(frozen=True, kw_only=True)
class ClockWrong(EventType):
    """The clock of this machine differs from the cloud's."""

    type = "clock.wrong"

    cloud_ahead_s: int
    """By how many seconds the cloud's clock is ahead."""


@dataclass(frozen=True, kw_only=True)
class ClockRight(EventType):
    """The clock of this machine agrees with the cloud's again."""

    type = "clock.right"

    cloud_ahead_s: int
    """By how many seconds the cloud's clock is ahead."""


@dataclass(frozen=True, kw_only=True)
class DiskLow(EventType):
    """The disk that holds the state is nearly full."""

    type = "disk.low"

    free_bytes: int
    """How many bytes are free."""
    total_bytes: int
    """The size of the disk."""


@dataclass(frozen=True, kw_only=True)
class DiskOk(EventType):
    """The disk that holds the state has room again."""

    type = "disk.ok"

    free_bytes: int
    """How many bytes are free."""
    total_bytes: int
    """The size of the disk."""


@dataclass(frozen=True, kw_only=True)
class EventsErased(EventType):
    """Personal data of a face was erased from the event log."""

    type = "events.erased"

    events: int
    """From how many events."""
    by: str
    """The name of the token that asked for it."""


@dataclass(frozen=True, kw_only=True)
class WebhookTest(EventType):
    """A person tests whether a till receives events."""

    type = "webhook.test"

    webhook_id: str
    """The id of the webhook."""
