"""How a head office tells failures."""

from functools import partial
from typing import Final

from firmware_tools.language import message
from gateway.api.problems import FailureMapping
from gateway.errors import Conflict, InternalError, Overloaded, StateError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.bucket import DamagedEntry

_SERVERS_RETRY_AFTER_S: Final = 5
"""When to try again while the servers do not answer, in seconds."""
_STATE_RETRY_AFTER_S: Final = 30
"""When to try again while the head office cannot use its files, in seconds."""


class ChainUnreachable(Overloaded):
    """The servers of the chain do not answer now."""

    title = message("The servers of the chain do not answer")
    advice = message("See that the servers run, and that the head office reaches them. Then send the request again.")


class ChainDocumentDamaged(Conflict):
    """What the servers of the chain hold cannot be read."""

    title = message("A document of the chain is damaged")
    advice = message("Do what `detail` says, and send the request again.")


class OfficeUnable(Overloaded):
    """The head office cannot read or write its own files now."""

    title = message("The head office cannot do this now")
    advice = message("Do what `detail` says, and send the request again.")


class OfficeFailed(InternalError):
    """The head office failed in a way that nobody foresaw."""

    title = message("The head office failed")


OFFICE_FAILURES: Final = FailureMapping(
    {
        HeadOfficeUnavailable: partial(ChainUnreachable, retry_after_s=_SERVERS_RETRY_AFTER_S),
        DamagedEntry: ChainDocumentDamaged,
        StateError: partial(OfficeUnable, retry_after_s=_STATE_RETRY_AFTER_S),
    },
    partial(OfficeFailed, message("the head office failed unexpectedly; its log holds the details")),
)
