"""News of the relay: what becomes of the cloud and of what waits for it, for whoever keeps events."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemRefused:
    """An item will not be sent again unless a person acts. `vendor_code` is None where the vendor gave none."""

    outbox_id: str
    path: str
    vendor_code: int | None
    meaning: str


@dataclass(frozen=True, slots=True)
class CloudLost:
    """A queued call did not get through; until the cloud answers again, all of them wait."""

    reason: str


@dataclass(frozen=True, slots=True)
class CloudBack:
    """The cloud has answered again."""


@dataclass(frozen=True, slots=True)
class QueueBlocked:
    """An item fails again and again while the cloud answers others; what has the same order key waits behind it.

    `since` is when it failed first, in Unix seconds by the cloud's clock as far as that is known.
    """

    outbox_id: str
    path: str
    order_key: str
    since: float


News = ItemRefused | CloudLost | CloudBack | QueueBlocked
Listener = Callable[[News], None]
"""Takes news in the event loop, at once; it must neither wait nor raise."""
