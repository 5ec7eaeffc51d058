"""Who calls: bearer tokens, their scopes, and the commands of this machine's user, who may do everything."""

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from gateway.api.token_table import TokenTable
from gateway.errors import Forbidden, Unauthorized
from gateway.protocol.endpoint import Scope

_RANK: Final[dict[Scope, int]] = {"pos": 0, "installer": 1, "admin": 2}


def scope_covers(scope: Scope, needed: Scope) -> bool:
    """Tell whether a token's scope covers what a route or endpoint needs."""
    return _RANK[scope] >= _RANK[needed]


def require_scope(scope: Scope, needed: Scope) -> None:
    """Raise `Forbidden` unless the scope covers what is needed."""
    if not scope_covers(scope, needed):
        raise Forbidden(f"this needs a token of scope {needed}; the one shown has scope {scope}")


class Identity(NamedTuple):
    """Who calls: the name of the token, empty for a command of this machine's user, and what it allows."""

    name: str
    scope: Scope


Authenticator = Callable[[web.Request], Identity]
"""Tells who calls. Raises `Unauthorized`."""

_OWNER: Final = Identity("", "admin")


def token_authenticator(tokens: TokenTable) -> Authenticator:
    """Return what tells callers from the network by their tokens."""

    def authenticate(request: web.Request) -> Identity:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Unauthorized(
                "send the header `Authorization: Bearer TOKEN`; `sunmi-gateway token create` makes tokens"
            )
        record = tokens.find(token.strip())
        if record is None:
            raise Unauthorized("the token is not known, or was revoked")
        tokens.touch(record.name)
        return Identity(record.name, record.scope)

    return authenticate


def authenticate_socket(_: web.Request) -> Identity:
    """Tell who calls on the Unix socket: this machine's user, whom its file permissions let in."""
    return _OWNER


def key_authenticator(key: str) -> Authenticator:
    """Return what tells commands by a key that only this process knows, where there are no Unix sockets."""
    wanted = f"Bearer {key}".encode()

    def authenticate(request: web.Request) -> Identity:
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, wanted):
            raise Unauthorized("only commands of this gateway are taken here")
        return _OWNER

    return authenticate
