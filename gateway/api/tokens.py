"""Tokens over REST: create, list, revoke; and the codes that open a session at the console."""

from typing import Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.access.pairing import VALID_S
from gateway.access.scopes import expand, list_scopes, name_scopes
from gateway.api.addresses import find_console_urls, find_sign_in_urls
from gateway.api.bodies import Body, TokenBody, read_body
from gateway.api.changes import name_object
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.endpoint import Scope


async def create_token(context: RequestContext) -> web.StreamResponse:
    """Create a token. Only this response shows it."""
    body = await read_body(context.request, TokenBody)
    if (body.scope is None) == (not body.scopes):
        raise InvalidRequest([FieldError("scope", message("is required, or else scopes, a list"))])
    name_object(context.request, body.name)
    scopes = [body.scope] if body.scope is not None else body.scopes or []
    token = await context.gateway.tokens.create(body.name, *scopes)
    granted = expand(frozenset(scopes))
    document = {"name": body.name, "scope": name_scopes(granted), "scopes": list_scopes(granted), "token": token}
    return json_response(document, 201)


async def list_tokens(context: RequestContext) -> web.StreamResponse:
    """Return names and scopes of all tokens, not the tokens themselves."""
    return json_response({"tokens": [record.describe() for record in context.gateway.tokens.all()]})


async def revoke_token(context: RequestContext) -> web.StreamResponse:
    """Revoke a token at once."""
    await context.gateway.tokens.revoke(context.request.match_info["name"])
    return web.Response(status=204)


class PairingBody(Body):
    """The session that a pairing code opens."""

    name: str = Field(
        default="console",
        min_length=1,
        max_length=48,
        description="What the session is called. A number is added if the name is taken.",
        examples=["console"],
    )
    scopes: list[Scope] = Field(
        default=["admin"],
        min_length=1,
        max_length=16,
        description="What the session may do at the console.",
        examples=[["installer"]],
    )


async def create_pairing_code(context: RequestContext) -> web.StreamResponse:
    """Make a code that opens a session at the console, once."""
    body = await read_body(context.request, PairingBody)
    gateway = context.gateway
    name_object(context.request, body.name)
    code = gateway.pairing.create(body.name, body.scopes)
    document = {
        "code": code.code,
        "valid_s": VALID_S,
        "urls": find_console_urls(gateway),
        "sign_in_urls": find_sign_in_urls(gateway, code.code),
    }
    return json_response(document, 201)


_CODE: Final = "The code: good once, for `valid_s` seconds. `sign_in_urls` carry it, as for a QR code."

ROUTES = (
    Route("POST", "/api/v1/tokens", "Make a token", create_token, "admin", TokenBody,
          {201: DeclaredResponse("The token, shown once.", "CreatedToken")}),
    Route("POST", "/api/v1/pairing-codes", "Make a code that opens a session at the console", create_pairing_code,
          "admin", PairingBody, {201: DeclaredResponse(_CODE, "PairingCode")}),
    Route("GET", "/api/v1/tokens", "List the tokens", list_tokens, "admin",
          responses={200: DeclaredResponse("The tokens.", "TokenList")}, etag_ignores=("last_used_at",)),
    Route("DELETE", "/api/v1/tokens/{name}", "Revoke a token", revoke_token, "admin",
          responses={204: DeclaredResponse("Revoked.")}),
)  # fmt: skip
