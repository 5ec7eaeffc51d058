"""Events over REST: the stream, pages for pollers, tickets for browsers, and the erasure of a face."""

from typing import Final

from aiohttp import web
from pydantic import Field

from gateway.api.bodies import Body, read_body
from gateway.api.query import QueryParameter
from gateway.api.route import RequestContext, Route, json_response
from gateway.api.stream import EventStream
from gateway.api.tickets import VALID_S, Tickets
from gateway.events.cursor import ResumePoint
from gateway.events.event import EventFilter, NewEvent
from gateway.events.types import EventsErased
from gateway.protocol import json_text

STREAM = web.AppKey("event_stream", EventStream)

MOST: Final = 1000
_USUAL: Final = 100


class EraseBody(Body):
    """Whose data is to be erased."""

    face_id: str = Field(min_length=1, max_length=128, description="The vendor's id of the face.")


async def events(context: RequestContext) -> web.StreamResponse:
    """Stream events, or answer a page of them."""
    request, query = context.request, context.query
    event_filter = EventFilter.parse(query.get("types", ""), query.get("camera", ""))
    if "text/event-stream" in request.headers.get("Accept", ""):
        # A browser that reconnects sends the header; only its first request has nothing but the query.
        last = request.headers.get("Last-Event-ID") or query.get("after")
        event_log = context.gateway.event_log
        resume_point = event_log.range.resume_after(last) if last else ResumePoint(event_log.last_published)
        return await request.app[STREAM].serve(request, resume_point, event_filter, token=context.token)
    return await _page(context, event_filter)


async def _page(context: RequestContext, event_filter: EventFilter) -> web.StreamResponse:
    query = context.query
    log_range = context.gateway.event_log.range
    resume_point = log_range.resume_after(query.get("after", "0"))
    page = await context.gateway.event_log.read(resume_point.after, event_filter, limit=query["limit"])
    notice = "" if resume_point.notice is None else f',"notice":{json_text.dumps(resume_point.notice._asdict())}'
    listed = ",".join(event.to_json() for event in page.events)
    return web.Response(
        body=f'{{"events":[{listed}],"next":"{log_range.id(page.upto)}"{notice}}}'.encode(),
        content_type="application/json",
        headers={"Vary": "Accept", "Cache-Control": "no-store"},
    )


async def create_ticket(context: RequestContext) -> web.StreamResponse:
    """Make a ticket for a browser's EventSource."""
    event_log = context.gateway.event_log
    ticket = Tickets(context.gateway.tokens, event_log.ticket_key).make(context.token, event_log.uptime_s)
    return json_response({"ticket": ticket, "valid_s": VALID_S, "url": f"/api/v1/events?ticket={ticket}"}, 201)


async def erase(context: RequestContext) -> web.StreamResponse:
    """Erase what the journal holds about a face."""
    body = await read_body(context.request, EraseBody)
    count = await context.gateway.event_log.erase_face(body.face_id)
    # The audit line says who and how much; whose data it was is what had to go.
    audit = EventsErased(events=count, by=context.token or "the local socket")
    await context.gateway.event_log.append(NewEvent.by_gateway(audit))
    return json_response({"events": count})


_FILTERS = (
    QueryParameter("types", "Only these types, separated by commas: `face.seen`, or a family: `camera.*`."),
    QueryParameter("camera", "Only events of the camera with this serial number."),
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/events",
        "What happens in the store: a stream of server-sent events, or a page for pollers",
        events,
        "pos",
        accepts_ticket=True,
        responses={
            200: "With `Accept: text/event-stream` the stream, from now on or after `Last-Event-ID`; "
            "else a page `{events, next}`, the oldest first, `next` being the `after` of the next page."
        },
        query=(
            QueryParameter("after", "Go on after the event with this id; `0` stands for the oldest that is kept."),
            *_FILTERS,
            QueryParameter("limit", "How many events a page has at most.", numbers=range(1, MOST + 1), default=_USUAL),
            QueryParameter(
                "ticket", "Instead of the header, for a browser's EventSource: see `/api/v1/events/tickets`."
            ),
        ),
    ),
    Route(
        "POST",
        "/api/v1/events/tickets",
        "Make a ticket with which a browser's EventSource may read the events for 12 hours",
        create_ticket,
        "pos",
        responses={201: "`{ticket, valid_s, url}`"},
    ),
    Route(
        "POST",
        "/api/v1/events/erase",
        "Erase what the journal holds about a face",
        erase,
        "admin",
        EraseBody,
        {200: "`{events}`: from how many events."},
    ),
)
