"""Failures of the REST API as `application/problem+json` (RFC 9457)."""

import errno
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import describe_error, message
from gateway.api.response_language import RESPONSE_LANGUAGE, describe_language
from gateway.errors import (
    CloudUnreachable,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    Problem,
    RateLimited,
    StateError,
    StorageFailed,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from gateway.protocol import json_text
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.logs.request import REQUEST_ID

PROBLEMS_PAGE: Final = "/docs/problems"
"""The page that says what each code means and what to do.

A problem's `type` is a reference to a section of it, with the whole path and without a host (RFC 9457, section 3.1.1).
So it is the same for every caller, whichever of its names the gateway is called by, and in every shop.
"""
_STORAGE_RETRY_AFTER_S: Final = 30
"""When to try again after a failure of the database, in seconds: a restart or a freed disk takes about that long."""
_CLOUD_RETRY_AFTER_S: Final = 10
"""When to try again while the cloud is away, in seconds, if it does not say."""
_DISK_FAILURES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""What the system says of a disk that takes no more, or that fails."""
REPLAYED_HEADER: Final = "Idempotent-Replayed"
"""The header that says that a call was a repeat, and that the response is what became of the first one."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailureMapping:
    """Which problems a site tells its failures as."""

    known: Mapping[type[Exception], Callable[[str], Problem]]
    """What makes a problem of the text of a failure, by its class; the first class that fits counts."""
    unforeseen: Callable[[], Problem]
    """What makes the problem that any other failure is told as."""

    def find(self, failure: Exception, request: web.Request) -> Problem:
        """Return the problem that a failed request is told as. A failure that nobody foresaw is logged."""
        if isinstance(failure, Problem):
            return failure
        for kind, make in self.known.items():
            if isinstance(failure, kind):
                return make(describe_error(failure))
        _log.error("%s %s failed", request.method, request.path, exc_info=failure)
        return self.unforeseen()


GATEWAY_FAILURES: Final = FailureMapping(
    {StateError: partial(StorageFailed, retry_after_s=_STORAGE_RETRY_AFTER_S)},
    partial(InternalError, message("the gateway failed unexpectedly; its log holds the details")),
)
"""How a gateway tells failures."""


def log_state_failure(failure: Exception, failures: FailureLog) -> Exception:
    """Log a failure if it is a `StateError`, and return it; as one if the system says it of a full or failing disk."""
    if isinstance(failure, OSError) and failure.errno in _DISK_FAILURES:
        failure = StateError(message("nothing can be written to the disk: {reason}", reason=describe_error(failure)))
    if isinstance(failure, StateError):
        failures.failed(failure, failure)
    return failure


def _problem_document(problem: Problem) -> dict[str, Any]:
    """Return the document that describes a problem."""
    queued = {} if problem.outbox_id is None else {"outbox_id": problem.outbox_id}
    document = _make_document(problem.code, problem.title, problem.status, problem.detail)
    return {**document, **queued, **problem.members}


def problem_response(
    request: web.Request, failure: Exception, mapping: FailureMapping = GATEWAY_FAILURES
) -> web.Response:
    """Return the response to a request that failed. An unexpected failure is logged; the response tells no details.

    The caller logs a `StateError`. Raises an HTTPException that is no failure, such as a redirect, again.
    """
    if isinstance(failure, web.HTTPException):
        if failure.status < 400:
            raise failure
        return _make_response(
            failure.status, _http_error_document(failure, request), {"Allow": failure.headers.get("Allow", "")}
        )
    problem = mapping.find(failure, request)
    return _make_response(problem.status, _problem_document(problem), problem_headers(problem))


def _http_error_document(exc: web.HTTPException, request: web.Request) -> dict[str, Any]:
    """Describe a failure that aiohttp found: an unknown path or method, a body that is too large."""
    codes = {known.status: known.code for known in (NotFound, MethodNotAllowed, TooLarge)}
    details = {
        404: message("there is nothing at {path}; /docs lists what there is", path=request.path),
        405: message(
            "{method} is not possible at {path}; /docs lists what is", method=request.method, path=request.path
        ),
        413: message("the body is larger than any call may be"),
    }
    code = codes.get(exc.status, InvalidRequest.code)
    return _make_document(code, HTTPStatus(exc.status).phrase, exc.status, details.get(exc.status, exc.reason))


def _make_document(code: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {
        "type": f"{PROBLEMS_PAGE}#{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }


def may_be_retried(problem: type[Problem]) -> bool:
    """Tell whether responses to a kind of problem say when to try again."""
    return problem.retry_after_s is not None or issubclass(problem, CloudUnreachable | Overloaded | RateLimited)


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers of the response that reports a problem."""
    headers: dict[str, str] = {}
    if problem.outbox_id is not None:
        headers["Location"] = f"/api/v1/outbox/{problem.outbox_id}"
    if problem.is_repeat:
        headers[REPLAYED_HEADER] = "true"
    retry_after_s = problem.retry_after_s
    if retry_after_s is None and isinstance(problem, CloudUnreachable):
        retry_after_s = _CLOUD_RETRY_AFTER_S
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(problem, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(problem, UnsupportedMediaType):
        headers["Accept"] = "application/json"
    return headers


def _make_response(status: int, document: dict[str, Any], headers: dict[str, str]) -> web.Response:
    headers = {name: value for name, value in (headers | describe_language()).items() if value}
    if request_id := REQUEST_ID.get():
        document["request_id"] = request_id
    try:
        body = json_text.dumps(document, language=RESPONSE_LANGUAGE.get()).encode()
    except UnicodeEncodeError:  # the detail may repeat bytes of a header or path that are no UTF-8
        body = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return web.Response(status=status, headers=headers, body=body, content_type="application/problem+json")
