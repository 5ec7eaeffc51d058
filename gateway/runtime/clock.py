"""The time of a peer, learned from its `Date` header and kept on the monotonic clock.

A Raspberry Pi has no clock of its own, and the system's may jump: what was learned from a peer is held as the
difference between its time and the monotonic clock, which no jump moves.
"""

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime


class PeerClock:
    """What one peer says the time is; until it has said so, the system's time."""

    def __init__(self, system_clock: Callable[[], float] = time.time) -> None:
        """Take the system's clock, in seconds of the Unix epoch."""
        self._system_clock = system_clock
        self._ahead_of_monotonic_s: float | None = None
        self.on_set: Callable[[], None] = lambda: None
        """Called when this peer has told the time, or another one than before."""

    @property
    def known(self) -> bool:
        """Whether this peer has told the time."""
        return self._ahead_of_monotonic_s is not None

    def now(self) -> float:
        """Return the peer's time, in seconds of the Unix epoch."""
        if self._ahead_of_monotonic_s is not None:
            return time.monotonic() + self._ahead_of_monotonic_s
        return self._system_clock()

    @property
    def offset_s(self) -> float | None:
        """How many seconds the peer is ahead of the system's clock now, or None when it has not told the time."""
        return self.now() - self._system_clock() if self.known else None

    def learn(self, date: str) -> float:
        """Take the peer's `Date` header; return by how many seconds this moved the time. A malformed one moves nothing.

        A date without a zone is in UTC. The header has whole seconds, so a difference below two seconds is left alone:
        signatures do not care.
        """
        try:
            told = parsedate_to_datetime(date)
            told_s = (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return 0.0
        moved = told_s + 0.5 - self.now()
        if self.known and abs(moved) < 2:
            return 0.0
        self.set(told_s + 0.5)
        return moved

    def set(self, unix_s: float) -> None:
        """Take `unix_s` as the peer's present time."""
        self._ahead_of_monotonic_s = unix_s - time.monotonic()
        self.on_set()
