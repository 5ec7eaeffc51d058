"""The request id: it goes from a REST call to the log lines of everything that the call causes."""

import itertools
import re
import secrets
from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the present request; empty for what the gateway does by itself."""

_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,64}")
_prefix: Final = secrets.token_hex(4)
_number: Final = itertools.count(1)


def begin_request(given: str | None) -> str:
    """Make a request the present one and return its id: the given id if it is well-formed, else a new unique one.

    A well-formed id has 1 to 64 letters, digits and `._:/+=-`.
    """
    request_id = given if given is not None and _WELL_FORMED.fullmatch(given) else f"{_prefix}-{next(_number):x}"
    REQUEST_ID.set(request_id)
    return request_id
