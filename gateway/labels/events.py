"""Events about shelf labels, for whoever watches the shelf. They hold no secrets."""

from dataclasses import dataclass

from gateway.protocol.event_type import EventType


@dataclass(frozen=True, kw_only=True)
class LabelsFailed(EventType):
    """Labels do not show what they should; a person has to look at them."""

    type = "labels.failed"

    labels: int
    """How many labels failed at the same time."""
    label: str
    """The first of them, by the name that a person gave it."""
    product_id: str
    """The number of its product; empty if it shows a picture."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class LabelsRecovered(EventType):
    """Labels that had failed show what they should."""

    type = "labels.recovered"

    labels: int
    """How many labels."""
    label: str
    """The first of them, by the name that a person gave it."""


@dataclass(frozen=True, kw_only=True)
class LabelPricesExpired(EventType):
    """Labels show prices that have ended, and do not take the ones that hold now: customers read wrong prices."""

    type = "labels.prices_expired"

    labels: int
    """How many labels."""
    label: str
    """The first of them, by the name that a person gave it."""
    product_id: str
    """The number of its product."""
