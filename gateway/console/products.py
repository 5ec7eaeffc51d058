"""The products of the shop: a list to search, and what is known of each."""

from typing import Any, Final, get_args

from aiohttp import web

from gateway.console.page import ConsolePage, PageContext
from gateway.console.product_texts import STATE_TEXTS, ShownProduct
from gateway.products.product_table import ProductState

PAGE_SIZE: Final = 50
_STATES: Final[tuple[ProductState, ...]] = get_args(ProductState)
_MAX_SEARCH: Final = 100


async def list_products(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("products.html", **await _gather(context))


async def list_products_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("product_list.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    table, query = context.gateway.products.table, context.request.query
    search = query.get("search", "").strip()[:_MAX_SEARCH]
    state = query.get("state", "")
    states = [one for one in _STATES if one == state]
    given = query.get("after", "")
    after = int(given) if given.isdecimal() and len(given) < 19 else 0
    products, following = await table.search(search, states=states, after=after, limit=PAGE_SIZE)
    counts = await table.count()
    return {
        "products": [ShownProduct(product) for product in products],
        "following": following,
        "search": search,
        "state": states[0] if states else "",
        "after": after,
        "states": STATE_TEXTS,
        "counts": {one: counts.get(one, 0) for one in _STATES},
        "total": sum(counts.values()),
        "unreachable": context.gateway.outbox.unreachable,
    }


PAGES = (
    ConsolePage("GET", "products", list_products, "pos"),
    ConsolePage("GET", "products/list", list_products_part, "pos", shows="part"),
)
