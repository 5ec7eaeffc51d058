"""How a simulated camera or cloud checks the public parameters of a call."""

import re
from collections.abc import Mapping
from typing import Final, Literal

from gateway.protocol.signing import sign

PublicParameter = Literal["timestamp", "random", "sign"]

WINDOW_S: Final = 300
"""How far a timestamp may be off, in seconds; no document says, so this is the notes' suggestion (section 4)."""

_TIMESTAMP = re.compile(r"[0-9]{10}")
_RANDOM = re.compile(r"[0-9A-Za-z]{6,10}")


class SignatureVerifier:
    """Checks signatures, and remembers for the window which calls it has seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], float] = {}

    def flaw(self, fields: Mapping[str, str], *, key: str | None, now: float) -> PublicParameter | None:
        """Return what is wrong with the public parameters: `random` also stands for a call that came before.

        `key` is None for an app_id that is not known: then the signature cannot be right. `now` is the server's time.
        """
        timestamp, random = fields.get("timestamp", ""), fields.get("random", "")
        if not _TIMESTAMP.fullmatch(timestamp):
            return "timestamp"
        if not _RANDOM.fullmatch(random):
            return "random"
        if key is None or fields.get("sign") != sign(fields, key):
            return "sign"
        if abs(int(timestamp) - now) > WINDOW_S:
            return "timestamp"
        self._forget(now)
        call = (fields.get("app_id", ""), random, timestamp)
        if call in self._seen:
            return "random"
        self._seen[call] = now
        return None

    def _forget(self, now: float) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > now - 2 * WINDOW_S:
                return
            del self._seen[oldest]
