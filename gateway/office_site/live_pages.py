"""What keeps pages live, and the page of the newest events."""

import json
from typing import Final

from aiohttp import web

from gateway.console.event_texts import describe_type
from gateway.office_site.reader_stream import ReaderStream
from gateway.office_site.site import OfficeContext, OfficePage

MAX_STREAMS: Final = 200
"""How many pages are kept live at the same time; others are as live as their reload."""
MAX_SESSION_STREAMS: Final = 40
"""How many of them of the same session."""
_EVENTS_SHOWN: Final = 100
_TICK_S: Final = 3.0
_SILENT_TICKS: Final = 5
"""After so many looks without news the stream says that it is alive."""
_RETRY_MS: Final = 3000


async def stream_marks(context: OfficeContext) -> web.StreamResponse:
    """Stream a mark that changes with what pages show, so that they fetch their parts again."""
    view = context.view
    counted = (("pages", MAX_STREAMS), (f"session {context.name}", MAX_SESSION_STREAMS))
    with view.open_stream(*counted):
        sent, silent = "", 0
        async with ReaderStream.open(context.request, context.name) as stream:
            await stream.write(f"retry: {_RETRY_MS}\n\n".encode())
            while not view.closing.is_set() and context.session is not None and view.access.has(context.name):
                mark = f"{view.mark}{view.is_old}"
                silent = 0 if mark != sent else silent + 1
                if mark != sent or silent >= _SILENT_TICKS:
                    sent, silent = mark, 0
                    data = json.dumps({"mark": mark, "examined_s": None})
                    await stream.write(f"event: state\ndata: {data}\n\n".encode())
                await view.pause(_TICK_S)
        return stream.response


async def show_events(context: OfficeContext) -> web.StreamResponse:
    """Show the newest events of all shops."""
    return _render(context, "events.html")


async def show_events_part(context: OfficeContext) -> web.StreamResponse:
    """Show the part that changes."""
    return _render(context, "events_part.html")


def _render(context: OfficeContext, template: str) -> web.Response:
    recent = context.view.events.recent(limit=_EVENTS_SHOWN)
    return context.render(template, events=[(one, describe_type(one.type)) for one in recent])


PAGES: Final = (
    OfficePage("GET", "live", stream_marks, "view", shows="data"),
    OfficePage("GET", "events", show_events, "view"),
    OfficePage("GET", "events/part", show_events_part, "view", shows="part"),
)
