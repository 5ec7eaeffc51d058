"""What keeps pages live: the event stream, read with the session's cookie."""

from aiohttp import web

from gateway.api.stream import STREAM
from gateway.console.page import ConsolePage, PageContext
from gateway.events.cursor import ResumePoint
from gateway.events.event import EventFilter


async def stream_events(context: PageContext) -> web.StreamResponse:
    """Stream events from now on; pages refresh the parts that an event or another mark concerns."""
    resume_point = ResumePoint(context.gateway.event_log.last_published)
    stream = context.request.app[STREAM]
    state = context.site.live_state
    return await stream.serve(
        context.request,
        resume_point,
        EventFilter.parse("", ""),
        token=context.name,
        make_heartbeat=state.make_home_heartbeat if "home" in context.request.query else state.make_heartbeat,
    )


PAGES = (ConsolePage("GET", "events/stream", stream_events, "pos", shows="data"),)
