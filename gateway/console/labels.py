"""The shelf labels of the shop: a list with the worst first."""

from typing import Any, Final, get_args

from aiohttp import web

from gateway.console.label_texts import GROUP_TEXTS, ShownLabel
from gateway.console.page import ConsolePage, PageContext
from gateway.labels.label import LabelGroup

PAGE_SIZE: Final = 50
_GROUPS: Final[tuple[LabelGroup, ...]] = get_args(LabelGroup)
_MAX_SEARCH: Final = 100


async def list_labels(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("labels.html", **await _gather(context))


async def list_labels_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("label_list.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    table, query = context.gateway.label_table, context.request.query
    search = query.get("search", "").strip()[:_MAX_SEARCH]
    group = next((one for one in _GROUPS if one == query.get("state", "")), None)
    given = query.get("skip", "")
    skip = int(given) if given.isdecimal() and len(given) < 10 else 0
    labels, has_more = await table.list_worst_first(search, group=group, skip=skip, limit=PAGE_SIZE)
    counts = await table.count_groups()
    products = await context.gateway.products.table.get_many([one.product_id for one in labels if one.product_id])
    return {
        "labels": [ShownLabel(label, products.get(label.product_id)) for label in labels],
        "previous": max(0, skip - PAGE_SIZE) if skip else None,
        "following": skip + PAGE_SIZE if has_more else None,
        "search": search,
        "state": group or "",
        "skip": skip,
        "states": GROUP_TEXTS,
        "counts": {one: counts.get(one, 0) for one in _GROUPS},
        "total": sum(counts.values()),
        "unreachable": context.gateway.outbox.unreachable,
    }


PAGES = (
    ConsolePage("GET", "labels", list_labels, "pos"),
    ConsolePage("GET", "labels/list", list_labels_part, "pos", shows="part"),
)
