"""What the OpenAPI document says of every operation alike: its failures by status, and the headers of HTTP.

An operation refers to one response for each status. Their texts come from the tree of problems.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.api.problems import REPLAYED_HEADER, may_be_retried
from gateway.api.route import REQUEST_ID_HEADER
from gateway.errors import (
    CameraUnreachable,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    PeerTimeout,
    Problem,
    RateLimited,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
    list_problem_types,
)
from gateway.protocol.endpoint import Side

GENERAL_RULES: Final = (
    "Every failure is `application/problem+json` (RFC 9457). HEAD is possible wherever GET is, and OPTIONS at "
    "every path. Parameters that a call does not have are refused by name, in the query and in the body. "
    "A body is read as JSON whatever its `Content-Type` says."
)
DEFAULT_HEADERS: Final = ("Retry-After", "WWW-Authenticate", "Accept", "Allow")
"""The headers of failures whose status an operation does not list."""
_TEXT: Final = {"type": "string"}
HEADERS: Final[Mapping[str, Any]] = {
    REQUEST_ID_HEADER: {
        "description": "Names the request in the gateway's log.",
        "required": True,
        "schema": _TEXT,
    },
    "Location": {
        "description": "Where it is shown, and what became of it.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Preference-Applied": {
        "description": "The `wait=SECONDS` that was kept to; only where the call asked for one.",
        "schema": _TEXT,
    },
    "Allow": {"description": "The methods that are possible; only with 405.", "schema": _TEXT},
    "ETag": {
        "description": "Names the present state; `If-None-Match` with it returns 304 until there is news. A weak one "
        "leaves out ages and times of last use.",
        "schema": _TEXT,
    },
    "Retry-After": {
        "description": "In how many seconds to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    REPLAYED_HEADER: {
        "description": "`true` if the call is a repeat, by its key or as the same order: the response is what became "
        "of the first one.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": _TEXT},
    "Accept": {"description": "The media type that the call takes.", "schema": _TEXT},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of the state that the caller has: while that is the present one, the response is 304.",
    "schema": _TEXT,
}
_BODY: Final = (RequestTimeout, TooLarge, UnsupportedMediaType)
_VENDOR: Final = (RateLimited, CameraUnreachable, PeerTimeout)


def general_components() -> dict[str, Any]:
    """Return headers and responses to which operations refer."""
    by_status: dict[int, list[type[Problem]]] = {}
    for problem in list_problem_types():
        by_status.setdefault(problem.status, []).append(problem)
    return {
        "headers": dict(HEADERS),
        "responses": {
            f"Problem{status}": _describe_problems(status, problems) for status, problems in by_status.items()
        },
    }


def _describe_problems(status: int, problems: Iterable[type[Problem]]) -> dict[str, Any]:
    texts = [f"`{one.code}`: {' '.join((one.__doc__ or '').partition(chr(10) * 2)[0].split())}" for one in problems]
    names = {401: "WWW-Authenticate", 415: "Accept"}
    headers = [names[status]] if status in names else []
    if any(map(may_be_retried, problems)):
        headers.append("Retry-After")
    response: dict[str, Any] = {
        "description": "\n\n".join(texts),
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return response | {"headers": refer_to_headers(REQUEST_ID_HEADER, *headers)}


def describe_optional_headers(*names: str) -> dict[str, Any]:
    """Return descriptions of headers that only some responses have."""
    return {name: {**HEADERS[name], "required": False} for name in names}


def refer_to_headers(*names: str) -> dict[str, Any]:
    """Return references to headers that many responses have."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def add_general_responses(
    operation: dict[str, Any],
    *,
    needs_token: bool,
    reads_body: bool = False,
    has_path_parameters: bool = False,
    has_etag: bool = False,
    side: Side | None = None,
) -> None:
    """Add to an operation what follows from its kind; what it says itself of a status stays."""
    problems: list[type[Problem]] = [InvalidRequest, Overloaded]
    problems += (Unauthorized, Forbidden) if needs_token else ()
    problems += _BODY if reads_body else ()
    problems += [NotFound] if has_path_parameters or side == "camera" else ()
    problems += [*_VENDOR, Conflict] if side is not None else ()
    responses = operation["responses"]
    for status in sorted({one.status for one in problems}):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
    if has_etag:
        responses["200"].setdefault("headers", {}).update(refer_to_headers("ETag"))
        responses["304"] = {
            "description": "The state is still the one that `If-None-Match` names.",
            "headers": refer_to_headers(REQUEST_ID_HEADER, "ETag"),
        }
        operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
