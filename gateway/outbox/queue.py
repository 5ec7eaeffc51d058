"""The queue: which waiting items are sent next, and together."""

from collections import Counter
from collections.abc import Sequence, Set
from typing import Final, NamedTuple

from firmware_tools.language import fill
from gateway.errors import NotFound
from gateway.outbox import reasons
from gateway.outbox.batching import MAX_BATCH_BYTES, get_relay_policy, is_merging
from gateway.outbox.label_names import conflicting, is_any
from gateway.outbox.model import Batch, BatchEntry, Limit
from gateway.outbox.table import MAX_PRIORITY
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint

_MIN_PAGE: Final = 16
"""How many rows are read at first: few, since many batches have one item."""
_MAX_PAGE: Final = 2000
"""How many rows are read at once later."""
_MAX_SCANNED: Final = 5 * _MAX_PAGE
"""How many rows are looked at to fill one batch."""


class Unreadable(NamedTuple):
    """An item that can never be sent."""

    sequence: int
    """Its number."""
    reason: str
    """What is wrong with it."""


class QueuedItem(NamedTuple):
    """A waiting item, as far as the queue needs it."""

    sequence: int
    """Its number."""
    target_path: str
    """The endpoint to which it goes."""
    shared: str
    """The parameters that it shares with the other items of its call, as JSON."""
    order_key: str
    """What it changes; items with the same key are sent one after the other."""
    other_keys: str | None
    """What else it changes, as a JSON array."""
    reference: str
    """The identifier by which the vendor's responses name it."""
    size: int
    """Its length in a form, in bytes."""
    barrier: int
    """Whether nothing is merged across it."""
    expires_s: float | None
    """The uptime at which it expires; None for never."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything it changes, the order key first. Raises ValueError if the stored text cannot be read."""
        if self.other_keys is None:
            return (self.order_key,)
        others = json_text.loads(self.other_keys)
        if not isinstance(others, list) or not all(isinstance(key, str) for key in others):
            raise ValueError("not a list of texts")
        return (self.order_key, *others)


class Queue:
    """The items in flight, and where to look for the next ones.

    Items are considered by priority and number. A key is blocked for everything behind the first item that has it, so
    the items of each key are sent in the order of their acceptance, one at a time.
    """

    def __init__(self) -> None:
        self.in_flight: set[int] = set()
        """The items that are being sent."""
        self._blocked_keys: set[str] = set()
        self._shared_keys: Counter[str] = Counter()
        """Blocked keys that several items in flight can have: how many have them."""
        self._starts = [0] * (MAX_PRIORITY + 1)
        self._found_starts = list(self._starts)
        self._selecting = False
        self._released: list[Batch] = []
        self._revisited: list[int] = []

    @property
    def starts(self) -> list[int]:
        """By priority: no item with a smaller number can be sent."""
        return self._starts

    def begin_selection(self) -> None:
        """Begin to select a batch in the database's thread: releases wait until `end_selection`."""
        self._selecting = True
        self._found_starts = list(self._starts)

    def end_selection(self) -> None:
        """End the selection, and do what waited for it."""
        self._selecting = False
        self._starts = list(self._found_starts)
        for batch in self._released:
            self.release(batch)
        self.revisit(self._revisited)
        self._released.clear()
        self._revisited.clear()

    def revisit(self, sequences: Sequence[int]) -> None:
        """Consider these items again."""
        if self._selecting:
            self._revisited += sequences
        elif sequences:
            self._starts = [min(start, *sequences) for start in self._starts]

    def claim(self, batch: Batch) -> None:
        """Take the items of a batch in flight."""
        for entry in batch.entries:
            self._blocked_keys.update(entry.keys)
            self.in_flight.update(entry.sequences)
            if len(entry.keys) > 1:
                self._shared_keys.update(filter(is_any, entry.keys))

    def release(self, batch: Batch) -> None:
        """End the flight of a batch: its items have an outcome, or wait again."""
        if self._selecting:
            self._released.append(batch)
            return
        for entry in batch.entries:
            self._blocked_keys.difference_update(entry.keys)
            self.in_flight.difference_update(entry.sequences)
            if len(entry.keys) > 1:
                self._shared_keys.subtract(filter(is_any, entry.keys))
                self._shared_keys = +self._shared_keys
                self._blocked_keys.update(self._shared_keys)
        self.revisit(batch.sequences)

    def select(self, limit: Limit, uptime_s: float, *, single: bool = False) -> "Selection":
        """Begin to select a batch from the items of one priority; with `single`, one that has a single entry."""
        return Selection(self.in_flight, self._blocked_keys, limit, uptime_s, single=single)

    def note_start(self, priority: int, sequence: int) -> None:
        """Begin the next selection of a priority at this number."""
        self._found_starts[priority] = sequence

    def leave(self, priority: int, sequence: int) -> None:
        """Begin the next selection of a priority at this number at the latest."""
        self._found_starts[priority] = min(self._found_starts[priority], sequence)


class Selection:
    """Goes through waiting items in their order and selects those that can be sent together."""

    def __init__(
        self, in_flight: Set[int], blocked_keys: Set[str], limit: Limit, uptime_s: float, *, single: bool
    ) -> None:
        self.batch: Batch | None = None
        """What is selected so far."""
        self.first_left: int | None = None
        """The first item that was left for later."""
        self.unreadable: list[Unreadable] = []
        """Items that can never be sent."""
        self._in_flight = in_flight
        self._blocked_keys = blocked_keys
        self._limit = limit
        self._uptime_s = uptime_s
        self._single = single
        self._passed_keys: set[str] = set()
        self._entries: dict[str, BatchEntry] = {}
        self._max_entries = 0
        self._size = 0
        self._scanned = 0
        self._full = False

    @property
    def page_size(self) -> int:
        """About how many more items fit."""
        if not self._scanned:
            return _MIN_PAGE
        mean = self._size // len(self._entries) if self._entries else 0
        return min(_MAX_PAGE, (MAX_BATCH_BYTES - self._size) // mean + _MIN_PAGE) if mean else _MAX_PAGE

    def consider(self, item: QueuedItem) -> bool:
        """Select an item or leave it; return whether to go on."""
        self._scanned += 1
        if item.sequence in self._in_flight or (item.expires_s is not None and item.expires_s <= self._uptime_s):
            return True
        try:
            keys, endpoint = item.keys, find_endpoint(item.target_path)
        except ValueError as exc:
            self.unreadable.append(Unreadable(item.sequence, fill(reasons.NO_SENDING, reason=exc)))
            return True
        if item.size > MAX_BATCH_BYTES and get_relay_policy(endpoint).list_parameter:
            reason = fill(reasons.TOO_LARGE, size=item.size, max_bytes=MAX_BATCH_BYTES)
            self.unreadable.append(Unreadable(item.sequence, reason))
            return True
        if not self._selects(item, keys, endpoint):
            self._passed_keys.update(keys)
            if self.first_left is None:
                self.first_left = item.sequence
        return not (self._full or (self.batch is not None and self._scanned >= _MAX_SCANNED))

    def _selects(self, item: QueuedItem, keys: tuple[str, ...], endpoint: Endpoint) -> bool:
        conflicts = keys if len(keys) == 1 else list(map(conflicting, keys))
        if not (self._blocked_keys.isdisjoint(conflicts) and self._passed_keys.isdisjoint(conflicts)):
            return False
        limit = self._limit(item.sequence)
        if not limit:
            return False
        if self.batch is None:
            self.batch = Batch(endpoint, item.shared, [])
            self._max_entries = 1 if self._single else get_relay_policy(endpoint).max_batch_size
        elif endpoint is not self.batch.endpoint or item.shared != self.batch.shared:
            return False
        entry = self._entries.get(item.order_key)
        if entry is not None:
            return self._merges(item, entry)
        self._max_entries = min(self._max_entries, limit)
        if self._entries and (len(self._entries) >= self._max_entries or not self._fits(item)):
            # What is merged with a single entry may come behind.
            self._full = not (self._single and is_merging(endpoint))
            return False
        self._size += item.size
        entry = self._entries[item.order_key] = BatchEntry(keys, item.reference, [item.sequence])
        self.batch.entries.append(entry)
        return True

    def _merges(self, item: QueuedItem, entry: BatchEntry) -> bool:
        """Add an item to the entry with the same order key, if they are merged. What goes alone is not."""
        if self.batch is None or item.barrier or not is_merging(self.batch.endpoint):
            return False
        if 1 in (self._limit(item.sequence), self._limit(entry.sequences[0])):
            return False
        if not self._fits(item):
            self._full = True
            return False
        self._size += item.size
        entry.sequences.append(item.sequence)
        return True

    def _fits(self, item: QueuedItem) -> bool:
        return self._size + item.size <= MAX_BATCH_BYTES


def find_endpoint(path: str) -> Endpoint:
    """Return the endpoint of queued calls with this path. Raises ValueError if there is none any more."""
    try:
        endpoint = CATALOGUE.get("cloud", path)
    except NotFound:
        raise ValueError(fill(reasons.UNKNOWN_ENDPOINT, path=repr(path))) from None
    get_relay_policy(endpoint)
    return endpoint
