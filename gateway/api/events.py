"""Events over REST: the stream, pages for pollers, tickets for browsers, and the erasure of a face."""

from typing import Final

from aiohttp import web
from pydantic import Field

from gateway.api.bodies import Body, read_body
from gateway.api.event_schemas import type_families
from gateway.api.query import Query, WholeNumber, read_query
from gateway.api.response_language import RESPONSE_LANGUAGE, describe_language
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.api.stream import STREAM
from gateway.api.tickets import VALID_S, Tickets
from gateway.events.cursor import ResumePoint
from gateway.events.event import EventFilter, NewEvent
from gateway.events.types import EventsErased
from gateway.protocol import json_text

MAX_PAGE: Final = 1000
"""Largest number of events in a page."""


class EventsQuery(Query):
    """Which events are read."""

    after: str | None = Field(
        default=None, description="Go on after the event with this id; `0` stands for the oldest that is kept."
    )
    types: str | None = Field(
        default=None,
        description="Only these types, separated by commas: `face.seen`, or a family: "
        f"{', '.join(f'`{family}`' for family in type_families())}.",
    )
    camera: str | None = Field(default=None, description="Only events of the camera with this serial number.")
    limit: WholeNumber = Field(default=100, ge=1, le=MAX_PAGE, description="How many events a page has at most.")
    ticket: str | None = Field(
        default=None, description="Instead of the header, for a browser's EventSource: see `/api/v1/events/tickets`."
    )


class EraseBody(Body):
    """Whose data is to be erased."""

    face_id: str = Field(min_length=1, max_length=128, description="The vendor's id of the face.", examples=["8152"])


async def events(context: RequestContext) -> web.StreamResponse:
    """Stream events, or answer a page of them."""
    request = context.request
    query = read_query(request.query, EventsQuery)
    event_filter = EventFilter.parse(query.types or "", query.camera or "")
    # HEAD asks for no body, so it opens no stream.
    if "text/event-stream" in request.headers.get("Accept", "") and request.method != "HEAD":
        # A browser that reconnects sends the header; only its first request has nothing but the query.
        last = request.headers.get("Last-Event-ID") or query.after
        event_log = context.gateway.event_log
        resume_point = event_log.range.resume_after(last) if last else ResumePoint(event_log.last_published)
        return await request.app[STREAM].serve(request, resume_point, event_filter, token=context.token)
    return await _page(context, query, event_filter)


async def _page(context: RequestContext, query: EventsQuery, event_filter: EventFilter) -> web.StreamResponse:
    log_range = context.gateway.event_log.range
    resume_point = log_range.resume_after("0" if query.after is None else query.after)
    page = await context.gateway.event_log.read(resume_point.after, event_filter, limit=query.limit)
    notice = ""
    if resume_point.notice is not None:
        text = json_text.dumps(resume_point.notice._asdict(), language=RESPONSE_LANGUAGE.get())
        notice = f',"notice":{text}'
    listed = ",".join(event.to_json() for event in page.events)
    return web.Response(
        body=f'{{"events":[{listed}],"next":"{log_range.id(page.upto)}"{notice}}}'.encode(),
        content_type="application/json",
        headers={"Vary": "Accept", "Cache-Control": "no-store"} | (describe_language() if notice else {}),
    )


async def create_ticket(context: RequestContext) -> web.StreamResponse:
    """Make a ticket for a browser's EventSource."""
    event_log = context.gateway.event_log
    ticket = Tickets(context.gateway.tokens, event_log.ticket_key).create(context.token, event_log.uptime_s)
    return json_response({"ticket": ticket, "valid_s": VALID_S, "url": f"/api/v1/events?ticket={ticket}"}, 201)


async def erase(context: RequestContext) -> web.StreamResponse:
    """Erase what the event log holds about a face."""
    body = await read_body(context.request, EraseBody)
    count = await context.gateway.event_log.erase_face(body.face_id)
    # It says who and how much, not whose data: that is what had to go.
    audit = EventsErased(events=count, by=context.token or "the local socket")
    await context.gateway.event_log.append(NewEvent.by_gateway(audit))
    return json_response({"events": count})


ROUTES = (
    Route(
        "GET",
        "/api/v1/events",
        "What happens in the store: a stream of server-sent events, or a page for pollers",
        events,
        "pos",
        accepts_ticket=True,
        responses={
            200: DeclaredResponse(
                "With `Accept: text/event-stream` the stream, from now on or after `Last-Event-ID`; "
                "else a page `{events, next}`, the oldest first, `next` being the `after` of the next page. What an "
                "event "
                "is: see the schema `Event`. In the stream, `data` is an event; an event called `notice` has the "
                "schema "
                "`ResumeNotice`.",
                "EventPage",
                content_types=("text/event-stream",),
            )
        },
        query=EventsQuery,
    ),
    Route(
        "POST",
        "/api/v1/events/tickets",
        "Make a ticket with which a browser's EventSource may read the events for 12 hours",
        create_ticket,
        "pos",
        responses={201: DeclaredResponse("`{ticket, valid_s, url}`", "EventTicket")},
        audited=False,
    ),
    Route(
        "POST",
        "/api/v1/events/erase",
        "Erase what the event log holds about a face",
        erase,
        "admin",
        EraseBody,
        {200: DeclaredResponse("`{events}`: from how many events.", "ErasedEvents")},
    ),
)
