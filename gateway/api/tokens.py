"""Tokens over REST: create, list, revoke."""

from aiohttp import web

from gateway.api.bodies import TokenBody, read_body
from gateway.api.route import RequestContext, Route, json_response
from gateway.api.scopes import expand, list_scopes, name_scopes
from gateway.errors import FieldError, InvalidRequest


async def create_token(context: RequestContext) -> web.StreamResponse:
    """Create a token. Only this response shows it."""
    body = await read_body(context.request, TokenBody)
    if (body.scope is None) == (not body.scopes):
        raise InvalidRequest([FieldError("scope", "is required, or else scopes, a list")])
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


ROUTES = (
    Route("POST", "/api/v1/tokens", "Make a token", create_token, "admin", TokenBody, {201: "The token, shown once."}),
    Route("GET", "/api/v1/tokens", "List the tokens", list_tokens, "admin", etag_ignores=("last_used_at",)),
    Route("DELETE", "/api/v1/tokens/{name}", "Revoke a token", revoke_token, "admin", responses={204: "Revoked."}),
)
