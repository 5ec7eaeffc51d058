"""Exponential back-off with jitter."""

import random
from collections.abc import Callable


class BackOff:
    """Delays between failing attempts. Each is up to twice as long as the one before.

    A delay is drawn from the upper half of its range. Many gateways that lost the cloud at the same moment therefore
    return one after the other.
    """

    def __init__(self, initial_s: float, max_s: float, draw: Callable[[], float] = random.random) -> None:
        """Set the range in seconds; `draw` returns a random number from 0 to 1."""
        self.ceiling_s = initial_s
        """The longest that the next delay can be, in seconds."""
        self._initial_s = initial_s
        self._max_s = max_s
        self._draw = draw

    def next_delay_s(self) -> float:
        """Return the next delay in seconds and double the range of the one after it."""
        delay_s = self.ceiling_s * (0.5 + self._draw() / 2)
        self.ceiling_s = min(self._max_s, 2 * self.ceiling_s)
        return delay_s

    def reset(self) -> None:
        """Start again with the shortest delay."""
        self.ceiling_s = self._initial_s
