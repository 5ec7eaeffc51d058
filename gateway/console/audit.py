"""The log of who did what."""

from typing import Final

from aiohttp import web

from firmware_tools.language import recognise, template
from gateway.api.audit import describe_change
from gateway.audit.change import Change
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import TABS

_PAGE_SIZE: Final = 100
_COUNTED: Final = (template("{count} cameras"), template("{count} products"))
"""What changes of many things name as their object."""


async def show_audit(context: PageContext) -> web.StreamResponse:
    """List who changed what, the newest first."""
    given = context.request.query.get("before", "")
    before = int(given) if given.isdecimal() and len(given) < 19 else None
    changes, following = await context.gateway.audit.read(before=before, limit=_PAGE_SIZE)
    return context.render(
        "shop_audit.html",
        tabs=TABS,
        changes=[_show(one) for one in changes],
        following=following,
        before=before,
    )


def _show(change: Change) -> dict[str, object]:
    is_counted = change.object.partition(" ")[0].isdecimal()
    named = recognise(change.object, _COUNTED) if is_counted else change.object
    return {**describe_change(change), "object": named}


PAGES = (ConsolePage("GET", "shop/audit", show_audit, "admin"),)
