"""The calls about shops: all of them, one, their events and customers; enrolling and retiring them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final, Literal

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway import __version__
from gateway.api.bodies import Body, read_body
from gateway.api.query import Day, Query, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, json_response
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office.enrolment import MAX_DAYS, VALID_DAYS, Enrolment
from gateway.office.shop_facts import ShopHealth
from gateway.office.shops import load_shop, unknown_group
from gateway.office_site.event_feed import ChainEvent, find_resumption, read_events
from gateway.office_site.overview import MAX_SEARCH_LENGTH
from gateway.office_site.reader_stream import ReaderStream
from gateway.office_site.site import OfficeRequest, OfficeRoute
from gateway.protocol import json_text

MAX_PAGE: Final = 500
MAX_PAGE_BYTES: Final = 2 * 1024 * 1024
"""A page of events ends with the one with which it has so many bytes, as the shops have sent them."""
MAX_STREAMS: Final = 100
"""How many programs read a stream of events at the same time."""
MAX_TOKEN_STREAMS: Final = 20
"""How many of them with the same token: one that forgets to close them keeps nobody else out."""
_SILENT_S: Final = 15.0
"""After so many seconds without an event a stream says that it is alive."""
_NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"


HealthName = Literal["cloned", "trouble", "revoked", "away", "never_joined", "ok", "retired"]
"""How a shop is, as `ShopHealth` has it."""


class ShopsQuery(Query):
    """Which shops."""

    q: str | None = Field(
        default=None, max_length=MAX_SEARCH_LENGTH, description="What name, title, version or trouble hold."
    )
    health: list[HealthName] = Field(default=[], max_length=10, description="Only shops that are so.")
    group: list[str] = Field(default=[], max_length=20, description="Only shops of these groups.")
    version: str | None = Field(default=None, max_length=64, description="Only shops with this version.")
    limit: WholeNumber = Field(default=100, ge=1, le=MAX_PAGE, description="How many.")
    after: WholeNumber = Field(default=0, ge=0, description="How many to leave out: `next` of the page before.")


class ChainEventsQuery(Query):
    """Which events."""

    after: WholeNumber = Field(
        default=0,
        ge=0,
        description="The number in the stream after which they begin; one that it does not have yet, as after its "
        "restoration from a backup, begins with the newest 10,000.",
    )
    shop: str | None = Field(default=None, pattern=_NAME, description="Only those of this shop.")
    type: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,64}){0,4}$",
        description="Only those of this type, or of this family, as `camera`.",
    )
    limit: WholeNumber = Field(
        default=100, ge=1, le=MAX_PAGE, description="How many at most, with 2 MB; not for a stream."
    )


class ChainFlowQuery(Query):
    """Which numbers."""

    since: Day | None = Field(default=None, description="The first day; by default the oldest that is known.")
    until: Day | None = Field(default=None, description="The last day.")
    group: str | None = Field(default=None, max_length=64, description="Only shops of this group.")
    shop: str | None = Field(default=None, max_length=64, description="Only this shop.")


class EnrolBody(Body):
    """A shop to enrol."""

    shop: str = Field(max_length=64, description="Its name: letters, digits, - and _.", examples=["hamburg-1"])
    title: str | None = Field(default=None, description="What people call it.")
    groups: list[str] | None = Field(default=None, description="Its groups.")
    valid_days: int = Field(default=VALID_DAYS, ge=1, le=MAX_DAYS, description="For how many days its code is good.")
    again: bool = Field(
        default=False, description="Whether it is enrolled already: what its gateway can do now is revoked."
    )


async def check_office(context: OfficeRequest) -> web.StreamResponse:
    """Say that the head office serves."""
    return json_response({"version": __version__, "age_s": round(context.view.age_s, 1)})


async def list_shops(context: OfficeRequest) -> web.StreamResponse:
    """List shops, the worst first."""
    query = read_query(context.request.query, ShopsQuery)
    shops = context.view.shops
    found = shops.search(query.q or "", healths=[ShopHealth(one) for one in query.health], groups=query.group)
    found = [one for one in found if query.version is None or one.version == query.version]
    end = query.after + query.limit
    document = {
        "shops": [one.describe() for one in found[query.after : end]],
        "total": len(found),
        "counts": {health.value: count for health, count in shops.counts().items()},
        "servers": shops.describe_servers(),
        "age_s": round(context.view.age_s, 1),
        "next": end if end < len(found) else None,
    }
    return json_response(document)


async def show_chain_shop(context: OfficeRequest) -> web.StreamResponse:
    """Return one shop as a whole."""
    return json_response(await load_shop(context.office, _find_shop(context)))


async def enrol_chain_shop(context: OfficeRequest) -> web.StreamResponse:
    """Enrol a shop. Only this response shows its join code."""
    body = await read_body(context.request, EnrolBody)
    code = await Enrolment(context.office).enrol(
        body.shop,
        title=body.title,
        groups=body.groups,
        valid_days=body.valid_days,
        again=body.again,
    )
    await context.view.shops.refresh()
    return json_response({"shop": body.shop, "join_code": str(code), "valid_days": body.valid_days}, 201)


async def retire_chain_shop(context: OfficeRequest) -> web.StreamResponse:
    """Retire a shop: its gateway cannot connect any more."""
    await Enrolment(context.office).retire(_find_shop(context))
    await context.view.shops.refresh()
    return web.Response(status=204)


async def list_chain_events(context: OfficeRequest) -> web.StreamResponse:
    """Return a page of events, or stream them where the caller accepts that."""
    query = read_query(context.request.query, ChainEventsQuery)
    if query.shop is not None:
        context.view.shops.get(query.shop)
    if "text/event-stream" in context.request.headers.get("Accept", ""):
        return await _stream_events(context, query)
    events: list[ChainEvent] = []
    size, following = 0, None
    async for event in _read(context, query, await find_resumption(context.office, query.after)):
        events.append(event)
        size += event.size
        if len(events) == query.limit or size >= MAX_PAGE_BYTES:
            following = event.sequence
            break
    return json_response({"events": [one.describe() for one in events], "next": following})


async def list_chain_flow(context: OfficeRequest) -> web.StreamResponse:
    """Return the customers by day."""
    query = read_query(context.request.query, ChainFlowQuery)
    if query.since is not None and query.until is not None and query.until < query.since:
        raise InvalidRequest([FieldError("until", message("must not be before {start}", start=query.since))])
    shops: set[str] | None = None
    if query.group is not None:
        if query.group not in context.view.shops.groups():
            raise unknown_group(query.group)
        shops = {one.shop for one in context.view.shops if one.record is not None and query.group in one.record.groups}
    if query.shop is not None:
        shops = {context.view.shops.get(query.shop).shop} & (shops if shops is not None else {query.shop})
    flow = context.view.flow
    days = [
        day
        for day in flow.days()
        if (query.since is None or day >= str(query.since)) and (query.until is None or day <= str(query.until))
    ]
    numbers = [
        {"day": day, **flow.sum_day(day, shops).describe(), "shops": flow.count_shops(day, shops)} for day in days
    ]
    return json_response({"days": numbers})


def _find_shop(context: OfficeRequest) -> str:
    """Return the shop in the path. Raises `NotFound`: no other text gets into a subject."""
    return context.view.shops.get(context.request.match_info["shop"]).shop


def _read(context: OfficeRequest, query: ChainEventsQuery, after: int) -> AsyncIterator[ChainEvent]:
    return read_events(context.office, query.shop or "*", query.type, after)


def _format_event(event: ChainEvent) -> bytes:
    data = json_text.dumps(json_text.make_encodable(event.describe()))
    return f"id: {event.sequence}\ndata: {data}\n\n".encode()


async def _stream_events(context: OfficeRequest, query: ChainEventsQuery) -> web.StreamResponse:
    """Stream events as they come; a reader that comes back resumes after `Last-Event-ID`."""
    view, request = context.view, context.request
    resumed = request.headers.get("Last-Event-ID", "")
    after = int(resumed) if resumed.isascii() and resumed.isdigit() and len(resumed) < 20 else query.after
    if not resumed and "after" not in request.query:
        after = view.events.last or 0
    after, restarts = await find_resumption(context.office, after), view.events.restarts
    news = asyncio.Event()
    counted = (("programs", MAX_STREAMS), (f"token {context.token}", MAX_TOKEN_STREAMS))
    with view.open_stream(*counted), view.events.listen(news):
        async with ReaderStream.open(request, context.token) as stream:
            # The servers of the chain have gone: a reader comes back, and resumes where it was.
            with contextlib.suppress(HeadOfficeUnavailable):
                await stream.write(b": the events of the chain\n\n")
                while not view.closing.is_set() and view.access.has(context.token):
                    news.clear()
                    if view.events.restarts != restarts:
                        after, restarts = min(after, view.events.begun_after), view.events.restarts
                    async for event in _read(context, query, after):
                        after = event.sequence
                        await stream.write(_format_event(event))
                    try:
                        async with asyncio.timeout(_SILENT_S):
                            await news.wait()
                    except TimeoutError:
                        await stream.write(b": alive\n\n")
        return stream.response


ROUTES: Final = (
    OfficeRoute("GET", "/healthz", "Whether the head office serves", check_office, None,
                responses={200: DeclaredResponse("It serves.", "OfficeHealth")}),
    OfficeRoute("GET", "/api/v1/shops", "List shops, the worst first", list_shops, "view", query=ShopsQuery,
                responses={200: DeclaredResponse("The shops.", "ChainShopList")}),
    OfficeRoute("POST", "/api/v1/shops", "Enrol a shop", enrol_chain_shop, "admin", EnrolBody,
                {201: DeclaredResponse("Its join code, shown once.", "EnrolledShop")}),
    OfficeRoute("GET", "/api/v1/shops/{shop}", "Show one shop as a whole", show_chain_shop, "view",
                responses={200: DeclaredResponse("The shop.", "WholeShop")}),
    OfficeRoute("DELETE", "/api/v1/shops/{shop}", "Retire a shop", retire_chain_shop, "admin",
                responses={204: DeclaredResponse("Its gateway cannot connect any more.")}),
    OfficeRoute("GET", "/api/v1/events", "List events of all shops, or stream them", list_chain_events, "view",
                query=ChainEventsQuery,
                responses={200: DeclaredResponse("The events; with `Accept: text/event-stream` as they come.",
                                                 "ChainEventList", content_types=("text/event-stream",))}),
    OfficeRoute("GET", "/api/v1/flow", "Customers by day", list_chain_flow, "view", query=ChainFlowQuery,
                responses={200: DeclaredResponse("The customers.", "ChainFlow")}),
)  # fmt: skip
