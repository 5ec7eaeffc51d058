"""What the gateway says of itself: health, status, catalogue, documentation, and its tokens."""

import time
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web

from gateway import __version__
from gateway.api import docs
from gateway.api.bodies import TokenBody, read_body
from gateway.api.route import RequestContext, Route, json_response
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Scope

DOCUMENT: web.AppKey[Callable[[], dict[str, Any]]] = web.AppKey("openapi")
"""Makes the OpenAPI document, which takes more memory than it is worth to keep: it is seldom asked for."""


async def healthz(_: RequestContext) -> web.StreamResponse:
    """Answer that the gateway serves."""
    return json_response({"status": "ok"})


async def status(context: RequestContext) -> web.StreamResponse:
    """Tell the version, and how cloud, cameras and outbox are."""
    gateway = context.gateway
    cameras = gateway.registry.all()
    outbox = await gateway.outbox.stats()
    return json_response(
        {
            "version": __version__,
            "uptime_s": round(time.monotonic() - gateway.started_at, 1),
            "cloud": {"reachable": gateway.cloud.reachable, "clock_offset_s": gateway.cloud.clock.offset_s},
            "cameras": {"known": len(cameras), "online": sum(camera.online for camera in cameras)},
            "outbox": outbox._asdict(),
            "relay": {"away": gateway.outbox.unreachable, "held": gateway.outbox.held},
        }
    )


async def catalogue(_: RequestContext) -> web.StreamResponse:
    """List every vendor endpoint with its parameters, return codes and scope."""
    return json_response({"endpoints": [endpoint.describe() for endpoint in CATALOGUE.endpoints]})


async def openapi_json(context: RequestContext) -> web.StreamResponse:
    """Return the OpenAPI document."""
    return json_response(context.request.app[DOCUMENT]())


async def docs_page(context: RequestContext) -> web.StreamResponse:
    """Return the reference as one page that needs nothing else."""
    return web.Response(text=docs.page(context.request.app[DOCUMENT]()), content_type="text/html")


async def create_token(context: RequestContext) -> web.StreamResponse:
    """Make a token; this is the only time that it is shown."""
    body = await read_body(context.request, TokenBody)
    token = await context.gateway.tokens.create(body.name, cast("Scope", body.scope))
    return json_response({"name": body.name, "scope": body.scope, "token": token}, 201)


async def list_tokens(context: RequestContext) -> web.StreamResponse:
    """List the tokens, without the tokens themselves."""
    return json_response({"tokens": [record.describe() for record in context.gateway.tokens.all()]})


async def revoke_token(context: RequestContext) -> web.StreamResponse:
    """Revoke a token at once."""
    await context.gateway.tokens.revoke(context.request.match_info["name"])
    return web.Response(status=204)


ROUTES = (
    Route("GET", "/healthz", "Whether the gateway serves", healthz, None),
    Route("GET", "/openapi.json", "This document", openapi_json, None),
    Route("GET", "/docs", "This document as a page", docs_page, None),
    Route("GET", "/api/v1/status", "Version, uptime, cloud and cameras at a glance", status, "pos"),
    Route("GET", "/api/v1/catalogue", "Every vendor endpoint as data", catalogue, "pos"),
    Route("POST", "/api/v1/tokens", "Make a token", create_token, "admin", TokenBody, {201: "The token, shown once."}),
    Route("GET", "/api/v1/tokens", "List the tokens", list_tokens, "admin"),
    Route("DELETE", "/api/v1/tokens/{name}", "Revoke a token", revoke_token, "admin", responses={204: "Revoked."}),
)
