"""Hotspots of new cameras over REST: whether the gateway can join them, and provisioning a camera through its own."""

import asyncio
from dataclasses import asdict

from aiohttp import web

from firmware_tools.language import message
from gateway.api.bodies import ProvisioningBody
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.cameras.provisioning import ProvisioningJob, ProvisioningRequest
from gateway.errors import FieldError, InvalidRequest


async def provision_in_hotspot(
    context: RequestContext, body: ProvisioningBody, request: ProvisioningRequest
) -> ProvisioningJob:
    """Join the hotspot that a body names, and start the job of the camera there.

    Raises `InvalidRequest` where the shop would be cut off and nobody has agreed to that, and the same as
    `HotspotSetUp.start`.
    """
    support = await context.gateway.shop_parts.hotspots.describe()
    if support.interrupts_shop and not body.confirm_offline:
        raise InvalidRequest([FieldError("confirm_offline", message("must be true: {effect}", effect=support.effect))])
    set_up = context.gateway.shop_parts.hotspot_set_up
    # A caller who gives up, or is cut off by the change of network, does not end it.
    return await asyncio.shield(set_up.start(body.hotspot or "", context.sn, request))


async def show_hotspot_support(context: RequestContext) -> web.StreamResponse:
    """Show whether the gateway can join the hotspots of new cameras, and what will happen to whom."""
    support = await context.gateway.shop_parts.hotspots.describe()
    shown = {"available": support.available, **asdict(support), "interrupts_shop": support.interrupts_shop}
    del shown["is_absent"]
    return json_response(shown)


ROUTES = (
    Route(
        "GET",
        "/api/v1/hotspots",
        "Whether hotspots of new cameras can be joined, and what that means for whom",
        show_hotspot_support,
        "installer",
        responses={200: DeclaredResponse("What the gateway can do.", "HotspotAvailability")},
    ),
)
