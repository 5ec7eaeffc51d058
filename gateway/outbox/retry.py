"""Retries: which items failed recently, when they may be sent again, and in batches of which size."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from gateway.outbox.events import QueueBlocked
from gateway.outbox.model import Batch
from gateway.runtime.timestamps import utc_text

UNLIMITED: Final = 1_000_000
"""More items than any batch has."""
INITIAL_DELAY_S: Final = 0.5
"""The delay after the first failure."""
MAX_DELAY_S: Final = 30.0
"""The longest delay after a failure that says that nothing was sent or stored."""

_POISON_FAILURES: Final = 2
"""After how many failures, while the cloud answered others, an item waits by a back-off of its own."""
_BLOCKING_FAILURES: Final = 3
"""After how many of them, the last one alone, it is reported to block what is behind it."""
_MAX_DOUBLINGS: Final = 12
"""How often a delay doubles. It has reached any maximum by then, and 2 ** 1025 is too large for a float."""


@dataclass(slots=True)
class _FailedItem:
    """An item whose last call brought no clear outcome."""

    first_failure_at: float
    """When it first failed, in Unix seconds."""
    limit: int = UNLIMITED
    """The largest batch in which it goes next time: smaller each time, so that a poison item ends up alone."""
    failures: int = 0
    """How often it failed while the cloud answered others."""
    retry_at: float = 0.0
    """When it may be sent again, in monotonic seconds."""
    reported: bool = False
    """Whether it was reported to block others."""


class RetryTracker:
    """The items that failed recently, by number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with no items; `clock` returns monotonic seconds."""
        self._clock = clock
        self._items: dict[int, _FailedItem] = {}

    def limit(self, sequence: int) -> int:
        """Return the largest batch in which an item may be sent now; 0 if it has to wait."""
        item = self._items.get(sequence)
        if item is None:
            return UNLIMITED
        return 0 if item.retry_at > self._clock() else item.limit

    def max_size(self, sequence: int) -> int:
        """Return the largest batch in which an item may be sent, whether or not it has to wait."""
        item = self._items.get(sequence)
        return UNLIMITED if item is None else item.limit

    def next_retry_in_s(self) -> float | None:
        """Return the seconds until the next waiting item may be sent, None if none waits."""
        now = self._clock()
        return min((item.retry_at - now for item in self._items.values() if item.retry_at > now), default=None)

    def is_poison(self, batch: Batch) -> bool:
        """Tell whether a batch is a single entry that failed again and again while the cloud answered others."""
        item = self._items.get(batch.sequences[0])
        return len(batch.entries) == 1 and item is not None and item.failures >= _POISON_FAILURES

    def failures(self, batch: Batch) -> int:
        """Return how often the first item of a batch failed while the cloud answered others."""
        item = self._items.get(batch.sequences[0])
        return 0 if item is None else item.failures

    def postpone(self, batch: Batch, *, delay_s: float, now: float) -> None:
        """Let the items of a batch wait for `delay_s` seconds after a failure that none of them can have caused.

        `now` is in Unix seconds.
        """
        for sequence in batch.sequences:
            item = self._items.setdefault(sequence, _FailedItem(now))
            item.retry_at = max(item.retry_at, self._clock() + delay_s)

    def record_failure(
        self, batch: Batch, *, blame: bool, delay_s: float, now: float, max_delay_s: float = MAX_DELAY_S
    ) -> QueueBlocked | None:
        """Let the items of a batch wait for `delay_s` seconds, or for a back-off of their own if they are poison.

        With `blame` the failure counts against them. `now` is in Unix seconds, `max_delay_s` bounds the back-off.
        Return the event that the item blocks others, once, after it has failed alone too often.
        """
        for sequence in batch.sequences:
            item = self._items.setdefault(sequence, _FailedItem(now))
            item.failures += blame
            poison = item.failures >= _POISON_FAILURES
            if poison or len(batch.entries) > 1:
                item.limit = max(1, len(batch.entries) // 2)
            own_delay_s = min(max_delay_s, INITIAL_DELAY_S * 2 ** min(item.failures, _MAX_DOUBLINGS))
            item.retry_at = self._clock() + (own_delay_s if poison else delay_s)
        first = self._items[batch.sequences[0]]
        if len(batch.entries) > 1 or first.failures < _BLOCKING_FAILURES or first.reported:
            return None
        first.reported = True
        return QueueBlocked(
            str(batch.sequences[0]), batch.endpoint.path, batch.entries[0].keys[0], utc_text(first.first_failure_at)
        )

    def isolate(self, sequences: Iterable[int], now: float) -> None:
        """Send each of these items alone next time."""
        for sequence in sequences:
            self._items[sequence] = _FailedItem(now, limit=1)

    def cloud_answered(self) -> None:
        """Let the items that are not poison be sent at once: the cloud is back."""
        for item in self._items.values():
            if item.failures < _POISON_FAILURES:
                item.retry_at = 0.0

    def forget(self, sequences: Iterable[int]) -> None:
        """Forget items that have an outcome."""
        if self._items:
            for sequence in sequences:
                self._items.pop(sequence, None)

    def clear(self) -> None:
        """Forget all items."""
        self._items.clear()
