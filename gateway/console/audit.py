"""The log of who did what."""

from typing import Final

from aiohttp import web

from gateway.api.audit import describe_change
from gateway.console.page import ConsolePage, PageContext
from gateway.console.shop import TABS

_PAGE_SIZE: Final = 100


async def show_audit(context: PageContext) -> web.StreamResponse:
    """List who changed what, the newest first."""
    given = context.request.query.get("before", "")
    before = int(given) if given.isdecimal() and len(given) < 19 else None
    changes, following = await context.gateway.audit.read(before=before, limit=_PAGE_SIZE)
    return context.render(
        "shop_audit.html",
        tabs=TABS,
        changes=[describe_change(one) for one in changes],
        following=following,
        before=before,
    )


PAGES = (ConsolePage("GET", "shop/audit", show_audit, "admin"),)
