"""Calls that are passed on to the vendor: the whole API of a camera, and the whole API of the cloud."""

import functools

from aiohttp import web

from gateway.api.auth import require_scope, scope_covers
from gateway.api.bodies import read_call
from gateway.api.outbox import queue_call
from gateway.api.route import RequestContext, Route, json_response
from gateway.errors import Conflict
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.envelope import VendorResponse


async def call_camera(context: RequestContext) -> web.StreamResponse:
    """Pass a call on to a managed camera and answer what it answers."""
    names = context.request.match_info
    endpoint = CATALOGUE.get("camera", f"{names['type']}/{names['action']}")
    require_scope(context.scope, endpoint.scope)
    call = await read_call(context.request, endpoint, {})
    answer = await context.gateway.cameras.call(context.sn, call)
    return _passed_on(context, endpoint, answer)


async def call_cloud(context: RequestContext) -> web.StreamResponse:
    """Pass a call on to the cloud and answer what it answers."""
    endpoint = CATALOGUE.get("cloud", context.request.match_info["path"])
    require_scope(context.scope, endpoint.scope)
    return await _call_cloud(endpoint, context)


async def _call_cloud(endpoint: Endpoint, context: RequestContext) -> web.StreamResponse:
    if endpoint.availability == "listed":
        raise Conflict(f"the vendor lists {endpoint.path} without describing it, so there is no way to call it")
    call = await read_call(context.request, endpoint, context.gateway.settings.cloud.shop)
    if endpoint.relay is not None:
        return await queue_call(context, call)
    return _passed_on(context, endpoint, await context.gateway.cloud.call(call))


def _passed_on(context: RequestContext, endpoint: Endpoint, answer: VendorResponse) -> web.Response:
    if endpoint.has_secret_fields and not scope_covers(context.scope, "admin"):
        return json_response(endpoint.redact(answer.document))
    return web.Response(body=answer.raw, content_type="application/json")


def _route(endpoint: Endpoint) -> Route:
    """Make the route of one endpoint of the cloud: found by its path alone, it is faster than the general one."""
    handler = functools.partial(_call_cloud, endpoint)
    return Route("POST", f"/api/v1/cloud/{endpoint.path}", endpoint.title, handler, endpoint.scope, documented=False)


ROUTES = (
    Route(
        "POST",
        "/api/v1/cameras/{sn}/openapi/{type}/{action}",
        "Call an endpoint of a camera",
        call_camera,
        "pos",
        documented=False,
    ),
    *map(_route, CATALOGUE.list_endpoints("cloud")),
    Route("POST", "/api/v1/cloud/{path:.+}", "Call an endpoint of the cloud", call_cloud, "pos", documented=False),
)
