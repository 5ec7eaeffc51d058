"""Queued calls for the cloud, and the outbox that holds them, over REST."""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.bodies import (
    DropBody,
    ItemBody,
    ItemsBody,
    ReleaseBody,
    RetryBody,
    check_body,
    read_body,
    read_object,
)
from gateway.api.idempotency import parse_idempotency_key
from gateway.api.problems import REPLAYED_HEADER
from gateway.api.query import Query, Time, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.app import Gateway
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, PeerTimeout, VendorRefused
from gateway.outbox.editing import edit_item_parameters
from gateway.outbox.item import OutboxItem, describe_submission
from gateway.outbox.item_table import Changed, ItemFilter
from gateway.outbox.model import State
from gateway.outbox.submission import SubmissionStatus
from gateway.protocol import json_text
from gateway.protocol.endpoint import Call, Scope

DEFAULT_WAIT_S: Final = 2.0
"""How long a caller waits for the cloud, unless it says."""
MAX_WAIT_S: Final = 30.0
"""How long a caller can wait for the cloud."""

_WAIT_PREFERENCE: Final = re.compile(r"wait\s*=\s*\"?(\d{1,9}(?:\.\d{1,3})?)\"?", re.IGNORECASE)
_OUTBOX_ID: Final = re.compile(r"(s?)([1-9][0-9]{0,17})")
_MAX_PAGE: Final = 500
_MAX_NAMED: Final = 100
"""How many items are named with which nothing could be done."""


async def queue_call(context: RequestContext, call: Call) -> web.Response:
    """Queue a call for the cloud. Respond with its outcome if that is known in time, else with where to find it."""
    gateway = context.gateway
    gateway.cloud.check_credentials()
    gateway.outbox_worker.start()
    wait_s, preferred = _parse_wait(context.request)
    status = await gateway.outbox.submit(
        call, token=context.token, idempotency_key=parse_idempotency_key(context.request), wait_s=wait_s
    )
    headers = {"Preference-Applied": f"wait={wait_s:g}"} if preferred else {}
    if status.is_repeat:
        headers[REPLAYED_HEADER] = "true"
    return _make_response(call.endpoint.path, status, headers)


def _make_response(name: str, status: SubmissionStatus, headers: dict[str, str]) -> web.Response:
    """Return the vendor's response if all items are done, else 202.

    Raises `VendorRefused` if all are refused, and `PeerTimeout` if they expired.
    """
    outcome = status.outcome
    if outcome is None or status.state == "superseded":
        body = f'{{"outbox_id":"{status.outbox_id}","state":"{status.state}"}}'
        headers["Location"] = f"/api/v1/outbox/{status.outbox_id}"
        return web.Response(body=body.encode(), status=202, headers=headers, content_type="application/json")
    if status.state == "expired":
        expired = PeerTimeout(
            message("{name} was not sent: {meaning}", name=name, meaning=outcome.meaning or message("it has expired"))
        )
        expired.outbox_id, expired.is_repeat = status.outbox_id, status.is_repeat
        raise expired
    if status.state == "refused":
        code = 0 if outcome.code is None else outcome.code
        refused = VendorRefused(
            message(
                "the cloud refused {name} with code {code}: {meaning}; it stays in the outbox as {outbox_id}",
                name=name,
                code=code,
                meaning=outcome.meaning,
                outbox_id=status.outbox_id,
            ),
            vendor_code=code,
            vendor_meaning=outcome.meaning,
            vendor_answer=json_text.loads(status.response),
        )
        refused.outbox_id, refused.is_repeat = status.outbox_id, status.is_repeat
        raise refused
    return web.Response(body=status.response.encode(), headers=headers, content_type="application/json")


def _parse_wait(request: web.Request) -> tuple[float, bool]:
    """Return how many seconds to wait for the cloud, and whether the caller asked for that (`Prefer`, RFC 7240)."""
    for text in request.headers.getall("Prefer", ()):
        for preference in text.split(","):
            if match := _WAIT_PREFERENCE.fullmatch(preference.partition(";")[0].strip()):
                return min(float(match[1]), MAX_WAIT_S), True
    return DEFAULT_WAIT_S, False


class ItemsQuery(Query):
    """Which items of the outbox are listed."""

    state: State | None = Field(default=None, description="Only items in this state.")
    path: str | None = Field(default=None, description="Only items of this endpoint.")
    code: WholeNumber | None = Field(default=None, description="Only items with this code of the vendor.")
    before: Time | None = Field(default=None, description="Only items that were accepted before this time.")
    reference: str | None = Field(default=None, description="Only items with this identifier, as an order number.")
    limit: WholeNumber = Field(default=50, ge=1, le=_MAX_PAGE, description="How many items a page has at most.")
    after: WholeNumber = Field(
        default=0, ge=0, le=10**18, description="Only items behind this one: `next` of the page before."
    )


async def list_items(context: RequestContext) -> web.StreamResponse:
    """List items in the order of acceptance, a page at a time."""
    query = read_query(context.request.query, ItemsQuery)
    visible = find_visible_token(context.scopes, context.token)
    wanted = _make_filter(visible, query, () if query.state is None else (query.state,))
    items, next_sequence = await context.gateway.outbox.list_items(wanted, after=query.after, limit=query.limit)
    next_text = None if next_sequence is None else str(next_sequence)
    return json_response({"items": [item.describe() for item in items], "next": next_text})


async def show_item(context: RequestContext) -> web.StreamResponse:
    """Show an item, or a submission with its items."""
    return await _describe_items(context)


async def retry_item(context: RequestContext) -> web.StreamResponse:
    """Send a refused or expired item again; of a submission, all that can be sent, and name the others."""
    _, items = await _find_items(context)
    failed = [item.sequence for item in items if item.state in ("refused", "expired")]
    # If none is, `retry` raises a conflict that says why.
    changed = await context.gateway.outbox.retry(failed or [item.sequence for item in items])
    return await _describe_items(context, 202, changed)


async def retry_items(context: RequestContext) -> web.StreamResponse:
    """Send many refused or expired items again, and say with which that is not possible."""
    body = await read_body(context.request, RetryBody)
    visible = find_visible_token(context.scopes, context.token)
    return json_response(await retry_failed(context.gateway, body, visible))


async def retry_failed(gateway: Gateway, body: RetryBody, token: str | None) -> dict[str, Any]:
    """Send refused or expired items of a token again, or of all tokens, and return what came of that as JSON."""
    states: tuple[State, ...] = ("refused", "expired") if body.state is None else (body.state,)
    changed = await gateway.outbox.change_all(_make_bulk_filter(token, body, states), gateway.outbox.revive)
    return {"retried": len(changed.sequences), **_describe_left(changed)}


async def drop_items(context: RequestContext) -> web.StreamResponse:
    """Remove many items that were not delivered, and say with which that is not possible."""
    body = await read_body(context.request, DropBody)
    states: tuple[State, ...] = ("refused", "expired", "waiting", "superseded") if body.state is None else (body.state,)
    outbox = context.gateway.outbox
    visible = find_visible_token(context.scopes, context.token)
    changed = await outbox.change_all(_make_bulk_filter(visible, body, states), outbox.remove)
    return json_response({"dropped": len(changed.sequences), **_describe_left(changed)})


def _make_bulk_filter(token: str | None, body: RetryBody | DropBody, states: tuple[State, ...]) -> ItemFilter:
    if not body.all and all(one is None for one in (body.state, body.path, body.code, body.before)):
        raise InvalidRequest([FieldError("all", message("must be true where no state, path, code or before is given"))])
    return _make_filter(token, body, states)


def _make_filter(token: str | None, given: ItemsQuery | ItemsBody, states: tuple[State, ...]) -> ItemFilter:
    return ItemFilter(
        token=token,
        states=states,
        path=None if given.path is None else given.path.strip("/").removeprefix("openapi/"),
        code=given.code,
        before=None if given.before is None else given.before.timestamp(),
        reference=given.reference if isinstance(given, ItemsQuery) else None,
    )


def _describe_left(changed: Changed) -> dict[str, Any]:
    left = [{"outbox_id": str(one.sequence), "reason": one.reason} for one in changed.left[:_MAX_NAMED]]
    return {"left": len(changed.left), "left_items": left}


async def edit_item(context: RequestContext) -> web.StreamResponse:
    """Replace the parameters of a refused item, which is then sent again."""
    outbox = context.gateway.outbox
    document = await read_object(context.request)
    check_body(document, ItemBody)
    submission, items = await _find_items(context)
    if submission is not None:
        raise Conflict(message("the items of a call are edited one by one: use the outbox_id of an item"))
    # Not those of the model, which has floats for decimal numbers.
    await edit_item_parameters(outbox, items[0], document["parameters"], context.gateway.settings.cloud.shop)
    return await _describe_items(context)


async def release(context: RequestContext) -> web.StreamResponse:
    """Send what is held: what a restored outbox holds back, or what waits for another account."""
    return json_response(await release_held(context.gateway, await read_body(context.request, ReleaseBody)))


async def release_held(gateway: Gateway, body: ReleaseBody) -> dict[str, Any]:
    """Send what is held, and return as JSON how much that is."""
    outbox = gateway.outbox
    if body.to_current:
        return (await outbox.move_to_current())._asdict()
    held = sum(other.items for other in await outbox.accounts.count_held())
    released = outbox.depth - held if outbox.held else 0
    await outbox.release_hold()
    return {"released": released}


async def drop_item(context: RequestContext) -> web.StreamResponse:
    """Remove an item that was not delivered; of a submission, all that were not."""
    submission, items = await _find_items(context)
    if submission is not None:
        items = [item for item in items if item.state != "delivered"]
    await context.gateway.outbox.drop([item.sequence for item in items])
    return web.Response(status=204)


def find_visible_token(scopes: Collection[Scope], name: str) -> str | None:
    """Return the token whose items a caller may see; None if it may see those of all."""
    return None if "installer" in scopes else name


async def _find_items(context: RequestContext) -> tuple[int | None, Sequence[OutboxItem]]:
    """Return the items that the path names, and their submission if it names one. Raises `NotFound`."""
    outbox_id = context.request.match_info["outbox_id"]
    match = _OUTBOX_ID.fullmatch(outbox_id)
    if match is None:
        raise NotFound(message("the outbox has nothing called {outbox_id!r}", outbox_id=outbox_id))
    number = int(match[2])
    if not match[1]:
        return None, [await context.gateway.outbox.item(number, find_visible_token(context.scopes, context.token))]
    items = await context.gateway.outbox.submission(number, find_visible_token(context.scopes, context.token))
    if not items:
        raise NotFound(message("the items of {outbox_id} are gone", outbox_id=outbox_id))
    return number, items


async def _describe_items(context: RequestContext, status: int = 200, changed: Changed | None = None) -> web.Response:
    submission, items = await _find_items(context)
    document: dict[str, Any] = items[0].describe() if submission is None else describe_submission(submission, items)
    if changed is not None:
        document |= _describe_left(changed)
    return json_response(document, status)


ROUTES = (
    Route("POST", "/api/v1/outbox/release", "Send what the outbox holds back", release, "admin", ReleaseBody,
          {200: DeclaredResponse("What is sent now.", "ReleasedItems")}),
    Route("POST", "/api/v1/outbox/retry", "Send many refused items again", retry_items, "pos", RetryBody,
          {200: DeclaredResponse("What is sent again.", "RetriedItems")}),
    Route("POST", "/api/v1/outbox/drop", "Drop many items", drop_items, "pos", DropBody,
          {200: DeclaredResponse("What was removed.", "DroppedItems")}),
    Route("GET", "/api/v1/outbox", "Calls that wait for the cloud, and what became of them", list_items, "pos",
          query=ItemsQuery, responses={200: DeclaredResponse("A page of items.", "OutboxPage")},
          etag_ignores=()),
    Route("GET", "/api/v1/outbox/{outbox_id}", "One item of the outbox, or one call with its items", show_item, "pos",
          responses={200: DeclaredResponse("The item, or the call.", "OutboxEntry")}, etag_ignores=()),
    Route("PUT", "/api/v1/outbox/{outbox_id}", "Correct a refused item and send it again", edit_item, "pos", ItemBody,
          {200: DeclaredResponse("The item as it is now; it waits again.", "OutboxItem")}),
    Route("DELETE", "/api/v1/outbox/{outbox_id}", "Drop an item", drop_item, "pos",
          responses={204: DeclaredResponse("Dropped.")}),
    Route("POST", "/api/v1/outbox/{outbox_id}/retry", "Send a refused item again", retry_item, "pos",
          responses={202: DeclaredResponse("It waits again.", "OutboxEntry")}),
)  # fmt: skip
