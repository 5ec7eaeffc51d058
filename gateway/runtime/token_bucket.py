"""A token bucket: limits the rate of calls and allows short bursts."""

import time
from collections.abc import Callable


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate_per_s` tokens each second. A call takes one token."""

    def __init__(self, rate_per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with a full bucket; `clock` returns monotonic seconds."""
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled_at = clock()

    def delay_s(self) -> float:
        """Return the seconds until a token is available; 0 if one is now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate_per_s)
        self._filled_at = now
        return max(0.0, (1 - self._tokens) / self._rate_per_s)

    def take(self, tokens: float = 1) -> None:
        """Take tokens, also if there are none: the calls after it then wait longer."""
        self._tokens -= tokens
