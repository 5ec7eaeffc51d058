"""The docking demonstration: begun with one camera, followed step by step, left and come back to."""

import asyncio
from typing import Any, Final

from aiohttp import hdrs, web

from firmware_tools.language import Message, message
from gateway.api.changes import name_object
from gateway.console.page import ConsolePage, PageContext
from gateway.doctor.check import Status
from gateway.errors import NotFound, Problem
from gateway.shop.demonstration import DemonstrationRequest
from gateway.shop.demonstration.record import DemonstrationStepState, describe_steps

DEMONSTRATION: Final = "/console/cameras/demonstration"
_MAX_CAMERAS: Final = 200
"""How many cameras can be chosen from; those that report faces come first."""
_STEP_STATES: Final[dict[DemonstrationStepState, tuple[Status, Message, str]]] = {
    "pending": ("skipped", message("to do"), ""),
    "running": ("skipped", message("under way"), "…"),
    "waiting": ("warning", message("waits for you"), "…"),
    "done": ("ok", message("done"), "✓"),
    "warning": ("warning", message("look at it"), "!"),
    "failed": ("failed", message("failed"), "✗"),
}
"""How the state of a step looks, what it is called, and its mark."""


async def show_page(context: PageContext) -> web.StreamResponse:
    """Show how far the demonstration is; without one, what it would do, and ask for the camera."""
    return context.render("demonstration.html", **_gather(context))


async def show_progress(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("demonstration_progress.html", **_gather(context))


def _gather(context: PageContext) -> dict[str, Any]:
    demonstration = context.gateway.shop_parts.demonstration
    record = None if demonstration.record is None else demonstration.describe()
    shop = context.gateway.settings.cloud.shop
    return {
        "record": record,
        "steps": describe_steps() if record is None else record["steps"],
        "step_states": _STEP_STATES,
        "candidates": demonstration.list_candidates()[:_MAX_CAMERAS],
        "shop": shop.get("sunmi_shop_no") or shop.get("shop_id") or "",
        "shows_picture": record is not None and record["picture"] is not None and "media" in context.scopes,
        "event_wait_s": context.gateway.settings.provisioning.event_wait_s,
    }


async def start(context: PageContext) -> web.StreamResponse:
    """Begin a demonstration, or go on with the last one."""
    form = await context.read_form()
    request = DemonstrationRequest(sn=form.text("sn"), resume=form.text("resume") == "yes")
    try:
        await context.gateway.shop_parts.demonstration.start(request)
    except Problem as exc:
        return context.redirect(DEMONSTRATION, notice=exc.detail, failed=True)
    name_object(context.request, context.gateway.shop_parts.demonstration.get_record().sn)
    return context.redirect(DEMONSTRATION)


async def stop(context: PageContext) -> web.StreamResponse:
    """Stop the demonstration; what was ticked off stays."""
    try:
        await context.gateway.shop_parts.demonstration.stop()
    except Problem as exc:
        return context.redirect(DEMONSTRATION, notice=exc.detail, failed=True)
    return context.redirect(DEMONSTRATION, notice=message("It was stopped. What was ticked off stays."))


async def delete(context: PageContext) -> web.StreamResponse:
    """Forget the last demonstration, with its picture."""
    try:
        await context.gateway.shop_parts.demonstration.delete()
    except Problem as exc:
        return context.redirect(DEMONSTRATION, notice=exc.detail, failed=True)
    return context.redirect(DEMONSTRATION, notice=message("The demonstration was deleted, with its picture."))


async def show_record(context: PageContext) -> web.StreamResponse:
    """Show the record of the demonstration, which prints on A4."""
    from gateway.shop.demonstration.record_page import render_demonstration  # takes memory, and is rarely needed
    from gateway.shop.sheet_page import SHEET_PAGE_HEADERS

    demonstration = context.gateway.shop_parts.demonstration
    document = demonstration.describe()
    may_see = "media" in context.scopes
    picture = await asyncio.to_thread(demonstration.load_picture) if may_see else None
    html = await asyncio.to_thread(render_demonstration, document, picture, context.language)
    return web.Response(text=html, content_type="text/html", charset="utf-8", headers=SHEET_PAGE_HEADERS)


async def show_picture(context: PageContext) -> web.StreamResponse:
    """Send the picture that the demonstration took."""
    jpeg = await asyncio.to_thread(context.gateway.shop_parts.demonstration.load_picture)
    if jpeg is None:
        raise NotFound(message("the demonstration has no picture"))
    return web.Response(body=jpeg, content_type="image/jpeg", headers={hdrs.CACHE_CONTROL: "no-store"})


PAGES = (
    ConsolePage("GET", "cameras/demonstration", show_page, "installer"),
    ConsolePage("GET", "cameras/demonstration/progress", show_progress, "installer", shows="part"),
    ConsolePage("GET", "cameras/demonstration/record", show_record, "installer", shows="data"),
    ConsolePage("GET", "cameras/demonstration/photo", show_picture, "media", shows="data"),
    ConsolePage(
        "POST", "cameras/demonstration/start", start, "installer", does=message("Begin the docking demonstration")
    ),
    ConsolePage(
        "POST", "cameras/demonstration/stop", stop, "installer", does=message("Stop the docking demonstration")
    ),
    ConsolePage(
        "POST", "cameras/demonstration/delete", delete, "installer", does=message("Delete the docking demonstration")
    ),
)
