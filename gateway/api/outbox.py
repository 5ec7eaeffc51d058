"""Calls that wait for the cloud: how a queued call is answered, and what may be done to what waits."""

import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from gateway.api.auth import scope_covers
from gateway.api.bodies import ItemBody, read_body
from gateway.api.query import QueryParameter
from gateway.api.route import RequestContext, Route, json_response
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, PeerTimeout, VendorRefused
from gateway.outbox.batching import split
from gateway.outbox.item import OutboxItem, describe_submission
from gateway.outbox.model import STATES
from gateway.outbox.outbox import SubmissionStatus
from gateway.protocol import json_text
from gateway.protocol.endpoint import Call

DEFAULT_WAIT_S: Final = 2.0
"""How long a caller waits for the cloud who does not say."""
MAX_WAIT_S: Final = 30.0
MAX_KEY_LENGTH: Final = 255
"""How many characters an idempotency key may have."""

_WAIT: Final = re.compile(r"wait\s*=\s*\"?(\d{1,9}(?:\.\d{1,3})?)\"?", re.IGNORECASE)
_ID: Final = re.compile(r"(s?)([1-9][0-9]{0,17})")
_MAX_PAGE: Final = 500


async def queue_call(context: RequestContext, call: Call) -> web.Response:
    """Store a call for the cloud and answer its outcome if that is known in time, else where to ask for it."""
    gateway = context.gateway
    gateway.cloud.check_credentials()
    gateway.outbox_worker.start()
    wait_s, applied = _wait(context.request)
    status = await gateway.outbox.submit(
        call, token=context.token, idempotency_key=_idempotency_key(context.request), wait_s=wait_s
    )
    headers = {"Preference-Applied": f"wait={wait_s:g}"} if applied else {}
    return _answer(context.request.path, status, headers)


def _answer(path: str, status: SubmissionStatus, headers: dict[str, str]) -> web.Response:
    """Answer in the vendor's shape if all items are done, else with 202. Raises `VendorRefused` if all are refused."""
    name, outcome = path.removeprefix("/api/v1/cloud/"), status.outcome
    if outcome is None or status.state == "superseded":
        body = f'{{"outbox_id":"{status.outbox_id}","state":"{status.state}"}}'
        headers["Location"] = f"/api/v1/outbox/{status.outbox_id}"
        return web.Response(body=body.encode(), status=202, headers=headers, content_type="application/json")
    if status.state == "expired":
        raise PeerTimeout(f"{name} was not sent: {outcome.meaning or 'it had no worth any more'}")
    if status.state == "refused":
        code = 0 if outcome.code is None else outcome.code
        raise VendorRefused(
            f"the cloud refused {name} with code {code}: {outcome.meaning}; "
            f"it stays in the outbox as {status.outbox_id}",
            vendor_code=code,
            vendor_meaning=outcome.meaning,
            vendor_answer=json_text.loads(status.response),
        )
    return web.Response(body=status.response.encode(), headers=headers, content_type="application/json")


def _wait(request: web.Request) -> tuple[float, bool]:
    """Return for how many seconds the caller waits, and whether that is what it prefers (RFC 7240)."""
    for text in request.headers.getall("Prefer", ()):
        for preference in text.split(","):
            if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
                return min(float(found[1]), MAX_WAIT_S), True
    return DEFAULT_WAIT_S, False


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        raise InvalidRequest([FieldError("Idempotency-Key", f"must have 1 to {MAX_KEY_LENGTH} printable characters")])
    return key


async def list_items(context: RequestContext) -> web.StreamResponse:
    """List items in the order of acceptance, a page at a time."""
    query = context.query
    path = query.get("path")
    items, following = await context.gateway.outbox.list_items(
        token=_visible(context),
        state=query.get("state"),
        path=None if path is None else path.strip("/").removeprefix("openapi/"),
        after=query["after"],
        limit=query["limit"],
    )
    following_text = None if following is None else str(following)
    return json_response({"items": [item.describe() for item in items], "next": following_text})


async def show_item(context: RequestContext) -> web.StreamResponse:
    """Show an item, or a submission with its items."""
    return await _shown(context)


async def retry_item(context: RequestContext) -> web.StreamResponse:
    """Let a refused or expired item be sent again; of a submission, all that are."""
    _, items = await _named(context)
    chosen = [item.sequence for item in items if item.state in ("refused", "expired")]
    # With nothing to choose from, the conflict says why.
    await context.gateway.outbox.retry(chosen or [item.sequence for item in items])
    return await _shown(context, 202)


async def edit_item(context: RequestContext) -> web.StreamResponse:
    """Correct a refused item, which is then sent again."""
    outbox = context.gateway.outbox
    body = await read_body(context.request, ItemBody)
    submission, items = await _named(context)
    if submission is not None:
        raise Conflict("edit the items of the call one by one; it shows their outbox_id")
    item = items[0]
    call = item.queued_endpoint.encode(
        body.parameters, files=await outbox.files(item.sequence), defaults=context.gateway.settings.cloud.shop
    )
    shared, edited = split(call)
    if len(edited) != 1:
        raise InvalidRequest([FieldError("parameters", f"must hold one item, not {len(edited)}")])
    await outbox.edit(item.sequence, shared, edited[0])
    return await _shown(context)


async def release(context: RequestContext) -> web.StreamResponse:
    """Let a restored outbox go: what waits is sent from now on."""
    outbox = context.gateway.outbox
    released = outbox.depth if outbox.held else 0
    await outbox.release_hold()
    return json_response({"released": released})


async def drop_item(context: RequestContext) -> web.StreamResponse:
    """Remove an item that was not delivered; of a submission, all that were not."""
    submission, items = await _named(context)
    if submission is not None:
        items = [item for item in items if item.state != "delivered"]
    await context.gateway.outbox.drop([item.sequence for item in items])
    return web.Response(status=204)


def _visible(context: RequestContext) -> str | None:
    """Return the token whose items the caller may see, or None for those of all."""
    return None if scope_covers(context.scope, "installer") else context.token


async def _named(context: RequestContext) -> tuple[int | None, Sequence[OutboxItem]]:
    """Return the submission that the path names, if it names one, and the items. Raises `NotFound`."""
    outbox_id = context.request.match_info["outbox_id"]
    found = _ID.fullmatch(outbox_id)
    if found is None:
        raise NotFound(f"the outbox has nothing called {outbox_id!r}")
    number = int(found[2])
    if not found[1]:
        return None, [await context.gateway.outbox.item(number, _visible(context))]
    items = await context.gateway.outbox.submission(number, _visible(context))
    if not items:
        raise NotFound(f"the items of {outbox_id} are gone")
    return number, items


async def _shown(context: RequestContext, status: int = 200) -> web.Response:
    submission, items = await _named(context)
    shown: dict[str, Any] = items[0].describe() if submission is None else describe_submission(submission, items)
    return json_response(shown, status)


_QUERY: Final = (
    QueryParameter("state", "Only items in this state.", choices=STATES),
    QueryParameter("path", "Only items of this endpoint."),
    QueryParameter("limit", "How many items a page has at most.", numbers=range(1, _MAX_PAGE + 1), default=50),
    QueryParameter(
        "after", "Only items behind this one: `next` of the page before.", numbers=range(10**18 + 1), default=0
    ),
)

ROUTES = (
    Route("POST", "/api/v1/outbox/release", "Send what a restored outbox holds back", release, "admin"),
    Route("GET", "/api/v1/outbox", "Calls that wait for the cloud, and what became of them", list_items, "pos",
          query=_QUERY),
    Route("GET", "/api/v1/outbox/{outbox_id}", "One item of the outbox, or one call with its items", show_item, "pos"),
    Route("PUT", "/api/v1/outbox/{outbox_id}", "Correct a refused item and send it again", edit_item, "pos", ItemBody),
    Route("DELETE", "/api/v1/outbox/{outbox_id}", "Drop an item", drop_item, "pos", responses={204: "Dropped."}),
    Route("POST", "/api/v1/outbox/{outbox_id}/retry", "Send a refused item again", retry_item, "pos",
          responses={202: "It waits again."}),
)  # fmt: skip
