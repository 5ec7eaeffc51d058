"""How sending to the head office fails."""

from typing import Literal

from gateway.errors import GatewayError

Refusal = Literal["too_large", "subject_refused"]
"""Why the servers take a message neither now nor later."""


class HeadOfficeUnavailable(GatewayError):
    """The head office cannot be reached, or takes nothing now. The text says why."""


class StreamUnavailable(HeadOfficeUnavailable):
    """A stream does not respond, or refuses, though the server does: a new connection would not change that."""


class NoRoom(StreamUnavailable):
    """The servers have no room for this message now, and take others."""


class MessageRefused(Exception):
    """The servers do not take this one message, neither now nor later."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason
        """Why."""
