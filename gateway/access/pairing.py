"""Pairing codes: what a person types, or scans, to open a session at the console. They are kept in memory alone."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest, RateLimited
from gateway.runtime.token_bucket import TokenBucket

VALID_S: Final = 600.0
"""How long a code is good, in seconds."""
CODE_LENGTH: Final = 8
_HALF_LENGTH: Final = CODE_LENGTH // 2
_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without those that look like another one: 0 and O, 1, I and L."""
_MAX_CODES: Final = 20
_TRIES_PER_MINUTE: Final = 5
_MAX_ADDRESSES: Final = 1024
"""How many addresses' tries are remembered."""


S = TypeVar("S", bound=str)
"""The scopes that sessions have."""


@dataclass(frozen=True, slots=True)
class PairingCode(Generic[S]):
    """A code that is good once."""

    code: str
    """What a person types."""
    name: str
    """The name of the session that it opens."""
    scopes: Sequence[S]
    """What the session may do."""
    expires_at: float
    """Until when it is good, in monotonic seconds."""

    @property
    def readable(self) -> str:
        """The code in two halves, which people read more easily."""
        return f"{self.code[:_HALF_LENGTH]}-{self.code[_HALF_LENGTH:]}"


class PairingCodes(Generic[S]):
    """Makes codes, and exchanges each of them once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without codes; `clock` returns monotonic seconds."""
        self._clock = clock
        self._codes: dict[str, PairingCode[S]] = {}
        """By code, the oldest first."""
        self._tries: dict[str, TokenBucket] = {}
        """By address, the one that was used longest ago first."""

    def create(self, name: str, scopes: Sequence[S], *, valid_s: float = VALID_S) -> PairingCode[S]:
        """Return a new code. With too many of them, the oldest is no longer good."""
        self._forget_expired()
        while len(self._codes) >= _MAX_CODES:
            del self._codes[next(iter(self._codes))]
        code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))
        made = self._codes[code] = PairingCode(code, name, tuple(scopes), self._clock() + valid_s)
        return made

    def offer(self, code: str, name: str, scopes: Sequence[S]) -> None:
        """Let a code that a person has chosen be good, once: capital letters and digits alone."""
        self._codes[code] = PairingCode(code, name, tuple(scopes), self._clock() + VALID_S)

    def exchange(self, typed: str, address: str) -> PairingCode[S]:
        """Return the code that a person at an address typed, which is good no longer.

        Blanks, hyphens and case do not matter. Raises `RateLimited` after too many tries from the address, and
        `InvalidRequest`.
        """
        self._count_try(address)
        self._forget_expired()
        code = "".join(typed.split()).replace("-", "").upper()
        # A plain lookup: its time tells nothing that five tries a minute could use.
        known = self._codes.pop(code, None)
        if known is None:
            reason = message("this code is not known, was used, or has expired: check it, or make a new one")
            raise InvalidRequest([FieldError("code", reason)])
        del self._tries[address]
        return known

    def remaining_s(self, code: PairingCode[S]) -> float:
        """Return for how many seconds a code is still good; 0 if it was used, replaced or withdrawn."""
        return max(0.0, code.expires_at - self._clock()) if code.code in self._codes else 0.0

    def withdraw(self, code: PairingCode[S]) -> None:
        """Let a code be good no longer."""
        self._codes.pop(code.code, None)

    def _count_try(self, address: str) -> None:
        bucket = self._tries.pop(address, None) or TokenBucket(_TRIES_PER_MINUTE / 60, _TRIES_PER_MINUTE, self._clock)
        self._tries[address] = bucket
        if len(self._tries) > _MAX_ADDRESSES:
            del self._tries[next(iter(self._tries))]
        if delay_s := bucket.delay_s():
            raise RateLimited(
                message("too many codes were tried from this device; wait, then type the code again"),
                retry_after_s=int(delay_s) + 1,
            )
        bucket.take()

    def _forget_expired(self) -> None:
        now = self._clock()
        self._codes = {code: one for code, one in self._codes.items() if one.expires_at > now}
