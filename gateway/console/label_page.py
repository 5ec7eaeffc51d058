"""The page of a shelf label: its picture, whether it shows that, and what can be done."""

from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.changes import name_object
from gateway.api.outbox import find_visible_token
from gateway.console.label_texts import LABELS, ShownLabel
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import Conflict, NotFound
from gateway.labels.label import StoredLabel
from gateway.outbox.reasons import recognise_reason
from gateway.protocol.catalogue import CATALOGUE

_PAGE: Final = "labels/by-name/{label}"
_FLASH: Final = CATALOGUE.get("cloud", "device/esl/flashLed")
_WAIT_S: Final = 5.0
"""How long a person waits for the cloud's response to a flash, in seconds."""


async def show_label(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("label.html", **await _gather(context))


async def show_label_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("label_state.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    label = await _find_label(context)
    gateway = context.gateway
    product = await gateway.products.table.get(label.product_id)
    sees_outbox = find_visible_token(context.scopes, context.name) is None
    return {
        "shown": ShownLabel(label, product),
        "label": label,
        "picture_template": gateway.labels.templates.load()[0].get(label.template),
        "item": label.item if sees_outbox and label.state in ("sent", "failed") else None,
        "unreachable": gateway.outbox.unreachable,
    }


async def _find_label(context: PageContext) -> StoredLabel:
    return await context.gateway.labels.updater.get(context.request.match_info["label"])


async def send_picture(context: PageContext) -> web.StreamResponse:
    """Send the picture that the label should show."""
    label = await _find_label(context)
    picture = await context.gateway.label_table.get_picture(label.number)
    if picture is None:
        raise NotFound(message("The picture is not drawn yet."))
    is_current = label.pixel_hash.startswith(context.request.query.get("hash", "-"))
    headers = {"Cache-Control": "private, max-age=31536000, immutable"} if is_current else None
    return web.Response(body=picture, content_type="image/png", headers=headers)


async def verify_label(context: PageContext) -> web.StreamResponse:
    """Ask the label whether it shows its picture; push it again if it failed."""
    shown = ShownLabel(await _find_label(context))
    name_object(context.request, shown.title)
    is_asked = await context.gateway.labels.updater.verify(shown.label.name) > 0
    if not is_asked:
        return context.redirect(shown.address, notice=message("It is on its way already."), failed=True)
    if shown.label.state == "shown":
        return context.redirect(shown.address, notice=message("The cloud is asked whether the label shows it."))
    return context.redirect(shown.address, notice=message("It is tried again."))


async def push_label(context: PageContext) -> web.StreamResponse:
    """Push the picture again, though the label shows it already."""
    shown = ShownLabel(await _find_label(context))
    name_object(context.request, shown.title)
    try:
        await context.gateway.labels.updater.push(shown.label.name)
    except Conflict as exc:
        return context.redirect(shown.address, notice=exc.detail, failed=True)
    return context.redirect(shown.address, notice=message("The picture is pushed again."))


async def flash_label(context: PageContext) -> web.StreamResponse:
    """Have the label flash, so that a person finds it on the shelf."""
    label = await _find_label(context)
    shown = ShownLabel(label)
    name_object(context.request, shown.title)
    if not label.esl_id:
        raise Conflict(message("The cloud has not said yet which label this is. Try again in a moment."))
    call = _FLASH.encode({"esl_id": label.esl_id}, defaults=context.gateway.settings.cloud.shop)
    status = await context.gateway.outbox.submit(call, token=context.name, wait_s=_WAIT_S)
    notice, failed = _describe_flash(status.state, "" if status.outcome is None else status.outcome.meaning)
    return context.redirect(shown.address, notice=notice, failed=failed)


def _describe_flash(state: str, meaning: str) -> tuple[Message, bool]:
    if state == "delivered":
        return message("The label flashes green."), False
    if state == "refused":
        return message("The cloud refused to have it flash: {reason}", reason=recognise_reason(meaning)), True
    return message("The cloud does not answer. The label flashes if it is back within a minute."), True


async def leave_label(context: PageContext) -> web.StreamResponse:
    """Stay away from the label: the vendor's own templates draw it."""
    shown = ShownLabel(await _find_label(context))
    name_object(context.request, shown.title)
    await context.gateway.labels.updater.leave_to_vendor(shown.label.name)
    return context.redirect(shown.address, notice=message("The gateway stays away from this label from now on."))


async def forget_label(context: PageContext) -> web.StreamResponse:
    """Forget the label."""
    shown = ShownLabel(await _find_label(context))
    name_object(context.request, shown.title)
    await context.gateway.labels.updater.delete(shown.label.name)
    return context.redirect(LABELS, notice=message("The label {name} was forgotten.", name=shown.title))


PAGES = (
    ConsolePage("GET", _PAGE, show_label, "pos"),
    ConsolePage("GET", f"{_PAGE}/state", show_label_part, "pos", shows="part"),
    ConsolePage("GET", f"{_PAGE}/picture", send_picture, "pos", shows="data"),
    ConsolePage("POST", f"{_PAGE}/verify", verify_label, "pos", does=message("Ask a shelf label, or try it again")),
    ConsolePage("POST", f"{_PAGE}/push", push_label, "pos", does=message("Push the picture of a shelf label again")),
    ConsolePage("POST", f"{_PAGE}/flash", flash_label, "pos", does=message("Have a shelf label flash")),
    ConsolePage("POST", f"{_PAGE}/leave", leave_label, "pos", does=message("Leave a shelf label to the vendor")),
    ConsolePage("POST", f"{_PAGE}/forget", forget_label, "pos", does=message("Forget a shelf label")),
)
