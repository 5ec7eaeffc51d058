"""Events over REST: the stream, pages for pollers, tickets for browsers, and the erasure of a face."""

from typing import Final

from aiohttp import web
from pydantic import Field

from gateway.api.bodies import Body, read_body
from gateway.api.query import Query
from gateway.api.route import Caller, Route, respond
from gateway.api.stream import EventStream
from gateway.api.tickets import VALID_S, Tickets
from gateway.protocol import json_text
from gateway.events.log import Draft, Position, Wanted

STREAM = web.AppKey("event_stream", EventStream)

MOST: Final = 1000
_USUAL: Final = 100


class EraseBody(Body):
    """Whose data is to be erased."""

    face_id: str = Field(min_length=1, max_length=128, description="The vendor's id of the face.")


async def events(caller: Caller) -> web.StreamResponse:
    """Stream events, or answer a page of them."""
    request, query = caller.request, caller.query
    wanted = Wanted.of(query.get("types", ""), query.get("camera", ""))
    if "text/event-stream" in request.headers.get("Accept", ""):
        # A browser that reconnects sends the header; only its first request has nothing but the query.
        last = request.headers.get("Last-Event-ID") or query.get("after")
        journal = caller.gateway.journal
        position = journal.span.resume(last) if last else Position(journal.told)
        return await request.app[STREAM].serve(request, position, wanted, token=caller.token)
    return await _page(caller, wanted)


async def _page(caller: Caller, wanted: Wanted) -> web.StreamResponse:
    query = caller.query
    span = caller.gateway.journal.span
    position = span.resume(query.get("after", "0"))
    page = await caller.gateway.journal.page(position.after, wanted, limit=query["limit"])
    notice = "" if position.notice is None else f',"notice":{json_text.dumps(position.notice._asdict())}'
    listed = ",".join(event.text() for event in page.events)
    return web.Response(
        body=f'{{"events":[{listed}],"next":"{span.id(page.upto)}"{notice}}}'.encode(),
        content_type="application/json",
        headers={"Vary": "Accept", "Cache-Control": "no-store"},
    )


async def create_ticket(caller: Caller) -> web.StreamResponse:
    """Make a ticket for a browser's EventSource."""
    journal = caller.gateway.journal
    ticket = Tickets(caller.gateway.tokens, journal.ticket_key).make(caller.token, journal.running_s)
    return respond({"ticket": ticket, "valid_s": VALID_S, "url": f"/api/v1/events?ticket={ticket}"}, 201)


async def erase(caller: Caller) -> web.StreamResponse:
    """Erase what the journal holds about a face."""
    body = await read_body(caller.request, EraseBody)
    count = await caller.gateway.journal.erase_face(body.face_id)
    # The audit line says who and how much; whose data it was is what had to go.
    await caller.gateway.journal.record(
        Draft("events.erased", "gateway", {"events": count, "by": caller.token or "the local socket"})
    )
    return respond({"events": count})


_FILTERS = (
    Query("types", "Only these types, separated by commas: `face.seen`, or a family: `camera.*`."),
    Query("camera", "Only events of the camera with this serial number."),
)

ROUTES = (
    Route(
        "GET",
        "/api/v1/events",
        "What happens in the store: a stream of server-sent events, or a page for pollers",
        events,
        "pos",
        by_ticket=True,
        answers={
            200: "With `Accept: text/event-stream` the stream, from now on or after `Last-Event-ID`; "
            "else a page `{events, next}`, the oldest first, `next` being the `after` of the next page."
        },
        query=(
            Query("after", "Go on after the event with this id; `0` stands for the oldest that is kept."),
            *_FILTERS,
            Query("limit", "How many events a page has at most.", numbers=range(1, MOST + 1), usual=_USUAL),
            Query("ticket", "Instead of the header, for a browser's EventSource: see `/api/v1/events/tickets`."),
        ),
    ),
    Route(
        "POST",
        "/api/v1/events/tickets",
        "Make a ticket with which a browser's EventSource may read the events for 12 hours",
        create_ticket,
        "pos",
        answers={201: "`{ticket, valid_s, url}`"},
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
