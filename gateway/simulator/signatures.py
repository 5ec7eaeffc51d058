"""How a simulated camera or cloud verifies the public parameters of a call."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.protocol.signing import sign

PublicParameter = Literal["timestamp", "random", "sign"]
"""A public parameter that may be refused; `app_id` is looked up by whoever verifies."""

MAX_CLOCK_DIFFERENCE_S: Final = 300
"""How far a timestamp may be off; an assumption, as no document states it."""

_TIMESTAMP: Final = re.compile(r"[0-9]{10}")
_RANDOM: Final = re.compile(r"[0-9A-Za-z]{6,10}")


class SignatureVerifier:
    """Verifies signatures, and refuses a call that it has seen before."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], float] = {}
        """When each call was seen, by app_id, random and timestamp; the oldest first."""

    def find_invalid(self, fields: Mapping[str, str], *, key: str | None, now: float) -> PublicParameter | None:
        """Return the public parameter that is invalid, or None. A repeated call has an invalid `random`.

        `key` is None for an unknown app_id: no signature is valid then. `now` is the server's time in Unix seconds.
        """
        timestamp, random = fields.get("timestamp", ""), fields.get("random", "")
        if not _TIMESTAMP.fullmatch(timestamp):
            return "timestamp"
        if not _RANDOM.fullmatch(random):
            return "random"
        if key is None or fields.get("sign") != sign(fields, key):
            return "sign"
        if abs(int(timestamp) - now) > MAX_CLOCK_DIFFERENCE_S:
            return "timestamp"
        self._forget_old_calls(now)
        call = (fields.get("app_id", ""), random, timestamp)
        if call in self._seen:
            return "random"
        self._seen[call] = now
        return None

    def _forget_old_calls(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > now - 2 * MAX_CLOCK_DIFFERENCE_S:
                return
            del self._seen[oldest]
