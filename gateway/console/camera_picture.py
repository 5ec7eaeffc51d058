"""The picture of a camera: live, recorded, and as a snapshot; and the line at which a face camera counts visitors."""

import re
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.video import serve_picture
from gateway.cameras.video.playback import MAX_PERIOD_S, check_period
from gateway.cameras.video.source import Period
from gateway.console.page import ConsolePage, PageContext
from gateway.console.parameter_form import make_fields, read_arguments
from gateway.console.site_page import check_origin, is_fragment
from gateway.errors import FieldError, Forbidden, InvalidRequest, Problem
from gateway.protocol.catalogue import CATALOGUE

_GET_LINE: Final = CATALOGUE.get("camera", "peopleFlow/getDoorLine")
_SET_LINE: Final = CATALOGUE.get("camera", "peopleFlow/setDoorLine")
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_LINE_LABELS: Final[dict[str, Message]] = {
    "resolution": message("Size of the picture"),
    "start_x": message("Left end: from the left"),
    "start_y": message("Left end: from the top"),
    "end_x": message("Right end: from the left"),
    "end_y": message("Right end: from the top"),
}
LINE_SIZES: Final = {"0": (1920, 1080), "1": (1280, 720)}
"""Width and height that the coordinates of a door line refer to, by `resolution`."""


async def show_picture(context: PageContext) -> web.StreamResponse:
    """Show the live picture, or a recording if the query names a period."""
    camera = context.gateway.registry.get(context.sn)
    period, problem = None, None
    if "start_time" in context.request.query:
        try:
            period = _read_period(context)
        except InvalidRequest as exc:
            problem = exc
    return context.render(
        "picture_page.html",
        status=200 if problem is None else problem.status,
        camera=camera,
        title=camera.name or camera.sn,
        period=period,
        problem=problem,
        max_minutes=MAX_PERIOD_S // 60,
        has_door_line=camera.model != "FM010" and camera.managed,
    )


def _read_period(context: PageContext) -> Period:
    """Read the period of a query. Raises `InvalidRequest`."""
    texts = [context.request.query.get(name, "") for name in ("start_time", "end_time")]
    if not all(map(_SECONDS.fullmatch, texts)):
        raise InvalidRequest([FieldError("start_time", message("Choose a day and a time."))])
    period = Period(*map(int, texts))
    check_period(period)
    return period


async def stream_live(context: PageContext) -> web.StreamResponse:
    """Send the live picture by WebSocket, to the pages of this address alone."""
    _require_own_page(context.request)
    context.gateway.registry.get(context.sn)
    return await serve_picture(context.request, context.gateway.video.watch(context.sn, token=context.name))


async def stream_recording(context: PageContext) -> web.StreamResponse:
    """Send a recording by WebSocket, to the pages of this address alone."""
    _require_own_page(context.request)
    context.gateway.registry.get(context.sn)
    period = _read_period(context)
    return await serve_picture(context.request, context.gateway.video.play(context.sn, period, token=context.name))


def _require_own_page(request: web.Request) -> None:
    """Refuse a WebSocket of another page: browsers send cookies with it. Raises `Forbidden`."""
    if "Origin" not in request.headers:
        raise Forbidden(message("a WebSocket of the console is opened by its own pages"))
    check_origin(request)


async def send_snapshot(context: PageContext) -> web.StreamResponse:
    """Send a picture of now."""
    jpeg = await context.gateway.video.snapshot(context.sn)
    return web.Response(body=jpeg, content_type="image/jpeg")


async def show_address(context: PageContext) -> web.StreamResponse:
    """Show the address of the stream, for a recorder."""
    url, problem = None, None
    try:
        url = await context.gateway.video.find_rtsp_url(context.sn)
    except Problem as exc:
        problem = exc
    return context.render("picture_address.html", url=url, problem=problem)


async def show_door_line(context: PageContext) -> web.StreamResponse:
    """Show the line as the camera has it, as part of the page."""
    values: dict[str, Any] = {}
    problem: Problem | None = None
    try:
        response = await context.gateway.cameras.call(context.sn, _GET_LINE.encode({}))
        if isinstance(response.data, dict):
            known = {one.name for one in _SET_LINE.parameters}
            values = {name: value for name, value in response.data.items() if name in known and type(value) is int}
    except Problem as exc:
        problem = exc
    return _render_door_line(context, values, problem)


def _render_door_line(
    context: PageContext, values: dict[str, Any], problem: Problem | None = None, *, saved: bool = False
) -> web.Response:
    field_errors = problem.field_errors if isinstance(problem, InvalidRequest) else ()
    fields = make_fields(_SET_LINE, values={"resolution": 0, **values}, labels=_LINE_LABELS, field_errors=field_errors)
    return context.render(
        "door_line.html",
        camera=context.gateway.registry.get(context.sn),
        fields=[replace(one, is_described=False) for one in fields],
        sizes=LINE_SIZES,
        problem=problem if not field_errors else None,
        saved=saved,
    )


async def set_door_line(context: PageContext) -> web.StreamResponse:
    """Tell the camera the line."""
    arguments, _ = read_arguments(_SET_LINE, await context.read_form())
    problem: Problem | None = None
    try:
        await context.gateway.cameras.call(context.sn, _SET_LINE.encode(arguments))
    except Problem as exc:
        problem = exc
    if is_fragment(context.request):
        return _render_door_line(context, arguments, problem, saved=problem is None)
    notice = message("The camera has the line.") if problem is None else problem.detail
    return context.redirect(f"/console/cameras/{context.sn}/picture", notice=notice, failed=problem is not None)


PAGES = (
    ConsolePage("GET", "cameras/{sn}/picture", show_picture, "media"),
    ConsolePage("GET", "cameras/{sn}/live", stream_live, "media", shows="data"),
    ConsolePage("GET", "cameras/{sn}/recording", stream_recording, "media", shows="data"),
    ConsolePage("GET", "cameras/{sn}/snapshot", send_snapshot, "media", shows="data"),
    ConsolePage("GET", "cameras/{sn}/stream-address", show_address, "installer", shows="part"),
    ConsolePage("GET", "cameras/{sn}/door-line", show_door_line, "installer", shows="part"),
    ConsolePage(
        "POST", "cameras/{sn}/door-line", set_door_line, "installer", does=message("Draw the door line of a camera")
    ),
)
