"""Events of the link to the head office."""

from dataclasses import dataclass

from gateway.protocol.event_type import EventType


@dataclass(frozen=True, kw_only=True)
class ShopCloned(EventType):
    """Another gateway has this shop's certificate, so both stop following the head office."""

    type = "fleet.cloned"

    host: str
    """The name of its machine, as it says it."""
    addresses: str
    """Its addresses, separated by commas, as it says them."""


@dataclass(frozen=True, kw_only=True)
class ShopCloneGone(EventType):
    """The other gateway with this shop's certificate was not heard for a while."""

    type = "fleet.clone_gone"

    host: str
    """The name of its machine, as it said it."""
    addresses: str
    """Its addresses, separated by commas, as it said them."""


@dataclass(frozen=True, kw_only=True)
class UnsentEventsRemoved(EventType):
    """Events were removed as too old before the head office could get them."""

    type = "fleet.events_removed"

    events: int
    """How many."""
