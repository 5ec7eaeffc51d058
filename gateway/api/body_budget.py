"""The budget of bytes that request bodies may take in memory at the same time."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.errors import Overloaded
from gateway.runtime.failure_log import FailureLog

MAX_BYTES: Final = 16 * 1024 * 1024
"""All bodies together. What a body becomes when it is parsed takes several times its size."""
MAX_CALLER_BYTES: Final = MAX_BYTES // 2
"""The bodies of one token, and those from one address."""
MAX_STRANGER_BYTES: Final = MAX_BYTES // 8
"""The bodies from one address that come without a token."""
MAX_STRANGERS_BYTES: Final = MAX_BYTES // 4
"""All bodies that come without a token."""
RETRY_AFTER_S: Final = 1
"""When to send a body again that found no room, in seconds."""
_ALL: Final = "all request bodies"
_OF_CALLER: Final = "the request bodies of this token "

_log = logging.getLogger(__name__)


class BodyBudget:
    """Counts the bytes of the bodies that are being received or handled."""

    def __init__(self) -> None:
        self._used: Counter[str] = Counter()
        """Bytes, by whose they are."""
        self._taken: dict[int, Counter[str]] = {}
        """What each request has taken, by the request's id."""
        self._failure_log = FailureLog(_log, "a request body found no room in memory", level=logging.WARNING)

    def take(self, request: web.Request, size: int, *, is_stranger: bool) -> None:
        """Take room for `size` more bytes of a request, until it is released. Raises `Overloaded`."""
        limits = _limits(request, is_stranger=is_stranger)
        for owner, limit in limits.items():
            if self._used[owner] + size > limit:
                whose = _OF_CALLER.strip() if owner.startswith(_OF_CALLER) else owner
                self._failure_log.failed(f"{whose} may take {limit} bytes together, and the rest is answered 503")
                raise Overloaded(
                    message(
                        "{whose} take more memory than there is for them now; send it again after a moment", whose=whose
                    ),
                    retry_after_s=RETRY_AFTER_S,
                )
        taken = Counter(dict.fromkeys(limits, size))
        self._used += taken
        self._taken.setdefault(id(request), Counter()).update(taken)

    def give_back(self, request: web.Request) -> None:
        """Give back what a request has taken. It is called after every request, so it costs little."""
        if self._taken and (taken := self._taken.pop(id(request), None)) is not None:
            self._used -= taken
            if not self._taken:
                self._failure_log.recovered()


BODY_BUDGET: Final = web.AppKey("body_budget", BodyBudget)
BODY_OWNER: Final = web.RequestKey("body_owner", str)
"""Whose body it is, for a caller without a token: the name of a session of the console."""


def _limits(request: web.Request, *, is_stranger: bool) -> Mapping[str, int]:
    """Return how many bytes those may take to whom a request belongs, the narrowest first."""
    address = f"the request bodies from {request.remote or 'this machine'}"
    if is_stranger:
        return {
            f"{address} without a token": MAX_STRANGER_BYTES,
            "all request bodies without a token": MAX_STRANGERS_BYTES,
            _ALL: MAX_BYTES,
        }
    token = request.headers.get("Authorization") or request.get(BODY_OWNER, "")
    return {f"{_OF_CALLER}{token}": MAX_CALLER_BYTES, address: MAX_CALLER_BYTES, _ALL: MAX_BYTES}
