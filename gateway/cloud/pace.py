"""When the next call may be made: a bounded rate, and growing pauses while the cloud is away."""

import random
import time
from collections.abc import Callable


class Pace:
    """Counts calls: `at_once` may follow each other after a pause, from then on `per_s` in each second."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._left = at_once
        self._since = time.monotonic()

    def wait_s(self) -> float:
        """Return in how many seconds the next call may be made."""
        now = time.monotonic()
        self._left = min(self._at_once, self._left + (now - self._since) * self._per_s)
        self._since = now
        return max(0.0, (1 - self._left) / self._per_s)

    def count(self) -> None:
        """Count a call."""
        self._left -= 1


class BackOff:
    """Pauses between attempts that fail, each up to twice as long as the one before, from `first_s` to `longest_s`.

    A pause is between half and all of that, by `dice` (0 to 1): many gateways that lost the cloud together come back
    one after the other.
    """

    def __init__(self, first_s: float, longest_s: float, dice: Callable[[], float] = random.random) -> None:
        self.whole_s = first_s
        """How long the next pause is at most."""
        self._first_s = first_s
        self._longest_s = longest_s
        self._dice = dice

    def next_s(self) -> float:
        """Return the next pause in seconds; the one behind it is longer."""
        pause_s = self.whole_s * (0.5 + self._dice() / 2)
        self.whole_s = min(self._longest_s, 2 * self.whole_s)
        return pause_s

    def reset(self) -> None:
        """Begin with the shortest again: the cloud is back."""
        self.whole_s = self._first_s
