"""Events of the outbox, for whoever records them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemRefused:
    """An item is not sent again unless a person acts."""

    outbox_id: str
    """The item."""
    path: str
    """Its endpoint."""
    vendor_code: int | None
    """The vendor's code; None where the vendor gave none."""
    meaning: str
    """What the code means, or why it was refused."""


@dataclass(frozen=True, slots=True)
class CloudLost:
    """A queued call did not get through. Until the cloud answers again, all of them wait."""

    reason: str
    """Why."""


@dataclass(frozen=True, slots=True)
class CloudBack:
    """The cloud has answered again."""


@dataclass(frozen=True, slots=True)
class QueueBlocked:
    """An item fails again and again while the cloud answers others. What has the same order key waits behind it."""

    outbox_id: str
    """The item."""
    path: str
    """Its endpoint."""
    order_key: str
    """What it changes."""
    since: float
    """When it first failed, in Unix seconds by the cloud's clock as far as that is known."""


OutboxEvent = ItemRefused | CloudLost | CloudBack | QueueBlocked
Subscriber = Callable[[OutboxEvent], None]
"""Takes an event in the event loop, at once. It must neither wait nor raise."""
