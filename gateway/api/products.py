"""Products over REST: the shop's lists, and what is in effect at the cloud."""

import re
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BeforeValidator, Field

from firmware_tools.language import message
from gateway.api.bodies import Body, read_body
from gateway.api.changes import mark_unchanged, name_object
from gateway.api.file_body import receive_file
from gateway.api.query import Flag, Query, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import NotFound, UnsupportedMediaType
from gateway.products.columns import MAX_MAPPED_COLUMNS, ColumnMapping
from gateway.products.list_check import DIGEST_CHARACTERS, ListKind
from gateway.products.list_intake import ListOptions
from gateway.products.mapping_table import SOURCE_PATTERN
from gateway.products.product_list import MAX_LIST_BYTES
from gateway.products.product_table import PriceEntry, ProductState, StoredProduct
from gateway.products.schedule_table import StoredTimedPrice
from gateway.runtime.timestamps import utc_text

_LIST_TYPES: Final = (
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
_MAX_PAGE: Final = 500
_MAX_DIGITS: Final = 18
"""Longest number of prices for a time: what a column of the database holds."""

_CONFIRMATION: Final = re.compile(rf"true|false|[0-9a-f]{{{DIGEST_CHARACTERS}}}")
_FLAGS: Final = {"true": True, "false": False}

Source = Annotated[str, Field(pattern=SOURCE_PATTERN)]


def _check_confirmation(text: Any) -> Any:
    if isinstance(text, str) and _CONFIRMATION.fullmatch(text):
        return text
    raise ValueError(message("must be true, false, or the digest of a dry run"))


Confirm = Annotated[str, BeforeValidator(_check_confirmation)]


class ProductBody(Body, extra="allow"):
    """One product, by the vendor's names. Other fields of the vendor pass through."""

    id: str = Field(description="The shop's own number of it.", examples=["000417"])
    name: str | None = Field(default=None, description="Its name.", examples=["Cola"])
    price: float | str | None = Field(
        default=None, description="The selling price: a number, or text, with two decimals.", examples=["3.20"]
    )
    valid_from: str | None = Field(
        default=None,
        description="From when on the promotion price holds, or the other prices if there is none.",
        examples=["2026-12-24 08:00"],
    )
    valid_until: str | None = Field(
        default=None,
        description="Until when; a date without a time is part of it. Then the price without times comes back.",
        examples=["2026-12-31"],
    )


class ProductListBody(Body):
    """A list of products. A list as a till or a spreadsheet saves it is taken too."""

    products: list[ProductBody] = Field(description="The products.", examples=[[{"id": "000417", "name": "Cola"}]])


class ListQuery(Query):
    """How a list of products is to be taken."""

    source: Source = Field(
        default="", description="Where the list is from. A mapping that was saved for it is used.", examples=["erp"]
    )
    file: str = Field(
        default="",
        max_length=1000,
        description="The name of the file that the list is from, if the gateway shall remember it: it is not taken a "
        "second time with the same content, and a refusal becomes an event.",
        examples=["/srv/products/list.csv"],
    )
    map: list[str] = Field(
        default=[],
        max_length=MAX_MAPPED_COLUMNS,
        description="The field of a column, as COLUMN=FIELD; nothing after `=` for a column to ignore, and "
        "`:comma` or `:point` behind a price for what stands before its decimals. Once the list was taken, it is saved "
        "for the source.",
        examples=["VK brutto=price:comma"],
    )
    dry_run: Flag = Field(default=False, description="Whether only to say what it would change.")
    confirm: Confirm = Field(
        default="false",
        description="Whether it may delete more than 5 % of the products, and change prices by more than half: the "
        "`digest` of a dry run to take exactly what that showed, `true` to take it whatever it changes.",
    )
    all_or_nothing: Flag = Field(
        default=False,
        description="Whether nothing is taken if a row is bad. Else the good rows are. A dry run shows both.",
    )


class CompleteListQuery(ListQuery):
    """How a whole list of products is to be taken."""

    complete: Flag = Field(
        default=True,
        description="Whether it is the whole list, so that products that it does not name are deleted. Those whose "
        "rows are bad stay; nothing is deleted if a bad row does not tell its `id`.",
    )


class ProductsQuery(Query):
    """Which products are listed."""

    search: str = Field(default="", max_length=100, description="Only products with this in number, name or bar code.")
    state: ProductState | None = Field(default=None, description="Only products in this state.")
    limit: WholeNumber = Field(default=50, ge=1, le=_MAX_PAGE, description="How many products a page has at most.")
    after: WholeNumber = Field(
        default=0, ge=0, le=10**18, description="Only products behind this one: `next` of the page before."
    )


class ReconciliationBody(Body):
    """What is to be done about differences."""

    mend: bool = Field(default=False, description="Whether to bring the cloud back to what is wanted.")
    delete_foreign: bool = Field(
        default=False, description="Whether to delete products that no list ever brought there, too."
    )


async def put_products(context: RequestContext) -> web.StreamResponse:
    """Take a whole list: what differs from what is wanted so far goes to the cloud."""
    query = read_query(context.request.query, CompleteListQuery)
    return await _take_list(context, query, "complete" if query.complete else "partial")


async def patch_products(context: RequestContext) -> web.StreamResponse:
    """Change some products, and of these only the fields that are named."""
    return await _take_list(context, read_query(context.request.query, ListQuery), "fields")


async def _take_list(context: RequestContext, query: ListQuery, kind: ListKind) -> web.StreamResponse:
    request = context.request
    if request.content_type == "multipart/form-data":
        raise UnsupportedMediaType(message("send the list itself as the body, not a form"))
    options = ListOptions(
        kind=kind,
        source=query.source,
        file=query.file,
        mapping=ColumnMapping.from_options(query.map) if query.map else None,
        dry_run=query.dry_run,
        confirmed=_FLAGS.get(query.confirm, query.confirm),
        all_or_nothing=query.all_or_nothing,
    )
    intake = context.gateway.product_lists
    async with intake.receiving:
        folder = context.gateway.directory.path
        file = await receive_file(request, folder, max_bytes=MAX_LIST_BYTES, min_free_bytes=MAX_LIST_BYTES)
        with file:
            report = await intake.take(file, options)
    if report.taken:
        name_object(request, f"{report.products} products")
    else:
        mark_unchanged(request)
    return json_response(report.describe())


async def list_products(context: RequestContext) -> web.StreamResponse:
    """List products in the order in which they were first listed, a page at a time."""
    query = read_query(context.request.query, ProductsQuery)
    table = context.gateway.products.table
    states = () if query.state is None else (query.state,)
    products, next_number = await table.search(query.search, states=states, after=query.after, limit=query.limit)
    counts = await table.count()
    return json_response(
        {
            "products": [describe_product(product) for product in products],
            "next": next_number,
            "counts": {state: counts.get(state, 0) for state in ("settled", "open", "sent", "refused")},
        }
    )


async def show_product(context: RequestContext) -> web.StreamResponse:
    """Show one product with the prices that came into effect, and the labels that show it."""
    table = context.gateway.products.table
    product_id = context.request.match_info["product_id"]
    product = await table.get(product_id)
    if product is None:
        raise NotFound(message("there is no product {product_id!r}", product_id=product_id))
    prices = await table.list_prices(product.number)
    schedule = context.gateway.products.schedule
    timed = await schedule.table.list_of(product_id)
    labels = await context.gateway.label_table.list_of(product_id)
    return json_response(
        {
            **describe_product(product),
            "prices": [_describe_price(entry) for entry in prices],
            "timed_prices": [_describe_timed_price(entry, schedule.now) for entry in timed],
            "labels": [{"esl": label.name, "state": label.state, "problem": label.problem} for label in labels],
        }
    )


async def delete_timed_price(context: RequestContext) -> web.StreamResponse:
    """Delete prices for a time. Where they are in force, those of the lists come back."""
    product_id = context.request.match_info["product_id"]
    number = context.request.match_info["number"]
    is_number = number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS
    if not is_number or not await context.gateway.products.schedule.delete(product_id, int(number)):
        raise NotFound(
            message("{product_id!r} has no prices for a time of number {number}", product_id=product_id, number=number)
        )
    return web.Response(status=204)


def describe_product(product: StoredProduct) -> dict[str, Any]:
    """Return a product as JSON."""
    return {
        "product_id": product.product_id,
        "name": product.name,
        "state": product.state,
        "wanted": product.wanted,
        "listed": product.listed,
        "confirmed": product.confirmed,
        "outbox_id": None if product.item is None else str(product.item),
        "problem": product.problem,
        "changed_at": utc_text(product.changed_at),
        "confirmed_at": None if product.confirmed_at is None else utc_text(product.confirmed_at),
        "source": product.source,
    }


def _describe_timed_price(entry: StoredTimedPrice, now: int | None) -> dict[str, Any]:
    return {
        "number": str(entry.number),
        "prices": {name: str(price) for name, price in entry.prices.items()},
        "valid_from": utc_text(entry.begins_at) if entry.begins_at else None,
        "valid_until": None if entry.ends_at is None else utc_text(entry.ends_at),
        "state": entry.find_state(now),
        "source": entry.source,
    }


def _describe_price(entry: PriceEntry) -> dict[str, Any]:
    value = None if entry.value is None else str(entry.value)
    return {"field": entry.field, "value": value, "time": utc_text(entry.time)}


async def start_reconciliation(context: RequestContext) -> web.StreamResponse:
    """Begin to compare all products with what the cloud really has."""
    body = await read_body(context.request, ReconciliationBody)
    reconciler = context.gateway.reconciler
    reconciler.begin(mend=body.mend, delete_foreign=body.delete_foreign)
    return json_response(reconciler.last.describe(), 202, {"Location": _RECONCILIATION})


async def show_reconciliation(context: RequestContext) -> web.StreamResponse:
    """Show what the last comparison with the cloud has found."""
    return json_response(context.gateway.reconciler.last.describe())


_PRODUCTS: Final = "/api/v1/products"
_RECONCILIATION: Final = "/api/v1/product-reconciliation"
_REPORT = {200: DeclaredResponse("What the list changes, and how it was read.", "ProductListReport")}

ROUTES = (
    Route(
        "PUT",
        _PRODUCTS,
        "Take a list of products",
        put_products,
        "installer",
        ProductListBody,
        _REPORT,
        query=CompleteListQuery,
        pos_setting="pos_deletes_products",
        file_types=_LIST_TYPES,
    ),
    Route(
        "PATCH",
        _PRODUCTS,
        "Change some products",
        patch_products,
        "pos",
        ProductListBody,
        _REPORT,
        query=ListQuery,
        file_types=_LIST_TYPES,
    ),
    Route(
        "GET",
        _PRODUCTS,
        "List products",
        list_products,
        "pos",
        responses={200: DeclaredResponse("The products of this page.", "ProductPage")},
        query=ProductsQuery,
        etag_ignores=(),
    ),
    Route(
        "GET",
        f"{_PRODUCTS}/{{product_id}}",
        "Show a product",
        show_product,
        "pos",
        responses={200: DeclaredResponse("The product.", "Product")},
        etag_ignores=(),
    ),
    Route(
        "DELETE",
        f"{_PRODUCTS}/{{product_id}}/timed-prices/{{number}}",
        "Delete prices for a time",
        delete_timed_price,
        "pos",
        responses={204: DeclaredResponse("Deleted.")},
    ),
    Route(
        "POST",
        _RECONCILIATION,
        "Compare all products with the cloud",
        start_reconciliation,
        "installer",
        ReconciliationBody,
        {202: DeclaredResponse("It has begun; `Location` shows it.", "ProductReconciliation", headers=("Location",))},
    ),
    Route(
        "GET",
        _RECONCILIATION,
        "Show the last comparison of products with the cloud",
        show_reconciliation,
        "installer",
        responses={200: DeclaredResponse("The comparison.", "ProductReconciliation")},
        etag_ignores=(),
    ),
)
