"""What the outbox is about: items and their outcomes, and the batches in which items are sent."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import FilePart

State = Literal["waiting", "sending", "delivered", "superseded", "expired", "refused"]
STATES: Final[tuple[State, ...]] = ("waiting", "sending", "delivered", "superseded", "expired", "refused")

OWN_TOKEN: Final = ""
"""The name of the token of what the gateway itself hands over."""

Limit = Callable[[int], int]
"""Returns the largest number of entries in a batch that holds the item with this number; 0 if it has to wait."""


class NewItem(NamedTuple):
    """One item of a call, before it is stored."""

    text: str
    """JSON: the element of the list, or the parameters of the whole call except the shop."""
    reference: str
    """The identifier by which the vendor's responses name it."""
    keys: tuple[str, ...]
    """What it changes, the order key first."""
    size: int
    """Its length in a form, in bytes."""
    digest: bytes | None = None
    """Digest of `text` where the content identifies the item; else None."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an item."""

    state: State
    """Its state now."""
    code: int | None = None
    """The vendor's return code; None without a response."""
    meaning: str = ""
    """What the code or the list means."""
    result_list: str = ""
    """The list of the response that names the item; empty if none does."""
    response: str = ""
    """The whole response, where it concerns this item alone."""
    redirect_to: str = ""
    """The endpoint to which a waiting item goes now, if that is another one."""


class ItemOutcome(NamedTuple):
    """An item of a submission, with what the rebuilt response needs."""

    reference: str
    """The identifier by which the vendor's responses name it."""
    outcome: Outcome
    """Its outcome."""


@dataclass(slots=True)
class BatchEntry:
    """What is sent as one element: a single item, or items with one order key that were merged."""

    keys: tuple[str, ...]
    """What it changes, the order key first."""
    reference: str
    """The identifier by which the vendor's responses name it."""
    sequences: list[int]
    """The numbers of its items."""
    text: str = ""
    """Its JSON."""


@dataclass(slots=True)
class Batch:
    """Entries that go to the cloud in one call."""

    endpoint: Endpoint
    """The endpoint to call."""
    shared: str
    """The parameters that the entries share, as JSON."""
    entries: list[BatchEntry]
    """The entries, in the order in which they were accepted."""
    files: dict[str, FilePart] = field(default_factory=dict)
    """The files, by parameter; only a batch of one entry has any."""

    @property
    def sequences(self) -> list[int]:
        """The numbers of the items."""
        return [sequence for entry in self.entries for sequence in entry.sequences]

    def subset(self, entries: Sequence[BatchEntry]) -> "Batch":
        """Return a batch of some of the entries."""
        return Batch(self.endpoint, self.shared, list(entries), self.files)

    def with_items(self, sequences: Container[int]) -> "Batch":
        """Return a batch of the entries that hold these items."""
        return self.subset([entry for entry in self.entries if entry.sequences[0] in sequences])

    def halves(self) -> tuple["Batch", "Batch"]:
        """Return the two halves of a batch of several entries."""
        half = len(self.entries) // 2
        return self.subset(self.entries[:half]), self.subset(self.entries[half:])


class Stats(NamedTuple):
    """How much waits."""

    depth: int
    """How many items wait or are being sent."""
    oldest_age_s: float | None
    """Since when the oldest waits, in seconds of uptime."""
