"""Event subscriptions over REST, as `hooks`: at the cloud and the cameras, how each stands, begin and end."""

from aiohttp import web

from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.events.subscription_targets import CLOUD


async def list_hooks(context: RequestContext) -> web.StreamResponse:
    """List every subscription."""
    return json_response({"hooks": context.gateway.subscriptions.describe()})


async def hook_cloud(context: RequestContext) -> web.StreamResponse:
    """Subscribe at the cloud now."""
    return json_response(await context.gateway.subscriptions.add(CLOUD))


async def hook_camera(context: RequestContext) -> web.StreamResponse:
    """Subscribe at a camera now."""
    return json_response(await context.gateway.subscriptions.add(context.sn))


async def unhook_cloud(context: RequestContext) -> web.StreamResponse:
    """End all subscriptions at the cloud."""
    return json_response(await context.gateway.subscriptions.end(CLOUD))


async def unhook_camera(context: RequestContext) -> web.StreamResponse:
    """End all subscriptions at a camera."""
    return json_response(await context.gateway.subscriptions.end(context.sn))


_FIELDS = "`{target, state, callback, events, refused, since, last_error, next_try_in_s}`"
_ADDED = {200: DeclaredResponse(f"It is subscribed: {_FIELDS}", "Subscription")}
_ENDED = {
    200: DeclaredResponse(
        "It is ended, also for any other system that had subscribed with this account, since the vendor's hook/delete "
        f"names no system. The gateway subscribes again when told to (PUT), or when it is started again. {_FIELDS}",
        "Subscription",
    )
}

ROUTES = (
    Route(
        "GET",
        "/api/v1/hooks",
        "Whom this gateway has asked to report events: the cloud, and its cameras",
        list_hooks,
        "installer",
        etag_ignores=("next_try_in_s",),
        responses={
            200: DeclaredResponse(
                f"`{{hooks: […]}}`, each {_FIELDS}. `target` is `cloud` or a serial number; `state` is `waiting`, "
                "`subscribed`, `failing` (it is tried again), `unsupported` (by the camera's firmware), `ended` (by a "
                "person) or `off` (`last_error` names the setting).",
                "SubscriptionList",
            )
        },
    ),
    Route("PUT", "/api/v1/hooks/cloud", "Subscribe at the cloud now", hook_cloud, "admin", responses=_ADDED),
    Route(
        "DELETE", "/api/v1/hooks/cloud", "End all subscriptions at the cloud", unhook_cloud, "admin", responses=_ENDED
    ),
    Route("PUT", "/api/v1/hooks/cameras/{sn}", "Subscribe at a camera now", hook_camera, "admin", responses=_ADDED),
    Route(
        "DELETE",
        "/api/v1/hooks/cameras/{sn}",
        "End all subscriptions at a camera",
        unhook_camera,
        "admin",
        responses=_ENDED,
    ),
)
