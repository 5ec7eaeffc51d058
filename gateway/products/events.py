"""Events about products, for whoever watches the shelf. They hold no secrets."""

from dataclasses import dataclass

from gateway.protocol.event_type import EventType


@dataclass(frozen=True, kw_only=True)
class ProductListTaken(EventType):
    """A list of products was taken; what it changes is on its way to the cloud."""

    type = "products.list_taken"

    list_source: str
    """The source of the list, as the caller named it; empty if it did not."""
    created: int
    """How many products are new."""
    updated: int
    """How many products change."""
    deleted: int
    """How many products are deleted."""
    unchanged: int
    """How many products are as they were."""
    bad_rows: int
    """How many rows were not taken."""


@dataclass(frozen=True, kw_only=True)
class ProductListRefused(EventType):
    """A list of products from a folder or from the head office was not taken; a person has to look at it."""

    type = "products.list_refused"

    file: str
    """The file, as whoever handed it over names it."""
    list_source: str
    """The source of the list; empty if it has none."""
    reason: str
    """Why it was not taken."""


@dataclass(frozen=True, kw_only=True)
class ProductRefused(EventType):
    """The cloud refused a change to a product; a person has to look at it."""

    type = "products.refused"

    product_id: str
    """The product's own number."""
    name: str
    """Its name."""
    reason: str
    """What the cloud's response means."""


@dataclass(frozen=True, kw_only=True)
class PricesExpired(EventType):
    """Prices have ended, and the cloud does not take the ones that hold now: labels may show the old ones."""

    type = "products.prices_expired"

    products: int
    """Of how many products."""
    product_id: str
    """The number of the first of them."""
    name: str
    """Its name."""


@dataclass(frozen=True, kw_only=True)
class ProductsDiffer(EventType):
    """The cloud has other products than it had taken: somebody changed them there."""

    type = "products.differ"

    missing: int
    """How many products it does not have any more."""
    foreign: int
    """How many it has that no list ever brought there."""
    different: int
    """How many it has with other names, numbers or prices."""
    mended: int
    """How many are brought back to what is wanted."""
