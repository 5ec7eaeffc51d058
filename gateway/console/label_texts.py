"""Shelf labels in words for the people of a shop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from firmware_tools.language import Message, message
from gateway.console.product_texts import find_product_page
from gateway.labels.label import LOW_BATTERY, LabelGroup, LabelState, StoredLabel
from gateway.labels.models import LABEL_MODELS, LabelModel
from gateway.products.product_table import StoredProduct
from gateway.runtime.timestamps import utc_text

LABELS: Final = "/console/labels"
"""The address of the list of labels."""
SILENCE_S: Final = 86400
"""A label that was heard less lately than this, in seconds, before the cloud was asked is silent."""

GROUP_TEXTS: Final[Mapping[LabelGroup, Message]] = {
    "failed": message("wrong"),
    "late": message("late"),
    "moving": message("on the way"),
    "shown": message("right"),
    "vendor": message("left to the vendor"),
}
"""What a person has to know of labels, the worst first."""
GROUP_MARKS: Final[Mapping[LabelGroup, str]] = {
    "failed": "failed",
    "late": "warning",
    "moving": "skipped",
    "shown": "ok",
    "vendor": "skipped",
}
"""In which style it is shown."""
_STATE_TEXTS: Final[Mapping[LabelState, Message]] = {
    "waiting": message("The picture waits to be sent to the cloud."),
    "sent": message("The picture is being sent to the cloud."),
    "pushed": message("The cloud has the picture. The label has not confirmed it yet."),
    "retrying": message("The label did not take the picture. It is pushed again by itself."),
    "shown": message("The label shows what it should."),
    "failed": message("The label does not show what it should."),
    "vendor": message("The vendor's own templates draw this label. The gateway stays away."),
}
_UNIDENTIFIED: Final = message("The cloud is being asked which label this is.")
_UNDRAWN: Final = message("The picture is being drawn.")
_CHANGING: Final = message("The label shows the last picture. A change is being drawn.")


@dataclass(frozen=True, slots=True)
class ShownLabel:
    """A label as the pages show it."""

    label: StoredLabel
    """The label."""
    product: StoredProduct | None = None
    """Its product; None if it has none, or none is known."""

    @property
    def product_name(self) -> str:
        """The name of its product; empty if there is none."""
        return "" if self.product is None else self.product.name

    @property
    def address(self) -> str:
        """The address of its page."""
        return find_label_page(self.label.name)

    @property
    def title(self) -> str:
        """The code that is printed on it; what a person named it by if that is not known."""
        return self.label.esl_code or self.label.name

    @property
    def picture(self) -> str:
        """The address of its picture, another one for each picture; empty if it has none."""
        if self.label.content == "vendor" or not self.label.pixel_hash:
            return ""
        return f"{self.address}/picture?hash={self.label.pixel_hash[:16]}"

    @property
    def model(self) -> LabelModel | None:
        """Its model; None if that is not known."""
        return LABEL_MODELS.get(self.label.model)

    @property
    def other_model(self) -> str:
        """The model that the cloud says, if pictures are made for another one; else empty."""
        said = self.label.reading.get("model_name")
        if isinstance(said, str) and said in LABEL_MODELS and self.label.model not in ("", said):
            return said
        return ""

    @property
    def product_address(self) -> str:
        """The address of the page of its product; empty if it shows none."""
        return find_product_page(self.label.product_id) if self.label.product_id else ""

    @property
    def mark(self) -> str:
        """The style of its state."""
        return GROUP_MARKS[self.label.group]

    @property
    def state(self) -> Message:
        """How far it is, in one sentence."""
        label = self.label
        if label.state == "waiting" and not (label.esl_id and label.model):
            return _UNIDENTIFIED
        if label.state == "waiting" and label.is_stale:
            return _UNDRAWN
        if label.state == "shown" and label.is_stale:
            return _CHANGING
        return _STATE_TEXTS[label.state]

    @property
    def battery(self) -> int | None:
        """Charge in percent; None if it is not known."""
        return self._read("battery")

    @property
    def signal(self) -> int | None:
        """Strength of the radio signal in dBm; None if it is not known."""
        return self._read("rssi")

    @property
    def has_low_battery(self) -> bool:
        """Whether it needs a new battery soon."""
        return self.battery is not None and self.battery < LOW_BATTERY

    @property
    def is_silent(self) -> bool:
        """Whether it was not heard for a day when the cloud was asked."""
        contact, read = self._read("contact_at"), self._read("read_at")
        return contact is not None and read is not None and read - contact > SILENCE_S

    @property
    def contact_at(self) -> str:
        """When it was heard last, in UTC; empty if that is not known."""
        contact = self._read("contact_at")
        return "" if contact is None else utc_text(contact)

    @property
    def times(self) -> Iterator[tuple[Message, str]]:
        """What happened to it, and when, in UTC."""
        yield message("Changed"), utc_text(self.label.changed_at)
        for text, time in (
            (message("Taken by the cloud"), self.label.pushed_at),
            (message("Confirmed by the label"), self.label.shown_at),
            (message("The price on it ends"), self.label.shown_until),
            (message("The price of the picture ends"), self.label.valid_until),
        ):
            if time is not None:
                yield text, utc_text(time)

    def _read(self, name: str) -> int | None:
        value = self.label.reading.get(name)
        return value if type(value) is int else None


def find_label_page(name: str) -> str:
    """Return the address of the page of a label."""
    return f"{LABELS}/by-name/{quote(name, safe='')}"
