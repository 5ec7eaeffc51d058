"""What the OpenAPI document says of calls that may wait in the outbox: their headers, and their responses."""

from collections.abc import Mapping
from typing import Final

from gateway.api.idempotency import MAX_KEY_LENGTH
from gateway.api.outbox import DEFAULT_WAIT_S, MAX_WAIT_S
from gateway.api.problems import REPLAYED_HEADER
from gateway.api.route import DeclaredResponse
from gateway.errors import Conflict, OutboxFull, PeerTimeout, Problem, VendorRefused

REQUEST_HEADERS: Final = (
    {
        "name": "Prefer",
        "in": "header",
        "description": f"`wait=SECONDS` (RFC 7240): how long to wait for the cloud before the response is 202, at most "
        f"{MAX_WAIT_S:g}; {DEFAULT_WAIT_S:g} if not given. Nobody waits while the cloud is known to be away.",
        "schema": {"type": "string"},
        "example": "wait=10",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes a repeat return what became of the first call with this key, whatever happened between; "
        f"`{REPLAYED_HEADER}` says so. Keys of one token are apart from those of others.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH},
    },
)
"""The parameters of the OpenAPI document."""

_HEADERS: Final = (REPLAYED_HEADER, "Preference-Applied")
_PROBLEMS: Final[Mapping[type[Problem], DeclaredResponse]] = {
    Conflict: DeclaredResponse(
        "The Idempotency-Key was used for another call before, or the cloud's credentials are not set.",
        "Problem",
        optional_headers=("Location",),
    ),
    PeerTimeout: DeclaredResponse(
        "It was not sent: it waited for so long that it has no worth any more, or a person dropped it.",
        "Problem",
        headers=("Location", REPLAYED_HEADER),
    ),
    OutboxFull: DeclaredResponse(
        "There is no room left to keep it; nothing of it was accepted.", "Problem", headers=("Retry-After",)
    ),
}


def declare_queueing(responses: Mapping[int, DeclaredResponse]) -> dict[int, DeclaredResponse]:
    """Return the responses of a queued call, from those of one that goes to the cloud at once."""
    return {
        200: responses[200]._replace(headers=_HEADERS),
        202: DeclaredResponse(
            "It is kept and will be sent. The cloud has not responded yet.",
            "AcceptedCall",
            headers=("Location", *_HEADERS),
        ),
        VendorRefused.status: responses[VendorRefused.status]._replace(headers=("Location", REPLAYED_HEADER)),
        **{problem.status: declared for problem, declared in _PROBLEMS.items()},
    }
