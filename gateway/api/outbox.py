"""Calls that wait for the cloud: how a queued call is answered, and what may be done to what waits."""

import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from gateway.api.auth import allows
from gateway.api.bodies import ItemBody, read_body
from gateway.api.query import QueryParameter
from gateway.api.route import RequestContext, Route, respond
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, PeerTimeout, VendorRefused
from gateway.outbox import Entry, describe_submission
from gateway.outbox.batching import STATES, rebuilt, split
from gateway.outbox.worker import Submitted
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Call, Endpoint

WAIT_S: Final = 2.0
"""How long a caller waits for the cloud who does not say."""
LONGEST_WAIT_S: Final = 30.0
MOST_KEY: Final = 255
"""How many characters an idempotency key may have."""

_WAIT: Final = re.compile(r"wait\s*=\s*\"?(\d{1,9}(?:\.\d{1,3})?)\"?", re.IGNORECASE)
_ID: Final = re.compile(r"(s?)([1-9][0-9]{0,17})")
_MOST_ITEMS: Final = 500


async def queue_call(context: RequestContext, call: Call) -> web.Response:
    """Keep a call for the cloud and answer its fate if that is known in time, else where to ask for it."""
    wait_s, applied = _wait(context.request)
    headers = {"Preference-Applied": f"wait={wait_s:g}"} if applied else {}
    submitted = await context.gateway.relay.submit(
        call, token=context.token, key=_idempotency_key(context.request), wait_s=wait_s
    )
    if submitted.state in ("delivered", "refused"):
        return _answer(call.endpoint, submitted, headers)
    if submitted.state == "expired":
        reason = next((one.fate.meaning for one in submitted.members if one.fate.meaning), "")
        raise PeerTimeout(f"{call.endpoint.path} was not sent: {reason or 'it had no worth any more'}")
    body = f'{{"outbox_id":"{submitted.outbox_id}","state":"{submitted.state}"}}'
    headers["Location"] = f"/api/v1/outbox/{submitted.outbox_id}"
    return web.Response(body=body.encode(), status=202, headers=headers, content_type="application/json")


def _answer(endpoint: Endpoint, submitted: Submitted, headers: dict[str, str]) -> web.Response:
    """Answer in the vendor's shape, from the caller's own items. Raises `VendorRefused` when all are refused."""
    text = rebuilt(endpoint, submitted.members)
    if submitted.state == "refused":
        fate = submitted.members[0].fate
        code = 0 if fate.code is None else fate.code
        raise VendorRefused(
            f"the cloud refused {endpoint.path} with code {code}: {fate.meaning}; "
            f"it stays in the outbox as {submitted.outbox_id}",
            vendor_code=code,
            vendor_meaning=fate.meaning,
            vendor_answer=json_text.loads(text),
        )
    return web.Response(body=text.encode(), headers=headers, content_type="application/json")


def _wait(request: web.Request) -> tuple[float, bool]:
    """Return for how many seconds the caller waits, and whether that is what it prefers (RFC 7240)."""
    for text in request.headers.getall("Prefer", ()):
        for preference in text.split(","):
            if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
                return min(float(found[1]), LONGEST_WAIT_S), True
    return WAIT_S, False


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MOST_KEY and key.isprintable()):
        raise InvalidRequest([FieldError("Idempotency-Key", f"must have 1 to {MOST_KEY} printable characters")])
    return key


async def list_items(context: RequestContext) -> web.StreamResponse:
    """List items in the order of acceptance, a page at a time."""
    query = context.query
    path = query.get("path")
    entries, following = await context.gateway.outbox.entries(
        token=_visible(context),
        state=query.get("state"),
        path=None if path is None else path.strip("/").removeprefix("openapi/"),
        after=query["after"],
        limit=query["limit"],
    )
    following_text = None if following is None else str(following)
    return respond({"items": [entry.describe() for entry in entries], "next": following_text})


async def show_item(context: RequestContext) -> web.StreamResponse:
    """Show an item, or a submission with its items."""
    return await _shown(context)


async def retry_item(context: RequestContext) -> web.StreamResponse:
    """Let a refused or expired item be sent again; of a submission, all that are."""
    _, entries = await _named(context)
    chosen = [entry.sequence for entry in entries if entry.state in ("refused", "expired")]
    # With nothing to choose from, the conflict says why.
    await context.gateway.outbox.retry(chosen or [entry.sequence for entry in entries])
    return await _shown(context, 202)


async def edit_item(context: RequestContext) -> web.StreamResponse:
    """Correct a refused item, which is then sent again."""
    outbox = context.gateway.outbox
    body = await read_body(context.request, ItemBody)
    submission, entries = await _named(context)
    if submission is not None:
        raise Conflict("edit the items of the call one by one; it shows their outbox_id")
    entry = entries[0]
    endpoint = CATALOGUE.get("cloud", entry.path)
    call = endpoint.encode(
        body.parameters, files=await outbox.files(entry.sequence), defaults=context.gateway.settings.cloud.shop
    )
    shared, items = split(call)
    if len(items) != 1:
        raise InvalidRequest([FieldError("parameters", f"must hold one item, not {len(items)}")])
    await outbox.edit(entry.sequence, shared, items[0])
    return await _shown(context)


async def release(context: RequestContext) -> web.StreamResponse:
    """Let a restored outbox go: what waits is sent from now on."""
    outbox = context.gateway.outbox
    released = outbox.depth if outbox.held else 0
    await outbox.let_go()
    return respond({"released": released})


async def drop_item(context: RequestContext) -> web.StreamResponse:
    """Remove an item that was not delivered; of a submission, all that were not."""
    submission, entries = await _named(context)
    if submission is not None:
        entries = [entry for entry in entries if entry.state != "delivered"]
    await context.gateway.outbox.drop([entry.sequence for entry in entries])
    return web.Response(status=204)


def _visible(context: RequestContext) -> str | None:
    """Return the token whose items the caller may see, or None for those of all."""
    return None if allows(context.scope, "installer") else context.token


async def _named(context: RequestContext) -> tuple[int | None, Sequence[Entry]]:
    """Return the submission that the path names, if it names one, and the items. Raises `NotFound`."""
    outbox_id = context.request.match_info["outbox_id"]
    found = _ID.fullmatch(outbox_id)
    if found is None:
        raise NotFound(f"the outbox has nothing called {outbox_id!r}")
    number = int(found[2])
    if not found[1]:
        return None, [await context.gateway.outbox.item(number, _visible(context))]
    entries = await context.gateway.outbox.members(number, _visible(context))
    if not entries:
        raise NotFound(f"the items of {outbox_id} are gone")
    return number, entries


async def _shown(context: RequestContext, status: int = 200) -> web.Response:
    submission, entries = await _named(context)
    shown: dict[str, Any] = entries[0].describe() if submission is None else describe_submission(submission, entries)
    return respond(shown, status)


_QUERY: Final = (
    QueryParameter("state", "Only items in this state.", choices=STATES),
    QueryParameter("path", "Only items of this endpoint."),
    QueryParameter("limit", "How many items a page has at most.", numbers=range(1, _MOST_ITEMS + 1), default=50),
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
    Route("DELETE", "/api/v1/outbox/{outbox_id}", "Drop an item", drop_item, "pos", answers={204: "Dropped."}),
    Route("POST", "/api/v1/outbox/{outbox_id}/retry", "Send a refused item again", retry_item, "pos",
          answers={202: "It waits again."}),
)  # fmt: skip
