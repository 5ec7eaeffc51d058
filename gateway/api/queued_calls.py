"""What the OpenAPI document says of calls that may wait in the outbox: their headers, and their responses."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.api.general_responses import refer_to_headers
from gateway.api.outbox import DEFAULT_WAIT_S, MAX_KEY_LENGTH, MAX_WAIT_S
from gateway.api.problems import REPLAYED_HEADER
from gateway.errors import Conflict, OutboxFull, PeerTimeout, Problem
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.reference import describe_relay_policy

_REQUEST_HEADERS: Final = (
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
_APPLIED: Final = {
    "Preference-Applied": {
        "description": "The `wait=SECONDS` that was kept to; only where the call asked for one.",
        "schema": {"type": "string"},
    }
}
_LOCATION: Final = {
    "Location": {
        "description": "Where to ask what became of it: its place in the outbox.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    }
}
_ACCEPTED: Final = {
    "type": "object",
    "required": ["outbox_id", "state"],
    "properties": {
        "outbox_id": {"type": "string", "description": "Its name in the outbox; that of several items begins with s."},
        "state": {
            "type": "string",
            "enum": ["waiting", "sending", "superseded"],
            "description": "superseded: a newer call has taken its place already.",
        },
    },
}
_PROBLEMS: Final[Mapping[type[Problem], str]] = {
    Conflict: "The Idempotency-Key was used for another call before, or the cloud's credentials are not set.",
    PeerTimeout: "It was not sent: it waited for so long that it has no worth any more, or a person dropped it.",
    OutboxFull: "There is no room left to keep it; nothing of it was accepted.",
}


def add_queueing(operation: dict[str, Any], endpoint: Endpoint) -> None:
    """Add to the operation of an endpoint what comes from its relay policy, if it has one."""
    if endpoint.relay is None:
        return
    operation["description"] += "\n\n" + " ".join(describe_relay_policy(endpoint.relay))
    operation["parameters"] = list(_REQUEST_HEADERS)
    responses = operation["responses"]
    replayed = refer_to_headers(REPLAYED_HEADER)
    responses["200"]["headers"] = _APPLIED | replayed
    responses["202"] = {
        "description": "It is kept and will be sent. The cloud has not responded yet.",
        "headers": _LOCATION | _APPLIED | replayed,
        "content": {"application/json": {"schema": _ACCEPTED}},
    }
    for problem, text in _PROBLEMS.items():
        responses[str(problem.status)] = {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    for status in ("422", str(PeerTimeout.status)):
        responses[status]["headers"] = _LOCATION | replayed
    responses[str(OutboxFull.status)]["headers"] = refer_to_headers("Retry-After")
