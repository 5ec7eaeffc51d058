"""The clock of one camera: by which of the known clocks its calls are signed.

A camera checks the time of a call by its own clock. Its `Date` header tells that clock, but not always: some label
their local time as GMT, some send none, some have no clock at all. So the clock is kept by which a call was accepted
last, and another one is tried only when the camera refuses the time.

A signature holds for any camera of the account, but only around its time. So nobody may have calls signed for a far
day to come by sending its `Date`.
"""

import math
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway import RELEASED_AT
from gateway.cameras.record import ClockSource
from gateway.runtime.clock import PeerClock

MAX_AHEAD_S: Final = 26 * 3600.0
"""By how much a signature's time may be ahead of the best known time, in seconds: any time zone labelled as GMT."""

_MIN_DIFFERENCE_S: Final = 2.0
"""Clocks that differ by less are one: cameras accept a greater difference."""
_FIRST_TEN_DIGITS: Final = 10**9
_FIRST_ELEVEN_DIGITS: Final = 10**10
_ORDER: Final[dict[ClockSource, tuple[ClockSource, ...]]] = {
    "": ("camera", "cloud", "own"),
    "camera": ("camera", "cloud", "own"),
    "cloud": ("cloud", "own", "camera"),
    "own": ("own", "cloud", "camera"),
}
"""In which order the clocks are tried, by the one that was accepted last."""


class ClockReading(NamedTuple):
    """What one clock says, as the difference to the monotonic clock."""

    source: ClockSource
    """Whose clock it is."""
    ahead_of_monotonic_s: float
    """By how many seconds it is ahead of the monotonic clock."""

    @property
    def timestamp(self) -> int:
        """The present time in whole seconds of the Unix epoch. It has ten digits, as the vendor demands."""
        return int(time.monotonic() + self.ahead_of_monotonic_s)


class CameraClock:
    """Chooses the time that a camera's calls are signed with."""

    def __init__(self, cloud: PeerClock, accepted: ClockSource = "") -> None:
        """Take the cloud's clock, and the source of the clock that was accepted last."""
        self.accepted: ClockSource = accepted
        """The clock by which a call was accepted last; empty if there was none."""
        self._cloud = cloud
        self._camera = PeerClock()
        self._date: str | None = None

    @property
    def offset_s(self) -> float | None:
        """By how many seconds the camera's `Date` is ahead of this machine's clock; None if it has sent none."""
        return self._camera.offset_s

    def learn(self, date: str | None) -> None:
        """Take the `Date` header of a response. The header of an earlier response that comes again says nothing."""
        if date is not None and date != self._date:
            self._date = date
            self._camera.learn(date)

    def choose(self, tried: Sequence[ClockReading] = ()) -> ClockReading | None:
        """Return the clock to sign with: the first that differs from all that were `tried`, or None."""
        for reading in self._readings():
            if all(
                abs(reading.ahead_of_monotonic_s - other.ahead_of_monotonic_s) >= _MIN_DIFFERENCE_S for other in tried
            ):
                return reading
        return None

    def _readings(self) -> list[ClockReading]:
        times: dict[ClockSource, float] = {"own": time.time()}
        if self._cloud.known:
            times["cloud"] = self._cloud.now()
        if self._camera.known:
            times["camera"] = self._camera.now()
        end = min(self._best_known_time(times["own"]) + MAX_AHEAD_S, _FIRST_ELEVEN_DIGITS)
        usable = [
            ClockReading(source, times[source] - time.monotonic())
            for source in _ORDER[self.accepted]
            if source in times and _FIRST_TEN_DIGITS <= times[source] < end
        ]
        return usable or [ClockReading("own", RELEASED_AT - time.monotonic())]

    def _best_known_time(self, own: float) -> float:
        """Return the cloud's time, or else this machine's. It is infinite if this machine has lost its clock."""
        if self._cloud.known:
            return self._cloud.now()
        return own if own >= RELEASED_AT else math.inf
