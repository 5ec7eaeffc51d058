"""Comparing all products with what the cloud really has, and bringing it back to what the lists say."""

from typing import Any, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.console.page import ConsolePage, PageContext
from gateway.console.product_texts import COMPARISON, find_field_title, find_product_page
from gateway.runtime.timestamps import utc_text

_MAX_SHOWN: Final = 100


async def show_comparison(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("product_comparison.html", **_gather(context))


async def show_result(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("product_differences.html", **_gather(context))


def _gather(context: PageContext) -> dict[str, Any]:
    last = context.gateway.reconciler.last
    return {
        "last": last,
        "ended_at": "" if last.ended_at is None else utc_text(last.ended_at),
        "different_products": len({one.product_id for one in last.different}),
        "max_shown": _MAX_SHOWN,
        "find_title": find_field_title,
        "find_page": find_product_page,
    }


async def begin(context: PageContext) -> web.StreamResponse:
    """Begin to compare all products; mend what differs, if the person says so."""
    form = await context.read_form()
    mend = form.is_ticked("mend")
    context.gateway.reconciler.begin(mend=mend, delete_foreign=mend and form.is_ticked("delete_foreign"))
    return context.redirect(COMPARISON)


PAGES = (
    ConsolePage("GET", "products/comparison", show_comparison, "installer"),
    ConsolePage("GET", "products/comparison/result", show_result, "installer", shows="part"),
    ConsolePage(
        "POST",
        "products/comparison",
        begin,
        "installer",
        does=message("Compare all products with the cloud, or bring the cloud back to the lists"),
    ),
)
