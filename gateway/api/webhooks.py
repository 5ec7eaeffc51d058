"""Webhooks over REST: tills that events are sent to."""

from typing import Final

from aiohttp import web
from pydantic import Field

from gateway.api.bodies import Body, read_body
from gateway.api.changes import name_object
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response


class WebhookBody(Body):
    """A till, and the events that it wants."""

    url: str = Field(
        description="Address of the till, `http` or `https`, in the store's network.",
        examples=["http://192.168.1.20:8000/events"],
    )
    name: str = Field(default="", description="What people call it.", examples=["Till 1"])
    types: list[str] = Field(
        default=[],
        description="Only these types: `face.seen`, or a family: `camera.*`.",
        examples=[["face.seen", "camera.*"]],
    )
    camera: str = Field(
        default="", description="Only events of the camera with this serial number.", examples=["FM020A2300001"]
    )


async def list_webhooks(context: RequestContext) -> web.StreamResponse:
    """List the webhooks and how their deliveries go."""
    return json_response({"webhooks": context.gateway.webhooks.describe_all()})


async def add_webhook(context: RequestContext) -> web.StreamResponse:
    """Send events to a till from now on."""
    body = await read_body(context.request, WebhookBody)
    name_object(context.request, body.name or body.url)
    types = ",".join(body.types)
    webhook = await context.gateway.webhooks.add(body.url, name=body.name, types=types, camera=body.camera)
    return json_response(webhook, 201, {"Location": f"/api/v1/webhooks/{webhook['webhook_id']}"})


async def show_webhook(context: RequestContext) -> web.StreamResponse:
    """Show a webhook and how its delivery goes."""
    return json_response(context.gateway.webhooks.describe(context.request.match_info["id"]))


async def remove_webhook(context: RequestContext) -> web.StreamResponse:
    """Send no more events to a till."""
    await context.gateway.webhooks.remove(context.request.match_info["id"])
    return web.Response(status=204)


async def test_webhook(context: RequestContext) -> web.StreamResponse:
    """Send a test event now, and return its outcome."""
    return json_response((await context.gateway.webhooks.test(context.request.match_info["id"]))._asdict())


_AGES: Final = ("next_try_in_s",)

ROUTES = (
    Route(
        "GET",
        "/api/v1/webhooks",
        "List where events are pushed",
        list_webhooks,
        "admin",
        responses={200: DeclaredResponse("The webhooks.", "WebhookList")},
        etag_ignores=_AGES,
    ),
    Route(
        "POST",
        "/api/v1/webhooks",
        "Push events to a till, signed as the Standard Webhooks specification says",
        add_webhook,
        "admin",
        WebhookBody,
        {
            201: DeclaredResponse(
                "The webhook; its `secret`, by which the till checks signatures, is shown this once.",
                "CreatedWebhook",
                headers=("Location",),
            )
        },
    ),
    Route(
        "GET",
        "/api/v1/webhooks/{id}",
        "Show a webhook and how its delivery goes",
        show_webhook,
        "admin",
        responses={200: DeclaredResponse("The webhook.", "Webhook")},
        etag_ignores=_AGES,
    ),
    Route(
        "DELETE",
        "/api/v1/webhooks/{id}",
        "Stop pushing events to a till",
        remove_webhook,
        "admin",
        responses={204: DeclaredResponse("Done.")},
    ),
    Route(
        "POST",
        "/api/v1/webhooks/{id}/test",
        "Push a test event now",
        test_webhook,
        "admin",
        responses={
            200: DeclaredResponse("`{delivered, status, error, duration_ms}`: what became of it.", "WebhookTestResult")
        },
    ),
)
