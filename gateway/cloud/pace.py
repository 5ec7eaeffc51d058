"""A bounded rate: so many calls in each second, and more of them at once after a pause."""

import time


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
