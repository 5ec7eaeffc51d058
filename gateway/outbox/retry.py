"""Items whose last call brought no clear answer: when they may go again, and in how much company."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.outbox import Batch
from gateway.outbox.relay_events import QueueBlocked

ANY: Final = 1_000_000
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0

_POISON: Final = 2
"""After how many failures, while the cloud was there for others, an item has to wait by itself."""
_BLOCKED: Final = 3
"""After how many of them, the last one all alone, it is told to block what is behind it."""


@dataclass(slots=True)
class _Doubt:
    """An item in doubt; it waits until `again_at` (monotonic seconds).

    It goes in calls of at most `most` items next time, so that one that the cloud chokes on ends up alone. `blamed`
    counts its failures while the cloud was there for others; the first of all failures was `since` (Unix seconds).
    """

    since: float
    most: int = ANY
    blamed: int = 0
    again_at: float = 0.0
    told: bool = False


class Doubts:
    """All items in doubt, by number."""

    def __init__(self) -> None:
        self._by_item: dict[int, _Doubt] = {}

    def company(self, sequence: int) -> int:
        """Return in a call of how many items one may go now: 0 if it has to wait."""
        doubt = self._by_item.get(sequence)
        if doubt is None:
            return ANY
        return 0 if doubt.again_at > time.monotonic() else doubt.most

    def next_in_s(self) -> float | None:
        """Return in how many seconds the next of those that have to wait may go, None if there is none."""
        now = time.monotonic()
        return min((doubt.again_at - now for doubt in self._by_item.values() if doubt.again_at > now), default=None)

    def poisoned(self, batch: Batch) -> bool:
        """Tell whether a batch is one item that is to blame itself for its failures."""
        doubt = self._by_item.get(batch.sequences[0])
        return len(batch.parcels) == 1 and doubt is not None and doubt.blamed >= _POISON

    def failed(self, batch: Batch, *, blame: bool, pause_s: float, since: float) -> QueueBlocked | None:
        """Let the items of a batch wait for `pause_s`, or longer where `blame`, once more, makes them poison.

        Return the news that it blocks others, once, where it has failed alone too often.
        """
        now = time.monotonic()
        for sequence in batch.sequences:
            doubt = self._by_item.setdefault(sequence, _Doubt(since))
            doubt.blamed += blame
            poison = doubt.blamed >= _POISON
            if poison or len(batch.parcels) > 1:
                doubt.most = max(1, len(batch.parcels) // 2)
            own_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**doubt.blamed) if poison else pause_s
            doubt.again_at = now + own_s
        first = self._by_item[batch.sequences[0]]
        if len(batch.parcels) > 1 or first.blamed < _BLOCKED or first.told:
            return None
        first.told = True
        return QueueBlocked(str(batch.sequences[0]), batch.endpoint.path, batch.parcels[0].keys[0], first.since)

    def part(self, sequences: Iterable[int], since: float) -> None:
        """Let items that went as one go by themselves next time."""
        for sequence in sequences:
            self._by_item[sequence] = _Doubt(since, most=1)

    def answered(self) -> None:
        """Let those that nothing is wrong with go at once: the cloud is there again."""
        for doubt in self._by_item.values():
            if doubt.blamed < _POISON:
                doubt.again_at = 0.0

    def settled(self, sequences: Iterable[int]) -> None:
        """Forget items."""
        if self._by_item:
            for sequence in sequences:
                self._by_item.pop(sequence, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._by_item.clear()
