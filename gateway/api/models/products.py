"""Responses about products and their lists."""

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.document import Document, Time
from gateway.api.models.labels import LabelState
from gateway.products import list_check, product_table, reconciliation

ListKind = TypeAliasType("ListKind", list_check.ListKind)
ProductState = TypeAliasType("ProductState", product_table.ProductState)
ReconciliationState = TypeAliasType("ReconciliationState", reconciliation.ReconciliationState)


class ProductPriceDocument(Document):
    """A price as it came into effect at the cloud."""

    field: str = Field(description="Which price: `price`, `promote_price` or `member_price`.", examples=["price"])
    value: str | None = Field(
        description="The price, as a decimal number; null if it has none from then on.", examples=["3.20"]
    )
    time: Time = Field(description="When the cloud took it.")


class TimedPriceDocument(Document):
    """Prices of a product for a time. Where several are in force, the newest win."""

    number: str = Field(description="By which it is deleted; the newer, the higher.", examples=["17"])
    prices: dict[str, str] = Field(
        description="The prices, as decimal numbers, by field.", examples=[{"promote_price": "2.50"}]
    )
    valid_from: Time | None = Field(description="From when on; null for at once.")
    valid_until: Time | None = Field(description="Until when; null if they never end.")
    state: Literal["waiting", "to_come", "in_force"] = Field(
        description="`waiting` until the cloud has told the time since the start, then `to_come` or `in_force`."
    )
    source: str = Field(description="The source of the list that has them; empty if it was not named.")


class ProductLabelDocument(Document):
    """A shelf label that shows a product."""

    esl: str = Field(description="What a person calls it: its printed code, or the cloud's id.", examples=["SKDI39DN"])
    state: LabelState = Field(description="Whether it shows what it should, as `/api/v1/labels/{esl}` says it.")
    problem: str = Field(description="Why it does not, for people; empty if nothing is known to be wrong.")


class ProductDocument(Document):
    """A product, as the shop's lists want it and as the cloud has taken it."""

    product_id: str = Field(description="The shop's own number of it.", examples=["000417"])
    name: str = Field(description="Its name; empty if it has none.", examples=["Cola"])
    state: ProductState = Field(
        description="`settled` if the cloud has what is wanted, `open` if a change is about to be handed over to the "
        "outbox, `sent` while it is on its way, `refused` if the cloud refused it."
    )
    wanted: dict[str, Any] | None = Field(
        description="Its fields by the vendor's names, as the cloud shall have them now, prices for a time included; "
        "null if it shall not be at the cloud.",
        examples=[{"id": "000417", "name": "Cola", "price": 3.20, "promote_price": 2.50}],
    )
    listed: dict[str, Any] | None = Field(
        description="Its fields as the lists say, without prices for a time; null if it shall not be at the cloud.",
        examples=[{"id": "000417", "name": "Cola", "price": 3.20}],
    )
    confirmed: dict[str, Any] | None = Field(
        description="Its fields as the cloud has taken them; null if it does not have the product."
    )
    outbox_id: str | None = Field(
        description="The outbox item that carries the last change; null if there is none.", examples=["1042"]
    )
    problem: str = Field(description="Why the cloud refused the change, for people; empty if it did not.")
    changed_at: Time = Field(description="When a list changed it last.")
    confirmed_at: Time | None = Field(description="When the cloud took a change last; null if it never did.")
    source: str = Field(description="The source of the list that changed it last; empty if it was not named.")
    prices: list[ProductPriceDocument] | None = Field(
        default=None, description="Its prices as they came into effect, newest first; only for a single product."
    )
    timed_prices: list[TimedPriceDocument] | None = Field(
        default=None, description="Its prices for a time, oldest first; only for a single product."
    )
    labels: list[ProductLabelDocument] | None = Field(
        default=None, description="The shelf labels that show it; only for a single product."
    )


class ProductCountsDocument(Document):
    """How many products are in each state."""

    settled: int = Field(description="The cloud has what is wanted.")
    open: int = Field(description="A change is about to be handed over.")
    sent: int = Field(description="A change is on its way.")
    refused: int = Field(description="The cloud refused a change.")


class ProductPageDocument(Document):
    """A page of products."""

    products: list[ProductDocument] = Field(description="The products, in the order in which they were first listed.")
    next: int | None = Field(description="`after` of the next page; null on the last.")
    counts: ProductCountsDocument = Field(description="All products, by state.")


class RowFaultDocument(Document):
    """What is wrong with a row of a list."""

    row: int = Field(description="The row, as a spreadsheet counts; in JSON the product, from 1.", examples=[17])
    column: str = Field(description="The heading of the column; empty if the whole row is meant.", examples=["售价"])
    field: str = Field(description="The field of the product; empty if the whole row is meant.", examples=["price"])
    value: str = Field(description="The value, shortened.", examples=["12,3,4"])
    reason: str = Field(description="What is wrong with it, for people.")


class LargePriceChangeDocument(Document):
    """A price that a list changes by more than half."""

    product_id: str = Field(description="The product's own number.")
    name: str = Field(description="Its name.")
    field: str = Field(description="Which price.", examples=["price"])
    old: str = Field(description="The price before, as a decimal number.", examples=["3.20"])
    new: str = Field(description="The price in the list.", examples=["0.32"])


class ReadRowDocument(Document):
    """A row of a list as it was read."""

    row: int = Field(description="The row, as a spreadsheet counts; in JSON the product, from 1.", examples=[2])
    fields: dict[str, Any] = Field(
        description="What was read, by field.", examples=[{"id": "000417", "name": "Cola", "price": 3.20}]
    )


class ProductListReportDocument(Document):
    """What a list of products changes, and how it was read."""

    taken: bool = Field(description="Whether it was taken; false for a dry run.")
    kind: ListKind = Field(
        description="How it was compared. `complete`: products that it does not name are deleted. `partial`: they "
        "stay, as with a complete list that has a bad row without `id`. `fields`: so do fields that it does not name."
    )
    needs_confirmation: bool = Field(
        description="Whether it deletes more than 5 % of the products, or changes a price by more than half, so that "
        "it is taken only if it comes with `confirm`."
    )
    digest: str = Field(
        description="Stands for all that it changes. As `confirm` it has exactly that taken: if the list or the "
        "products change meanwhile, nothing is.",
        examples=["9f2c61d40be87a135c02f6e1d8b94a70"],
    )
    created: int = Field(description="How many products are new.")
    updated: int = Field(description="How many products change.")
    deleted: int = Field(description="How many products are deleted.")
    unchanged: int = Field(description="How many products are as they were.")
    first_created: list[str] = Field(description="The first 100 new products.")
    first_updated: list[str] = Field(description="The first 100 that change.")
    first_deleted: list[str] = Field(description="The first 100 that are deleted.")
    large_price_changes: int = Field(description="How many prices change by more than half.")
    first_large_price_changes: list[LargePriceChangeDocument] = Field(description="The first 100 of them.")
    timed_prices: int = Field(description="How many products have prices for a time.")
    bad_rows: int = Field(description="How many rows were not taken.")
    faults: list[RowFaultDocument] = Field(description="What is wrong with them, the first 1000.")
    notices: list[str] = Field(description="How the list was read, and what was left out, for people.")
    encoding: str | None = Field(description="The encoding of the list; null where it has none.", examples=["GB18030"])
    separator: str | None = Field(description="What separates its columns; null where nothing does.", examples=[";"])
    decimal: dict[str, str] = Field(
        description="What stands before the decimals, `comma` or `point`, by field; without those that do not tell.",
        examples=[{"price": "comma"}],
    )
    columns: dict[str, str] = Field(
        description="The heading of each field that the list has.", examples=[{"id": "货号", "price": "售价"}]
    )
    first_rows: list[ReadRowDocument] = Field(description="The first 5 good rows as they were read.")


class ProductMappingDocument(Document):
    """How the lists of one source are read."""

    source: str = Field(description="The source.", examples=["erp"])
    columns: dict[str, str] = Field(
        description="The field of each heading; empty for a column that is ignored.", examples=[{"Art.-Nr.": "id"}]
    )
    decimal: dict[str, str] = Field(
        description="What stands before the decimals, by field: `comma` or `point`.", examples=[{"price": "comma"}]
    )
    encoding: str | None = Field(description="The encoding; null if it is recognised.")
    separator: str | None = Field(description="What separates columns; null if it is recognised.")
    sheet: str | None = Field(description="The sheet of a workbook; null for the first with headings.")


class ProductMappingsDocument(Document):
    """The saved mappings."""

    mappings: list[ProductMappingDocument] = Field(description="One for each source, by name.")


class ProductDifferenceDocument(Document):
    """A field of a product that the cloud has otherwise than it had taken it."""

    product_id: str = Field(description="The product's own number.")
    name: str = Field(description="Its name.")
    field: str = Field(description="The field.", examples=["price"])
    confirmed: str = Field(description="What the cloud had taken; empty for no value.", examples=["3.20"])
    found: str = Field(description="What the cloud has; empty for no value.", examples=["2.90"])


class ProductReconciliationDocument(Document):
    """What came of comparing all products with what the cloud really has."""

    state: ReconciliationState = Field(description="How far it is; `never` before the first since the start.")
    began_at: Time | None = Field(description="When it began; null before the first.")
    ended_at: Time | None = Field(description="When it ended; null before that.")
    reason: str = Field(description="Why it failed, for people; empty if it did not.")
    compared: int = Field(description="How many products the cloud has.")
    missing: int = Field(description="How many products the cloud had taken and does not have.")
    foreign: int = Field(description="How many it has that no list ever brought there.")
    different: int = Field(description="How many it has with other names, numbers or prices.")
    first_missing: list[str] = Field(description="The first 500 that are missing.")
    first_foreign: list[str] = Field(description="The first 500 that are foreign.")
    first_different: list[ProductDifferenceDocument] = Field(description="The first 500 fields that differ.")
    mended: int = Field(description="How many products are brought back to what is wanted.")


class FetchedProductPageDocument(Document):
    """A page of products; empty if there is none."""

    total: int | None = Field(default=None, description="How many products there are.", examples=[2])
    product_list: list[dict[str, Any]] | None = Field(
        default=None,
        description="The products of the page, by the vendor's names.",
        examples=[[{"id": "000417", "name": "Cola", "seq_num": "28929380903", "price": 10.00}]],
    )


class FetchedProductsDocument(Document):
    """What the vendor's cloud gets when it fetches products, in its own format."""

    code: int = Field(
        description="0: here they are. 5022: the call is not right, or has to begin with page 1. 5041: another shop. "
        "5000: not now. 5090: it is not the vendor who asks.",
        examples=[0],
    )
    msg: str = Field(description="`succeed`, or why not.", examples=["succeed"])
    data: FetchedProductPageDocument = Field(description="The page.")
