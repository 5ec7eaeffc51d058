"""A shelf label as it is stored, and the steps from a product to its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from typing_extensions import TypeAliasType

LabelContent = Literal["product", "picture", "vendor"]
LabelDrawer = TypeAliasType("LabelDrawer", Literal["gateway", "vendor"])
"""Who draws a label: the gateway, or the vendor's own templates."""
LabelState = Literal["waiting", "sent", "pushed", "retrying", "shown", "failed", "vendor"]
LabelGroup = Literal["failed", "late", "moving", "shown", "vendor"]
"""What a person has to know of a label, the worst first: `late` are those on their way with a problem."""
LOW_BATTERY: Final = 20
"""A label with less charge, in percent, needs a new battery soon."""


@dataclass(frozen=True, slots=True)
class StoredLabel:
    """A label as it is stored."""

    number: int
    """Its number in the database."""
    name: str
    """What a person named it by first: its printed code, or the cloud's id."""
    esl_id: str
    """The cloud's id; empty as long as the cloud was not asked."""
    esl_code: str
    """The printed code; empty as long as it is not known."""
    model: str
    """Its model; empty as long as it is not known."""
    content: LabelContent
    """What it shows: a product by a template, a picture, or what the vendor's own templates draw."""
    product_id: str
    """The product; empty if there is none."""
    template: str
    """The template; empty if there is none."""
    changes: int
    """How often what it shows has changed since it was drawn."""
    pixel_hash: str
    """Of its picture; empty if there is none yet."""
    valid_until: int | None
    """When a price of the picture ends, in Unix seconds; None for never."""
    reports: Sequence[Mapping[str, str]]
    """What a person should know about the picture: `code`, `box` and `message` of each."""
    state: LabelState
    """`waiting` for its picture, or for the outbox; `sent` while the outbox has the picture, `pushed` once the cloud
    has it, `shown` once the label has it; `retrying` after the label did not take it; `failed` until somebody changes
    something; `vendor` where the gateway stays away."""
    problem: str
    """Why it does not show the picture; empty if nothing is known to be wrong."""
    item: int | None
    """The outbox item that carries the picture."""
    shown_hash: str
    """Of the picture that it shows; empty if that is not known."""
    shown_until: int | None
    """When a price that it shows ends, in Unix seconds; None for never."""
    changed_at: int
    """When a person said last what it shows, in Unix seconds."""
    pushed_at: int | None
    """When the cloud took a picture for it last."""
    shown_at: int | None
    """When it confirmed a picture last."""
    reading: Mapping[str, Any]
    """What the cloud said of it last: `gateway.labels.cloud_labels.LabelReading`, as JSON. Empty before the first."""

    @property
    def group(self) -> LabelGroup:
        """What a person has to know of it."""
        if self.state in ("failed", "shown", "vendor"):
            return self.state
        return "late" if self.problem else "moving"

    @property
    def is_stale(self) -> bool:
        """Whether it is to be drawn again."""
        return self.changes > 0


class OpenLabel(NamedTuple):
    """A label that does not show its picture yet, as far as it is looked at often."""

    number: int
    """Its number in the database."""
    state: LabelState
    """Its state."""
    item: int | None
    """The outbox item that carries its picture."""


class StaleLabel(NamedTuple):
    """A label that is to be drawn again."""

    label: StoredLabel
    """The label."""
    wanted: str | None
    """What the lists say of its product, as JSON; None if they do not name it."""
    valid_from: int | None
    """Since when a price for a time holds; None if none does."""
    valid_until: int | None
    """When the first price that holds now ends, in Unix seconds; None for never."""


class DrawnLabel(NamedTuple):
    """A label that was drawn."""

    number: int
    """The label's number in the database."""
    picture: bytes
    """PNG."""
    pixel_hash: str
    """Of the picture."""
    valid_until: int | None
    """When a price of the picture ends, in Unix seconds; None for never."""
    reports: Sequence[Mapping[str, str]]
    """What a person should know about it."""
    changes: int
    """How many changes are in it: more may have come while it was drawn."""
