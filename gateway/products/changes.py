"""Changes to products: what makes the cloud's version of a product the wanted one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from gateway.products.product import PRICE_FIELDS
from gateway.protocol import json_text

ChangeKind = Literal["create", "update", "delete"]

Fields = Mapping[str, Any]
"""A product by the vendor's names, its `id` included; prices are `Decimal`. A field without a value is left out."""

_EMPTY: Final = (None, "")
_UNSURE: Final = object()
"""Stands for a value that the cloud may have: it is none that a list can have."""


class ProductChange(NamedTuple):
    """One change to a product at the cloud."""

    kind: ChangeKind
    """What is done: it is created, updated field by field, or deleted."""
    fields: Fields
    """What is sent: all fields to create or rename it, those that differ to update it, `id` alone to delete it."""


class PriceChange(NamedTuple):
    """A price that a list changes."""

    product_id: str
    """The product's own number."""
    name: str
    """The product's name."""
    field: str
    """Which price: one of `gateway.products.product.PRICE_FIELDS`."""
    old: Decimal
    """The price before."""
    new: Decimal
    """The price in the list."""

    @property
    def is_large(self) -> bool:
        """Whether it changes by more than half."""
        return abs(self.new - self.old) * 2 > self.old


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value (NOTES: Empty values)."""
    return {name: value for name, value in fields.items() if value not in _EMPTY}


def merge_fields(older: Fields | None, newer: Fields) -> dict[str, Any]:
    """Return a product after some of its fields were given anew; an empty one takes the value away."""
    return without_empty({**(older or {}), **newer})


def find_change(wanted: Fields | None, confirmed: Fields | None) -> ProductChange | None:
    """Return what makes the cloud's version the wanted one; None if it is, as far as is known.

    None for `wanted` means that it shall not be there, None for `confirmed` that it is not.
    """
    if wanted is None:
        return None if confirmed is None else ProductChange("delete", {"id": confirmed["id"]})
    if confirmed is None:
        return ProductChange("create", wanted)
    emptied = {name: _make_empty(name, wanted) for name in confirmed if name not in wanted}
    target = {**wanted, **emptied}
    differing = {name: value for name, value in target.items() if confirmed.get(name, "") != value}
    if "name" in differing:  # creates the product if the cloud does not have it any more (NOTES: Product updates)
        differing = target
    return ProductChange("update", {"id": wanted["id"], **differing}) if differing else None


def renew_change(wanted: Fields | None, confirmed: Fields | None, change: ProductChange) -> ProductChange:
    """Return what is sent instead of a change of which nobody knows whether the cloud has taken it."""
    if wanted is None or change.kind == "delete":
        return change
    if change.kind == "create":  # where the cloud has taken the first one, this becomes an update of it
        emptied = {name: _make_empty(name, wanted) for name in change.fields if name not in wanted}
        return ProductChange("create", {**wanted, **emptied})
    unsure = dict.fromkeys(change.fields.keys() - {"id"}, _UNSURE)
    return find_change(wanted, {**(confirmed or {}), **unsure}) or change


def apply_change(confirmed: Fields | None, change: ProductChange) -> dict[str, Any] | None:
    """Return what the cloud has once it has taken a change."""
    if change.kind == "delete":
        return None
    return without_empty({**(confirmed or {}), **change.fields})


def find_price_changes(old: Fields, new: Fields) -> list[PriceChange]:
    """Return the prices that both versions of a product have, and that differ."""
    return [
        PriceChange(str(new["id"]), str(new.get("name", "")), field, Decimal(old[field]), Decimal(new[field]))
        for field in PRICE_FIELDS
        if field in old and field in new and old[field] != new[field]
    ]


def _make_empty(name: str, wanted: Fields) -> Any:
    """Return what takes a value away.

    The vendor names no way. Empty text is its word for "not given"; a price has none, so one that is dropped becomes
    the selling price, which promises nobody anything (NOTES: Empty values).
    """
    if name in PRICE_FIELDS:
        return wanted.get("price", 0)
    return 0 if name == "expire_time" else ""


def read_fields(text: str) -> dict[str, Any] | None:
    """Return stored fields; whole prices are `Decimal` too. None if they are damaged: then nothing is known."""
    try:
        return restore_prices(json_text.loads(text))
    except ValueError:
        return None


def restore_prices(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Make the prices of stored fields `Decimal` again. None if the fields are damaged."""
    try:
        fields.update({name: Decimal(fields[name]) for name in PRICE_FIELDS if name in fields})
        return fields if fields["id"] else None
    except (ValueError, ArithmeticError, TypeError, AttributeError, KeyError):
        return None


def write_fields(fields: Fields) -> str:
    """Return fields as they are stored: equal for equal content."""
    return json_text.dumps_canonical(fields).decode()
