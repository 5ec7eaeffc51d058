"""Who calls: bearer tokens, their scopes, and the local socket, whose file permissions are its token."""

import hmac
from typing import Final, NamedTuple

from aiohttp import web

from gateway.errors import Forbidden, Unauthorized
from gateway.protocol.endpoint import Scope
from gateway.store.tokens import TokenTable

LOCAL_KEY = web.AppKey("local_key", str)

_RANK: Final[dict[Scope, int]] = {"pos": 0, "installer": 1, "admin": 2}


def allows(scope: Scope, needed: Scope) -> bool:
    """Tell whether a token's scope covers what a route or endpoint needs."""
    return _RANK[scope] >= _RANK[needed]


def require(scope: Scope, needed: Scope) -> None:
    """Raise `Forbidden` unless the scope covers what is needed."""
    if not allows(scope, needed):
        raise Forbidden(f"this needs a token of scope {needed}; the one shown has scope {scope}")


def is_local(request: web.Request) -> bool:
    """Tell whether a command of this machine's user calls: on the Unix socket, or with this process's own key."""
    transport = request.transport
    if transport is not None and isinstance(transport.get_extra_info("sockname"), str | bytes):
        return True
    key = request.app.get(LOCAL_KEY)
    return key is not None and hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {key}")


class Identity(NamedTuple):
    """Who calls: the name of the token, empty on the Unix socket, and what it allows."""

    name: str
    scope: Scope


OWNER: Final = Identity("", "admin")


def authenticate(request: web.Request, tokens: TokenTable) -> Identity:
    """Return who calls. Raises `Unauthorized`.

    A command of this machine's user may do everything.
    """
    if is_local(request):
        return OWNER
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthorized("send the header `Authorization: Bearer TOKEN`; `sunmi-gateway token create` makes tokens")
    record = tokens.find(token.strip())
    if record is None:
        raise Unauthorized("the token is not known, or was revoked")
    tokens.touch(record.name)
    return Identity(record.name, record.scope)
