"""The outbox in words for the people of a shop: what waits, since when, why it was refused, and what can be done."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

from aiohttp import web

from firmware_tools.language import Message, count_message, describe_error, message, shorten
from gateway.api.outbox import find_visible_token
from gateway.api.readings import try_read
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import FieldError, InvalidRequest, NotFound, Problem
from gateway.outbox.editing import edit_item_parameters
from gateway.outbox.item import OutboxItem
from gateway.outbox.item_table import Changed, ItemFilter
from gateway.outbox.model import State, Stats
from gateway.outbox.reasons import recognise_reason
from gateway.protocol import json_text
from gateway.runtime.timestamps import utc_text

_LIST: Final = "/console/outbox"
_PAGE_SIZE: Final = 50
_MAX_CHOSEN: Final = 500
_STATES: Final[tuple[State, ...]] = get_args(State)

_SUBJECTS: Final = {
    "order": message("Order"),
    "product": message("Product"),
    "esl": message("Shelf label"),
}
"""What the calls of a family of endpoints are about."""
_NAME_MEMBERS: Final = ("name", "product_name", "title")
"""The parameters that hold the name by which people know a thing."""


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item as the pages show it."""

    item: OutboxItem
    """The item."""
    subject: str
    """What it is about, as `Order`; the vendor's title of the endpoint where there is no such word."""
    name: str
    """The name of the thing, as that of a product; empty if the call has none."""
    age_s: float
    """For how many seconds it has been here, as the clock has it."""

    @property
    def reason(self) -> str:
        """Why it is in its state; without the list of the response, which is in the details."""
        outcome = self.item.outcome
        return recognise_reason(outcome.meaning.removesuffix(f" ({outcome.result_list})"))

    @property
    def created_at(self) -> str:
        """When it was accepted, in UTC."""
        return utc_text(self.item.created_at)


async def list_outbox(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("outbox.html", **await _gather(context))


async def list_outbox_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("outbox_list.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    outbox, query = context.gateway.outbox, context.request.query
    state = query.get("state", "")
    states = (state,) if state in _STATES else ()
    reference = query.get("reference", "").strip()[:200]
    after = int(query["after"]) if query.get("after", "").isdecimal() and len(query["after"]) < 19 else 0
    wanted = ItemFilter(
        token=find_visible_token(context.scopes, context.name), states=states, reference=reference or None
    )
    items, following = await outbox.list_items(wanted, after=after, limit=_PAGE_SIZE)
    counts = await try_read(outbox.counts()) or []
    return {
        "items": [_show(item) for item in items],
        "following": following,
        "state": state if states else "",
        "reference": reference,
        "after": after,
        "states": [(one, sum(count.items for count in counts if count.state == one)) for one in _STATES],
        "refused": sum(count.items for count in counts if count.state == "refused"),
        "stats": await try_read(outbox.stats()) or Stats(outbox.depth, None),
        "outbox": outbox,
        "cloud": context.gateway.cloud,
        "others": await try_read(outbox.accounts.count_held()) or [],
        "sees_all": find_visible_token(context.scopes, context.name) is None,
    }


def _show(item: OutboxItem) -> ShownItem:
    parameters = item.parameters or {}
    subject: str = _SUBJECTS.get(item.path.partition("/")[0]) or (item.endpoint.title if item.endpoint else item.path)
    return ShownItem(item, subject, _find_name(parameters), max(0.0, time.time() - item.created_at))


def _find_name(parameters: dict[str, Any]) -> str:
    """Return the name of what a call is about: its own, or that of the first element of its list."""
    elements = [one for value in parameters.values() if isinstance(value, list) for one in value[:1]]
    for holder in (parameters, *(one for one in elements if isinstance(one, dict))):
        for member in _NAME_MEMBERS:
            if isinstance(holder.get(member), str) and holder[member]:
                return str(holder[member])
    return ""


async def change_items(context: PageContext) -> web.StreamResponse:
    """Send the items that were ticked again, or drop them; or all that are in a state."""
    form = await context.read_form()
    outbox = context.gateway.outbox
    actions: dict[str, Callable[[Sequence[int]], Any]] = {"retry": outbox.revive, "drop": outbox.remove}
    action = actions.get(form.text("action"))
    if action is None:
        raise InvalidRequest([FieldError("action", message("must be retry or drop"))])
    visible = find_visible_token(context.scopes, context.name)
    if form.is_ticked("all"):
        states: tuple[State, ...] = ("refused", "expired")
        changed = await outbox.change_all(ItemFilter(token=visible, states=states), action)
    else:
        chosen = [int(text) for text in form.texts("item")[:_MAX_CHOSEN] if text.isdecimal() and len(text) < 19]
        if not chosen:
            return context.redirect(_find_list(form.text("back")), notice=message("Nothing was chosen."), failed=True)
        items = await outbox.items(chosen)
        changed = await action([one.sequence for one in items if visible in (None, one.token)])
    return context.redirect(_find_list(form.text("back")), notice=_describe(changed), failed=not changed.sequences)


def _describe(changed: Changed) -> Message:
    if not changed.left:
        return message("{count} done.", count=len(changed.sequences))
    return message(
        "{count} done, {left} left: {reason}",
        count=len(changed.sequences),
        left=len(changed.left),
        reason=changed.left[0].reason,
    )


def _find_list(back: str) -> str:
    return back if back.startswith((f"{_LIST}?", f"{_LIST}/")) and back.isprintable() else _LIST


async def show_item(context: PageContext) -> web.StreamResponse:
    """Show an item with its content, and let a person correct it."""
    item = await _find_item(context)
    return _render_item(context, item, problem=None, text=None)


def _render_item(context: PageContext, item: OutboxItem, *, problem: Problem | None, text: str | None) -> web.Response:
    described = item.describe()
    return context.render(
        "outbox_item.html",
        status=200 if problem is None else problem.status,
        shown=_show(item),
        described=described,
        text=_format(described["parameters"]) if text is None else text,
        answer=_format(described["vendor_answer"]),
        problem=problem,
        unreadable=_find_reason(problem),
    )


def _find_reason(problem: Problem | None) -> str:
    """Return what is wrong with the text as a whole, without the name of its field; empty if it can be read."""
    errors = problem.field_errors if isinstance(problem, InvalidRequest) else ()
    return next((one.reason for one in errors if one.parameter == "parameters"), "")


def _format(document: Any) -> str:
    return "" if document is None else json_text.dumps(json_text.make_encodable(document), indent=2)


async def _find_item(context: PageContext) -> OutboxItem:
    text = context.request.match_info["outbox_id"]
    if not text.isdecimal() or len(text) > 18:
        raise NotFound(message("the outbox has nothing called {text!r}", text=text[:40]))
    return await context.gateway.outbox.item(int(text), find_visible_token(context.scopes, context.name))


async def edit_item(context: PageContext) -> web.StreamResponse:
    """Send an item again with corrected parameters."""
    item = await _find_item(context)
    text = (await context.read_form()).raw_text("parameters")
    try:
        try:
            parameters = json_text.loads(text)
        except (ValueError, RecursionError) as exc:
            raise InvalidRequest(
                [FieldError("parameters", message("is no JSON: {reason}", reason=shorten(describe_error(exc), 200)))]
            ) from exc
        if not isinstance(parameters, dict):
            raise InvalidRequest([FieldError("parameters", message("must be a JSON object"))])
        await edit_item_parameters(context.gateway.outbox, item, parameters, context.gateway.settings.cloud.shop)
    except Problem as exc:
        return _render_item(context, item, problem=exc, text=text)
    return context.redirect(f"{_LIST}/{item.sequence}", notice=message("It was corrected and waits again."))


async def release(context: PageContext) -> web.StreamResponse:
    """Send what is held back after a restore, or what waits for another account."""
    outbox = context.gateway.outbox
    if (await context.read_form()).is_ticked("to_current"):
        moved = await outbox.move_to_current()
        notice = count_message(
            "{count} call goes to the account of the settings.",
            "{count} calls go to the account of the settings.",
            moved.released,
        )
        return context.redirect(_LIST, notice=notice)
    await outbox.release_hold()
    return context.redirect(_LIST, notice=message("What was held back is sent now."))


PAGES = (
    ConsolePage("GET", "outbox", list_outbox, "pos"),
    ConsolePage("GET", "outbox/list", list_outbox_part, "pos", shows="part"),
    ConsolePage("POST", "outbox", change_items, "pos", does=message("Retry or drop calls of the outbox")),
    ConsolePage("POST", "outbox/release", release, "admin", does=message("Send what the outbox holds back")),
    ConsolePage("GET", "outbox/{outbox_id}", show_item, "pos"),
    ConsolePage(
        "POST", "outbox/{outbox_id}", edit_item, "pos", does=message("Correct a refused item and send it again")
    ),
)
