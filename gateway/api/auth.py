"""Authentication of callers: by bearer token from the network, or as this machine's user."""

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from firmware_tools.language import message
from gateway.access.scopes import GRANTS
from gateway.access.token_table import TokenTable
from gateway.errors import Unauthorized
from gateway.protocol.endpoint import Scope


class Identity(NamedTuple):
    """An authenticated caller."""

    name: str
    """The name of the token; empty for a command of this machine's user."""
    scopes: frozenset[Scope]
    """What the caller may do."""


Authenticator = Callable[[web.Request], Identity]
"""Returns the caller of a request. Raises `Unauthorized`."""

_LOCAL_USER: Final = Identity("", GRANTS["admin"])


def token_authenticator(tokens: TokenTable) -> Authenticator:
    """Return an authenticator for callers from the network, who send a bearer token."""

    def authenticate(request: web.Request) -> Identity:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Unauthorized(
                message("send the header `Authorization: Bearer TOKEN`; `sunmi-gateway token create` makes tokens")
            )
        record = tokens.find(token.strip())
        if record is None:
            raise Unauthorized(message("the token is not known, or was revoked"))
        tokens.touch(record.name)
        return Identity(record.name, record.granted)

    return authenticate


def authenticate_socket(_: web.Request) -> Identity:
    """Return the caller on the Unix socket: this machine's user, since nobody else may open it."""
    return _LOCAL_USER


def key_authenticator(key: str) -> Authenticator:
    """Return an authenticator for commands, by a key that only this process knows.

    It is for systems without Unix sockets.
    """
    expected = f"Bearer {key}".encode()

    def authenticate(request: web.Request) -> Identity:
        received = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(received, expected):
            raise Unauthorized(message("only commands of this gateway may call here"))
        return _LOCAL_USER

    return authenticate
