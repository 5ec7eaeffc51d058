"""The acceptance sheet of the site plan over REST, and the pictures on it."""

import asyncio
from typing import Final

from aiohttp import hdrs, web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.page_response import HTML, accepts_html
from gateway.api.query import Flag, Query, read_query
from gateway.api.response_language import RESPONSE_LANGUAGE, describe_language
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import NotFound
from gateway.shop.pictures import MOMENTS, Moment
from gateway.shop.sheet import PICTURE_PATH
from gateway.shop.sheet_page import SHEET_PAGE_HEADERS, render_sheet

_SHEET: Final = "/api/v1/site-plan/sheet"


class SheetQuery(Query):
    """How the sheet is made."""

    verify: Flag = Field(
        default=False,
        description="Whether to look again at everything that was set up, and say what is different. Nothing is set.",
    )
    pictures: Flag = Field(
        default=False, description="Whether to look again, and to take a new picture of each camera for the sheet, too."
    )


async def show_site_plan_sheet(context: RequestContext) -> web.StreamResponse:
    """Make the acceptance sheet: JSON, or a page to print for who accepts HTML."""
    query = read_query(context.request.query, SheetQuery)
    sheet = await context.gateway.shop_parts.sheets.make(verify=query.verify, pictures=query.pictures)
    if not accepts_html(context.request):
        return json_response(sheet.describe(), headers={hdrs.CACHE_CONTROL: "no-store"})
    html = await asyncio.to_thread(render_sheet, sheet, RESPONSE_LANGUAGE.get())
    headers = {**SHEET_PAGE_HEADERS, **describe_language()}
    return web.Response(text=html, content_type=HTML, headers=headers)


async def show_site_plan_picture(context: RequestContext) -> web.StreamResponse:
    """Send a picture of a camera of the plan."""
    moment = _parse_moment(context.request.match_info["moment"])
    jpeg: bytes | None = None
    if moment is not None:
        jpeg = await asyncio.to_thread(context.gateway.shop_parts.plan_pictures.load, context.sn, moment)
    if jpeg is None:
        raise NotFound(message("the plan has no such picture of the camera {sn}", sn=context.sn))
    return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: "no-store"})


def _parse_moment(text: str) -> Moment | None:
    return next((one for one in MOMENTS if one == text), None)


ROUTES = (
    Route(
        "GET",
        _SHEET,
        "Make the acceptance sheet of the site plan",
        show_site_plan_sheet,
        "installer",
        query=SheetQuery,
        responses={200: DeclaredResponse("The sheet.", "SitePlanSheet", content_types=(HTML,))},
    ),
    Route(
        "GET",
        PICTURE_PATH,
        "Show a picture of a camera of the site plan",
        show_site_plan_picture,
        "media",
        responses={200: DeclaredResponse("The picture.", content_types=("image/jpeg",))},
    ),
)
