"""Calls that are passed on to the vendor: every endpoint of cameras and of the cloud."""

import functools
from collections.abc import Collection

from aiohttp import web

from firmware_tools.language import message
from gateway.access.scopes import require_scope
from gateway.api.bodies import read_call
from gateway.api.changes import name_object
from gateway.api.outbox import queue_call
from gateway.api.route import RequestContext, Route, json_response, pos_suffices
from gateway.app import Gateway
from gateway.errors import Conflict
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint, Scope
from gateway.protocol.envelope import VendorResponse


async def call_camera(context: RequestContext) -> web.StreamResponse:
    """Pass a call on to a managed camera and return its response."""
    names = context.request.match_info
    endpoint = CATALOGUE.get("camera", f"{names['type']}/{names['action']}")
    _require_scope(context, endpoint)
    call = await read_call(context.request, endpoint, {})
    response = await context.gateway.cameras.call(context.sn, call)
    _name_change(context, endpoint, f"{context.sn} {endpoint.path}")
    return _pass_on(context, endpoint, response)


async def call_cloud(context: RequestContext) -> web.StreamResponse:
    """Pass a call on to the cloud and return its response, or queue it."""
    endpoint = CATALOGUE.get("cloud", context.request.match_info["path"])
    _require_scope(context, endpoint)
    return await _call_cloud(endpoint, context)


async def _call_cloud(endpoint: Endpoint, context: RequestContext) -> web.StreamResponse:
    check_described(endpoint)
    call = await read_call(context.request, endpoint, context.gateway.settings.cloud.shop)
    if endpoint.relay is not None:
        return await queue_call(context, call)
    response = await context.gateway.cloud.call(call)
    _name_change(context, endpoint, endpoint.path)
    return _pass_on(context, endpoint, response)


def _require_scope(context: RequestContext, endpoint: Endpoint) -> None:
    require_scope(context.scopes, find_needed_scope(endpoint, context.gateway))


def _name_change(context: RequestContext, endpoint: Endpoint, named: str) -> None:
    """Have the audit log record a call that changed something at the vendor's side."""
    if not endpoint.repeatable:
        name_object(context.request, named)


def find_needed_scope(endpoint: Endpoint, gateway: Gateway) -> Scope:
    """Return the scope that a caller of an endpoint needs."""
    return "pos" if pos_suffices(endpoint.pos_setting, gateway) else endpoint.scope


def may_see_secrets(endpoint: Endpoint, scopes: Collection[Scope]) -> bool:
    """Tell whether a caller gets a response of an endpoint as it is. Others get it without its secret fields."""
    return not endpoint.has_secret_fields or "admin" in scopes


def check_described(endpoint: Endpoint) -> None:
    """Raise `Conflict` for an endpoint that no page of the vendor describes."""
    if endpoint.availability == "listed":
        raise Conflict(
            message(
                "the vendor lists {endpoint_path} without describing it, so there is no way to call it",
                endpoint_path=endpoint.path,
            )
        )


def _pass_on(context: RequestContext, endpoint: Endpoint, response: VendorResponse) -> web.Response:
    if not may_see_secrets(endpoint, context.scopes):
        return json_response(endpoint.redact(response.document))
    return web.Response(body=response.raw, content_type="application/json")


def _make_route(endpoint: Endpoint) -> Route:
    """Return the route of one endpoint of the cloud. A fixed path is matched faster than the general one."""
    handler = functools.partial(_call_cloud, endpoint)
    return Route(
        "POST",
        f"/api/v1/cloud/{endpoint.path}",
        endpoint.title,
        handler,
        endpoint.scope,
        pos_setting=endpoint.pos_setting,
        audited=False,  # what is queued is in the outbox
        documented=False,
    )


ROUTES = (
    Route(
        "POST",
        "/api/v1/cameras/{sn}/openapi/{type}/{action}",
        "Call an endpoint of a camera",
        call_camera,
        "pos",
        audited=False,
        documented=False,
    ),
    *map(_make_route, CATALOGUE.list_endpoints("cloud")),
    Route(
        "POST",
        "/api/v1/cloud/{path:.+}",
        "Call an endpoint of the cloud",
        call_cloud,
        "pos",
        audited=False,
        documented=False,
    ),
)
