"""Comparing a list of products with what is wanted so far, before anything of it is taken."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from firmware_tools.language import count_message, message
from gateway.errors import Conflict
from gateway.products.changes import (
    Fields,
    PriceChange,
    find_price_changes,
    merge_fields,
    read_fields,
    without_empty,
    write_fields,
)
from gateway.products.product_table import WantedProduct
from gateway.products.schedule_table import TimedPrice

ListKind = Literal["complete", "partial", "fields"]
"""`complete`: products that it does not name are deleted. `partial`: they stay. `fields`: of those that it names, the
fields that it does not name stay, too."""

MAX_DELETED_SHARE: Final = 0.05
"""Which share of the products a list may delete without being asked."""
MAX_SHOWN: Final = 100
"""How many products of each kind are shown."""
DIGEST_CHARACTERS: Final = 32
"""How long the digest of a difference is."""

Confirmation = bool | str
"""Whether a person has confirmed a large change: True whatever it is, a digest exactly what the preview showed."""


class LargeChange(Conflict):
    """A list changes much, and nobody has confirmed that."""

    def __init__(self, detail: str, digest: str) -> None:
        super().__init__(detail)
        self.digest = digest
        """By which exactly this change is confirmed."""

    @property
    def members(self) -> Mapping[str, Any]:
        """The digest."""
        return {"digest": self.digest}


@dataclass(frozen=True, slots=True)
class ListDifference:
    """What a list changes."""

    changed: Sequence[WantedProduct]
    """The products that it creates, updates or deletes."""
    created: Sequence[str]
    """Numbers of the products that are new."""
    updated: Sequence[str]
    """Numbers of the products that change."""
    deleted: Sequence[str]
    """Numbers of the products that are deleted."""
    unchanged: int
    """How many products are as they were."""
    known: int
    """How many products there were."""
    large_price_changes: Sequence[PriceChange]
    """Prices that change by more than half, now or for a time."""
    emptied: Mapping[str, int]
    """How many products lose the value of a field, by field: the list gives none."""
    digest: str
    """Stands for all of it: what is created, updated and deleted, with all values, and the prices for a time."""

    @property
    def deletes_many(self) -> bool:
        """Whether more than the share of the products is deleted that needs no question."""
        return len(self.deleted) > self.known * MAX_DELETED_SHARE

    @property
    def is_large(self) -> bool:
        """Whether a person has to confirm it."""
        return self.deletes_many or bool(self.large_price_changes)

    def check(self, confirmed: Confirmation) -> None:
        """Raise `Conflict` if it was confirmed as another change, `LargeChange` if it has to be confirmed."""
        if isinstance(confirmed, str):
            if confirmed != self.digest:
                raise Conflict(
                    message(
                        "the list or the products are not the same any more as in the preview, so nothing was taken; "
                        "preview it again, and confirm that"
                    )
                )
        elif self.is_large and not confirmed:
            raise LargeChange(self._describe_large(), self.digest)

    def _describe_large(self) -> str:
        if self.deletes_many:
            return message(
                "the list would delete products: {deleted} of {known}; look at it with dry_run=true, and confirm it "
                "with its digest if that is right",
                deleted=len(self.deleted),
                known=self.known,
            )
        first = self.large_price_changes[0]
        return count_message(
            "the list changes {count} price by more than half, that of {product_id} from {old} to {new}; look at it "
            "with dry_run=true, and confirm it with its digest if that is right",
            "the list changes {count} prices by more than half, as that of {product_id} from {old} to {new}; look at "
            "it with dry_run=true, and confirm it with its digest if that is right",
            len(self.large_price_changes),
            product_id=first.product_id,
            old=first.old,
            new=first.new,
        )

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it, the first of each kind by name."""
        return {
            "created": len(self.created),
            "updated": len(self.updated),
            "deleted": len(self.deleted),
            "unchanged": self.unchanged,
            "first_created": list(self.created[:MAX_SHOWN]),
            "first_updated": list(self.updated[:MAX_SHOWN]),
            "first_deleted": list(self.deleted[:MAX_SHOWN]),
            "large_price_changes": len(self.large_price_changes),
            "first_large_price_changes": [
                {
                    "product_id": one.product_id,
                    "name": one.name,
                    "field": one.field,
                    "old": str(one.old),
                    "new": str(one.new),
                }
                for one in self.large_price_changes[:MAX_SHOWN]
            ],
            "needs_confirmation": self.is_large,
            "digest": self.digest,
        }


def compare(
    products: Sequence[Fields],
    known: Mapping[str, str],
    kind: ListKind,
    *,
    timed: Sequence[TimedPrice] = (),
    new_timed: Sequence[TimedPrice] = (),
    kept: Collection[str] = (),
) -> ListDifference:
    """Compare a list with what is wanted so far: JSON by product number.

    `timed` are the prices that it has for a time, `new_timed` those of them that no list had before: the prices without
    a time stay. `kept` are products that stay as they are, though it does not name them. It works on many products, so
    it belongs into a thread.
    """
    names_by_id = {one.product_id: one.prices for one in timed}
    changed: list[WantedProduct] = []
    created: list[str] = []
    updated: list[str] = []
    prices: list[PriceChange] = []
    emptied: Counter[str] = Counter()
    named: set[str] = set()
    for fields in products:
        product_id = str(fields["id"])
        named.add(product_id)
        text = known.get(product_id)
        older = None if text is None else read_fields(text) or {}
        wanted = merge_fields(older, fields) if kind == "fields" else without_empty(fields)
        for name in names_by_id.get(product_id, ()):
            if older and name != "promote_price" and name in older:
                wanted.setdefault(name, older[name])
        if wanted == older:
            continue
        changed.append(WantedProduct(product_id, str(wanted.get("name", "")), write_fields(wanted)))
        (created if older is None else updated).append(product_id)
        if older is not None:
            emptied.update(older.keys() - wanted.keys())
            prices += [one for one in find_price_changes(older, wanted) if one.is_large]
    for one in new_timed:
        if older := read_fields(known.get(one.product_id, "")):
            later = {"id": one.product_id, "name": older.get("name", ""), **one.prices}
            prices += [change for change in find_price_changes(older, later) if change.is_large]
    stays = named.union(kept)
    deleted = [product_id for product_id in known if product_id not in stays] if kind == "complete" else []
    changed += [
        WantedProduct(product_id, str((read_fields(known[product_id]) or {}).get("name", "")), None)
        for product_id in deleted
    ]
    unchanged = len(named) - len(created) - len(updated)
    digest = _digest((*changed, *prices, *timed))
    return ListDifference(changed, created, updated, deleted, unchanged, len(known), prices, emptied, digest)


def _digest(parts: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()[:DIGEST_CHARACTERS]
