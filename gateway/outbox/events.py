"""Events of the outbox, for whoever stores them."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.protocol.event_type import EventType


@dataclass(frozen=True)
class ItemRefused(EventType):
    """The cloud refused a queued item for good; a person has to look at it."""

    type = "outbox.refused"

    outbox_id: str
    """The item."""
    path: str
    """Its endpoint."""
    vendor_code: int | None
    """The vendor's code; null where the vendor gave none."""
    meaning: str
    """What the code means, or why it was refused."""


@dataclass(frozen=True)
class QueueBlocked(EventType):
    """An item has been failing while the cloud answers others."""

    type = "outbox.blocked"

    outbox_id: str
    """The item."""
    path: str
    """Its endpoint."""
    order_key: str
    """What it changes; what has the same order key waits behind it."""
    since: str
    """When it first failed, by the cloud's clock as far as that is known."""


@dataclass(frozen=True)
class CloudLost(EventType):
    """The cloud cannot be reached; calls for it wait."""

    type = "cloud.lost"

    reason: str
    """Why a queued call did not get through."""


@dataclass(frozen=True)
class CloudBack(EventType):
    """The cloud answers again."""

    type = "cloud.back"


OutboxEvent = ItemRefused | QueueBlocked | CloudLost | CloudBack
Subscriber = Callable[[OutboxEvent], None]
"""Takes an event in the event loop, at once. It must neither wait nor raise."""
