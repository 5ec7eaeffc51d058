"""Whether the gateway serves its callers: a new version does not before it has proved itself."""

from typing import Final

from gateway.errors import NotServingYet

RETRY_AFTER_S: Final = 5
"""When callers are to try again, in seconds."""


class Readiness:
    """Serves unless it is held."""

    def __init__(self) -> None:
        self._reason = ""

    @property
    def is_held(self) -> bool:
        """Whether callers are refused."""
        return bool(self._reason)

    def hold(self, reason: str) -> None:
        """Refuse callers from now on, for a reason that they are told."""
        self._reason = reason

    def release(self) -> None:
        """Serve from now on."""
        self._reason = ""

    def check(self) -> None:
        """Raise `NotServingYet` if callers are refused."""
        if self._reason:
            raise NotServingYet(self._reason, retry_after_s=RETRY_AFTER_S)
