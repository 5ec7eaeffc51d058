"""Watching items until they are done, so that a till can be answered with what became of its own."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from gateway.outbox.batching import Fate


class Watch:
    """Waits for items to be done; `fates` holds those that are."""

    def __init__(self) -> None:
        self.fates: dict[int, Fate] = {}
        self._open: set[int] = set()
        self._done = asyncio.Event()

    def expect(self, sequences: Iterable[int]) -> None:
        """Wait for these too."""
        self._open.update(sequences)

    def tell(self, sequence: int, fate: Fate) -> None:
        """Take note of a last fate."""
        self.fates[sequence] = fate
        self._open.discard(sequence)
        if not self._open:
            self._done.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until all are done, for at most that long; return whether they are."""
        if self._open:
            try:
                async with asyncio.timeout(seconds):
                    await self._done.wait()
            except TimeoutError:
                return False
        return True


class Watches:
    """All watches by the items they wait for."""

    def __init__(self) -> None:
        self._by_item: dict[int, list[Watch]] = defaultdict(list)

    def add(self, watch: Watch, sequences: Iterable[int]) -> None:
        """Tell the watch of these items when they are done."""
        numbers = list(sequences)
        watch.expect(numbers)
        for sequence in numbers:
            self._by_item[sequence].append(watch)

    def remove(self, watch: Watch, sequences: Iterable[int]) -> None:
        """Forget a watch."""
        for sequence in sequences:
            watches = self._by_item.get(sequence, [])
            if watch in watches:
                watches.remove(watch)
            if not watches:
                self._by_item.pop(sequence, None)

    def tell(self, sequences: Iterable[int], fate: Fate) -> None:
        """Pass on the last fate of items."""
        if self._by_item:
            for sequence in sequences:
                for watch in self._by_item.pop(sequence, ()):
                    watch.tell(sequence, fate)
