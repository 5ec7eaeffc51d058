"""The page of a product: what the lists say, what the cloud has, its prices so far, and those for a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.changes import name_object
from gateway.api.outbox import find_visible_token
from gateway.console.label_texts import GROUP_TEXTS, ShownLabel
from gateway.console.page import ConsolePage, PageContext
from gateway.console.price_chart import draw_prices
from gateway.console.product_texts import FIELD_TITLES, ShownProduct, find_field_title, find_product_page, show_value
from gateway.errors import NotFound
from gateway.products.changes import Fields
from gateway.products.product_table import StoredProduct
from gateway.products.schedule_table import StoredTimedPrice, TimedPriceState
from gateway.runtime.timestamps import utc_text

_PAGE: Final = "products/by-id/{product_id}"
_MAX_LABELS: Final = 50
_MAX_DIGITS: Final = 18
_MAX_VALUE: Final = 500


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """A field as the lists say it and as the cloud has it."""

    title: Message | str
    """What people call it."""
    listed: str
    """What the lists say; empty for nothing."""
    confirmed: str
    """What the cloud has; empty for nothing."""
    is_different: bool
    """Whether the cloud has something else than it shall have now."""
    is_timed: bool
    """Whether a price for a time is in force instead of that of the lists."""


@dataclass(frozen=True, slots=True)
class ShownTimedPrice:
    """Prices for a time as the page shows them."""

    number: int
    """The number in the database."""
    prices: Sequence[tuple[Message | str, str]]
    """What each price is called, and the price."""
    begins_at: str
    """From when on, in UTC; empty for at once."""
    ends_at: str
    """Until when, in UTC; empty if it never ends."""
    state: TimedPriceState
    """Whether they are in force."""


async def show_product(context: PageContext) -> web.StreamResponse:
    """Show the whole page."""
    return context.render("product.html", **await _gather(context))


async def show_product_part(context: PageContext) -> web.StreamResponse:
    """Show the part that changes."""
    return context.render("product_state.html", **await _gather(context))


async def _gather(context: PageContext) -> dict[str, Any]:
    product = await _find_product(context)
    products = context.gateway.products
    entries = await products.table.list_prices(product.number)
    timed = await products.schedule.table.list_of(product.product_id)
    sees_outbox = find_visible_token(context.scopes, context.name) is None
    return {
        "shown": ShownProduct(product),
        "product": product,
        "fields": list(_compare_fields(product)),
        "item": product.item if sees_outbox and product.state in ("sent", "refused") else None,
        "prices": [
            (utc_text(entry.time), find_field_title(entry.field), "" if entry.value is None else f"{entry.value:.2f}")
            for entry in entries
        ],
        "chart": draw_prices(entries, context.gateway.clock.now()),
        "titles": FIELD_TITLES,
        "timed": [_show_timed_price(entry, products.schedule.now) for entry in timed],
        "labels": [
            ShownLabel(label, product)
            for label in (await context.gateway.label_table.list_of(product.product_id))[:_MAX_LABELS]
        ],
        "label_states": GROUP_TEXTS,
        "unreachable": context.gateway.outbox.unreachable,
    }


def _compare_fields(product: StoredProduct) -> Iterator[FieldComparison]:
    listed, wanted, confirmed = product.listed or {}, product.wanted or {}, product.confirmed or {}
    given = (listed.keys() | wanted.keys() | confirmed.keys()) - {"id"}
    for name in (*(name for name in FIELD_TITLES if name in given), *sorted(given - FIELD_TITLES.keys())):
        yield FieldComparison(
            title=find_field_title(name),
            listed=_show_field(listed, name),
            confirmed=_show_field(confirmed, name),
            is_different=wanted.get(name) != confirmed.get(name),
            is_timed=listed.get(name) != wanted.get(name),
        )


def _show_field(fields: Fields, name: str) -> str:
    return show_value(fields[name])[:_MAX_VALUE] if name in fields else ""


def _show_timed_price(entry: StoredTimedPrice, now: int | None) -> ShownTimedPrice:
    return ShownTimedPrice(
        number=entry.number,
        prices=[(find_field_title(name), f"{price:.2f}") for name, price in entry.prices.items()],
        begins_at=utc_text(entry.begins_at) if entry.begins_at else "",
        ends_at="" if entry.ends_at is None else utc_text(entry.ends_at),
        state=entry.find_state(now),
    )


async def _find_product(context: PageContext) -> StoredProduct:
    product_id = context.request.match_info["product_id"]
    product = await context.gateway.products.table.get(product_id)
    if product is None:
        raise NotFound(message("there is no product {product_id!r}", product_id=product_id))
    return product


async def delete_timed_price(context: PageContext) -> web.StreamResponse:
    """Delete prices for a time."""
    product = await _find_product(context)
    page = find_product_page(product.product_id)
    number = (await context.read_form()).text("number")
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS
    if not is_number or not await context.gateway.products.schedule.delete(product.product_id, int(number)):
        gone = message("These prices are not there any more: they have ended, or somebody has deleted them.")
        return context.redirect(page, notice=gone, failed=True)
    name_object(context.request, product.product_id)
    return context.redirect(page, notice=message("The prices for a time were deleted."))


PAGES = (
    ConsolePage("GET", _PAGE, show_product, "pos"),
    ConsolePage("GET", f"{_PAGE}/state", show_product_part, "pos", shows="part"),
    ConsolePage(
        "POST", f"{_PAGE}/timed-prices/delete", delete_timed_price, "pos", does=message("Delete prices for a time")
    ),
)
