"""Waiting for the outcomes of items, so that a caller gets the outcomes of its own."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from gateway.outbox.model import Outcome


class Waiter:
    """Waits until items have their last outcome."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        """The outcomes that are known, by item."""
        self._missing: set[int] = set()
        self._ended = asyncio.Event()

    def expect(self, sequences: Iterable[int]) -> None:
        """Wait for these items, too."""
        self._missing.update(sequences)

    def resolve(self, sequence: int, outcome: Outcome) -> None:
        """Take the last outcome of an item."""
        self.outcomes[sequence] = outcome
        self._missing.discard(sequence)
        if not self._missing:
            self._ended.set()

    def give_up(self) -> None:
        """End the wait: what is missing will not be known soon."""
        self._ended.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until all outcomes are known, for at most `timeout_s` seconds. Return whether they are."""
        if self._missing:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ended.wait()
            except TimeoutError:
                return False
        return not self._missing


class Waiters:
    """All waiters, by the items they wait for."""

    def __init__(self) -> None:
        self._by_item: dict[int, list[Waiter]] = defaultdict(list)

    def add(self, waiter: Waiter, sequences: Iterable[int]) -> None:
        """Let a waiter wait for items."""
        numbers = list(sequences)
        waiter.expect(numbers)
        for sequence in numbers:
            self._by_item[sequence].append(waiter)

    def remove(self, waiter: Waiter, sequences: Iterable[int]) -> None:
        """Forget a waiter."""
        for sequence in sequences:
            waiters = self._by_item.get(sequence, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._by_item.pop(sequence, None)

    def resolve(self, sequences: Iterable[int], outcome: Outcome) -> None:
        """Hand the last outcome of items to whoever waits for them."""
        if self._by_item:
            for sequence in sequences:
                for waiter in self._by_item.pop(sequence, ()):
                    waiter.resolve(sequence, outcome)

    def give_up(self) -> None:
        """End the wait of everybody."""
        for waiters in self._by_item.values():
            for waiter in waiters:
                waiter.give_up()
