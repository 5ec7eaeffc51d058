"""The request that causes what happens now: an id that goes from a REST call to the log lines of all that it causes."""

import itertools
import re
import secrets
from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that is worked on, empty for what the gateway does by itself."""

_GIVEN: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")
_begin: Final = secrets.token_hex(4)
_number: Final = itertools.count(1)


def begin_request(given: str | None) -> str:
    """Return the id of a request that begins, and let it be the present one: the given one if it is well-formed.

    That is 1 to 64 letters, digits and `._:/+=-`. Another is made up, unique in all lives of all gateways.
    """
    request_id = given if given is not None and _GIVEN.fullmatch(given) else f"{_begin}-{next(_number):x}"
    REQUEST_ID.set(request_id)
    return request_id
