"""Pictures of cameras: snapshots, the state of the live picture, and live pictures and recordings by WebSocket.

The WebSocket sends JSON texts and binary messages. The first is a JSON text; one comes with each change::

    {"state": "live", "codec": "avc1.42C016", "width": 1280, "height": 720, "problem": null}

After each that says `live` comes the initialisation segment, then one fragment for each picture, to be appended to a
Media Source of the type `video/mp4; codecs="…"`. After another state no picture is live, until `live` begins anew with
another initialisation segment. A reader that is too slow loses pictures up to the next key frame. What the reader sends
is ignored.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.query import Query, WholeNumber, read_query
from gateway.api.route import REQUEST_ID_HEADER, DeclaredResponse, RequestContext, Route, json_response
from gateway.cameras.video.playback import MAX_PERIOD_S
from gateway.cameras.video.source import Period
from gateway.cameras.video.viewer import StreamStatus, Viewer
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.protocol import json_text
from gateway.runtime.logs.request import REQUEST_ID

HEARTBEAT_INTERVAL_S: Final = 20.0
"""How often a reader has to answer a ping, in seconds."""
_MAX_MESSAGE_BYTES: Final = 1024


class LiveQuery(Query):
    """How a browser says who it is."""

    ticket: str | None = Field(
        default=None, description="Instead of the header, for a browser's WebSocket: see `/api/v1/events/tickets`."
    )


class PlaybackQuery(LiveQuery):
    """What is played back."""

    start_time: WholeNumber = Field(description="The beginning, in Unix seconds.", examples=[1578969264])
    end_time: WholeNumber = Field(
        description=f"The end, in Unix seconds; at most {MAX_PERIOD_S} s after the beginning.", examples=[1578969324]
    )


async def snapshot(context: RequestContext) -> web.StreamResponse:
    """Take a picture now."""
    jpeg = await context.gateway.video.snapshot(context.sn)
    return web.Response(body=jpeg, content_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def show_stream(context: RequestContext) -> web.StreamResponse:
    """Show how the live picture of a camera is, and for an installer where a recorder finds it."""
    gateway, sn = context.gateway, context.sn
    gateway.registry.get(sn)
    document = gateway.video.describe(sn) | {"rtsp_url": None}
    if "installer" in context.scopes:
        try:
            document["rtsp_url"] = await gateway.video.find_rtsp_url(sn)
        except Problem as exc:
            document["problem"] = document["problem"] or exc.detail
    return json_response(document)


async def watch_live(context: RequestContext) -> web.StreamResponse:
    """Send the live picture of a camera by WebSocket."""
    read_query(context.request.query, LiveQuery)
    context.gateway.registry.get(context.sn)
    return await serve_picture(context.request, context.gateway.video.watch(context.sn, token=context.token))


async def watch_playback(context: RequestContext) -> web.StreamResponse:
    """Send what a camera has recorded by WebSocket."""
    query = read_query(context.request.query, PlaybackQuery)
    context.gateway.registry.get(context.sn)
    period = Period(query.start_time, query.end_time)
    return await serve_picture(context.request, context.gateway.video.play(context.sn, period, token=context.token))


async def serve_picture(request: web.Request, opened: AbstractAsyncContextManager[Viewer]) -> web.WebSocketResponse:
    """Send a picture by WebSocket until it or the reader ends. The caller has checked who asks, and from which page.

    `opened` is what `CameraVideo.watch` or `play` returns. Why it cannot be opened is the first and last message, since
    a page cannot read the response to a handshake that failed. Raises `InvalidRequest` for a request that is no
    handshake.
    """
    response = web.WebSocketResponse(heartbeat=HEARTBEAT_INTERVAL_S, max_msg_size=_MAX_MESSAGE_BYTES, compress=False)
    if not response.can_prepare(request).ok:
        raise InvalidRequest(
            [FieldError("Upgrade", message("must be websocket: this path is read by a WebSocket only"))]
        )
    response.headers[REQUEST_ID_HEADER] = REQUEST_ID.get()
    await response.prepare(request)
    try:
        async with opened as viewer:
            await _send_all(response, viewer)
    except Problem as exc:
        refused = StreamStatus("refused", problem=exc.detail)
        await _send(response, refused)
    await response.close()
    return response


async def _send_all(response: web.WebSocketResponse, viewer: Viewer) -> None:
    async def notice_end() -> None:
        async for _ in response:  # reading is also what answers pings and notices that the reader has gone
            pass
        viewer.end(at_once=True)

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(notice_end())
        async for item in viewer:
            if not await _send(response, item):
                break
        reading.cancel()


async def _send(response: web.WebSocketResponse, item: StreamStatus | bytes) -> bool:
    """Send a message, at the pace of the connection. Return whether the reader is still there."""
    try:
        if isinstance(item, StreamStatus):
            await response.send_str(json_text.dumps(item.describe()))
        else:
            await response.send_bytes(item)
    except ConnectionError:
        return False
    return not response.closed


_CAMERA: Final = "/api/v1/cameras/{sn}"

ROUTES = (
    Route(
        "GET",
        f"{_CAMERA}/snapshot",
        "Take a picture",
        snapshot,
        "media",
        responses={200: DeclaredResponse("The picture.", content_types=("image/jpeg",))},
    ),
    Route(
        "GET",
        f"{_CAMERA}/stream",
        "Show how the live picture is",
        show_stream,
        "media",
        responses={
            200: DeclaredResponse("State and size; for an installer also the address for a recorder.", "PictureStream")
        },
    ),
    Route(
        "GET",
        f"{_CAMERA}/live.mp4",
        "Watch it live, by WebSocket",
        watch_live,
        "media",
        query=LiveQuery,
        accepts_ticket=True,
        responses={
            101: DeclaredResponse(
                "A WebSocket: JSON texts say how the picture is, binary messages are fragmented MP4 for a Media Source."
            )
        },
    ),
    Route(
        "GET",
        f"{_CAMERA}/playback.mp4",
        "Watch what it has recorded, by WebSocket",
        watch_playback,
        "media",
        query=PlaybackQuery,
        accepts_ticket=True,
        responses={101: DeclaredResponse("A WebSocket, as that of the live picture; the last state is `ended`.")},
    ),
)
