"""The docking demonstration over REST: begun with one camera, followed step by step, and exported as a record."""

import asyncio
from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.bodies import Body, read_body
from gateway.api.changes import mark_unchanged, name_object
from gateway.api.page_response import HTML, accepts_html
from gateway.api.response_language import RESPONSE_LANGUAGE, describe_language
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import NotFound
from gateway.shop.demonstration import DemonstrationRequest
from gateway.shop.demonstration.record import DEMONSTRATION_PICTURE_PATH
from gateway.shop.demonstration.record_page import render_demonstration
from gateway.shop.sheet_page import SHEET_PAGE_HEADERS

_DEMONSTRATION: Final = "/api/v1/demonstration"


class DemonstrationBody(Body):
    """What is shown, and how."""

    sn: str | None = Field(
        default=None,
        description="The camera. Left out for the only one that it can be: the only managed camera, or the only one "
        "that reports faces.",
        examples=["FM020A2300001"],
    )
    resume: bool = Field(
        default=False, description="Whether to go on with the last demonstration: only steps that are not done."
    )
    dry_run: bool = Field(default=False, description="Whether only to say what would be done, and with which camera.")


async def start_demonstration(context: RequestContext) -> web.StreamResponse:
    """Begin a demonstration, or say what it would do."""
    body = await read_body(context.request, DemonstrationBody)
    demonstration = context.gateway.shop_parts.demonstration
    request = DemonstrationRequest(sn=body.sn or "", resume=body.resume)
    if body.dry_run:
        mark_unchanged(context.request)
        return json_response(demonstration.describe_dry_run(request))
    await demonstration.start(request)
    document = demonstration.describe()
    name_object(context.request, document["sn"])
    return json_response(document, 202, {"Location": _DEMONSTRATION})


async def show_demonstration(context: RequestContext) -> web.StreamResponse:
    """Show the last demonstration: JSON, or a page to print for who accepts HTML."""
    document = context.gateway.shop_parts.demonstration.describe()
    if not accepts_html(context.request):
        return json_response(document, headers={hdrs.CACHE_CONTROL: "no-store"})
    picture = await asyncio.to_thread(context.gateway.shop_parts.demonstration.load_picture)
    html = await asyncio.to_thread(render_demonstration, document, picture, RESPONSE_LANGUAGE.get())
    return web.Response(text=html, content_type=HTML, headers={**SHEET_PAGE_HEADERS, **describe_language()})


async def end_demonstration(context: RequestContext) -> web.StreamResponse:
    """Stop the demonstration that is under way, or else forget the last one with its picture."""
    demonstration = context.gateway.shop_parts.demonstration
    if demonstration.is_running:
        await demonstration.stop()
        return json_response(demonstration.describe())
    await demonstration.delete()
    return web.Response(status=204)


async def show_demonstration_picture(context: RequestContext) -> web.StreamResponse:
    """Send the picture that the demonstration took."""
    jpeg = await asyncio.to_thread(context.gateway.shop_parts.demonstration.load_picture)
    if jpeg is None:
        raise NotFound(message("the demonstration has no picture"))
    return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: "no-store"})


ROUTES = (
    Route(
        "POST",
        _DEMONSTRATION,
        "Begin the docking demonstration",
        start_demonstration,
        "installer",
        DemonstrationBody,
        {
            200: DeclaredResponse("What a demonstration would do.", "DemonstrationDryRun"),
            202: DeclaredResponse(
                "It has begun; `Location` shows its progress.", "Demonstration", headers=("Location",)
            ),
        },
    ),
    Route(
        "GET",
        _DEMONSTRATION,
        "Show the docking demonstration and how far it is",
        show_demonstration,
        "installer",
        responses={200: DeclaredResponse("The demonstration.", "Demonstration", content_types=(HTML,))},
    ),
    Route(
        "DELETE",
        _DEMONSTRATION,
        "Stop or forget the docking demonstration",
        end_demonstration,
        "installer",
        responses={
            200: DeclaredResponse("It was stopped; what was ticked off stays.", "Demonstration"),
            204: DeclaredResponse("None was under way, and the last one is forgotten."),
        },
    ),
    Route(
        "GET",
        DEMONSTRATION_PICTURE_PATH,
        "Show the picture of the docking demonstration",
        show_demonstration_picture,
        "media",
        responses={200: DeclaredResponse("The picture.", content_types=("image/jpeg",))},
    ),
)
