"""Reconciling: what the cloud really has, compared with what it has taken, and mended when a person says so."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from firmware_tools.language import describe_error, message
from gateway.cloud.client import CloudClient
from gateway.cloud.pages import PAGE_SIZE, read_pages
from gateway.errors import Conflict, Problem
from gateway.products.events import ProductsDiffer
from gateway.products.mirror import ProductMirror
from gateway.products.product import MAX_PRICE, PRICE_FIELDS
from gateway.products.product_table import ObservedProduct, ProductTable, StoredProduct
from gateway.products.reconciliation_table import ReconciliationTable
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.event_type import EventType
from gateway.protocol.values import is_unicode
from gateway.runtime.supervisor import Supervisor
from gateway.runtime.timestamps import utc_text

RECONCILIATION_INTERVAL_S: Final = 7 * 86400.0
"""How often the products are compared with the cloud without a person's word."""
MAX_SHOWN: Final = 500
"""How many differences of each kind are shown."""
COMPARED_FIELDS: Final = ("name", "seq_num", "bar_code", "price")
"""The fields that the cloud's list has."""

_LIST: Final = CATALOGUE.get("cloud", "product/getList")

ReconciliationState = Literal["never", "running", "done", "failed"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field of a product that the cloud has otherwise."""

    product_id: str
    """The product's own number."""
    name: str
    """The product's name."""
    field: str
    """The field."""
    confirmed: str
    """What the cloud had taken; empty for no value."""
    found: str
    """What the cloud has; empty for no value."""


@dataclass(slots=True)
class Reconciliation:
    """What came of comparing all products with the cloud."""

    state: ReconciliationState = "never"
    """How far it is."""
    began_at: float | None = None
    """When it began, in Unix seconds."""
    ended_at: float | None = None
    """When it ended, in Unix seconds."""
    reason: str = ""
    """Why it failed; empty if it did not."""
    compared: int = 0
    """How many products the cloud has."""
    missing: list[str] = field(default_factory=list)
    """Products that the cloud had taken and does not have."""
    foreign: list[str] = field(default_factory=list)
    """Products that the cloud has and no list ever brought there."""
    different: list[FieldDifference] = field(default_factory=list)
    """Fields that the cloud has otherwise."""
    mended: int = 0
    """How many products are brought back to what is wanted."""

    @property
    def has_differences(self) -> bool:
        """Whether the cloud has anything else than it should."""
        return bool(self.missing or self.foreign or self.different)

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {
            "state": self.state,
            "began_at": None if self.began_at is None else utc_text(int(self.began_at)),
            "ended_at": None if self.ended_at is None else utc_text(int(self.ended_at)),
            "reason": self.reason,
            "compared": self.compared,
            "missing": len(self.missing),
            "foreign": len(self.foreign),
            "different": len({one.product_id for one in self.different}),
            "first_missing": self.missing[:MAX_SHOWN],
            "first_foreign": self.foreign[:MAX_SHOWN],
            "first_different": [
                {
                    "product_id": one.product_id,
                    "name": one.name,
                    "field": one.field,
                    "confirmed": one.confirmed,
                    "found": one.found,
                }
                for one in self.different[:MAX_SHOWN]
            ],
            "mended": self.mended,
        }


class Reconciler:
    """Compares the products of the settings' shop with what the cloud has: on command, and once a week by itself."""

    def __init__(
        self,
        mirror: ProductMirror,
        cloud: CloudClient,
        memory: ReconciliationTable,
        supervisor: Supervisor,
        *,
        shop: Mapping[str, str],
        report: Callable[[EventType], None],
        now: Callable[[], float],
    ) -> None:
        """`shop` names the shop in calls; `report` takes events; `now` is the best clock at hand, in Unix seconds."""
        self.last = Reconciliation()
        """The last one, or the one that runs."""
        self._mirror = mirror
        self._table: ProductTable = mirror.table
        self._cloud = cloud
        self._memory = memory
        self._supervisor = supervisor
        self._shop = shop
        self._report = report
        self._now = now

    def begin(self, *, mend: bool, delete_foreign: bool) -> None:
        """Begin to compare all products, as a job. Raises `Conflict` if one runs, or if there is no shop."""
        self._mirror.require_shop()
        if self.last.state == "running":
            raise Conflict(message("the products are being compared already; wait for the end"))
        self.last = Reconciliation("running", self._now())
        work = self._compare(self.last, mend=mend, delete_foreign=delete_foreign)
        self._supervisor.start_job("product reconciliation", work)

    async def compare_weekly(self) -> None:
        """Compare and report, if the last time is a week ago, and where there are any products.

        The first time is a week after the first products.
        """
        if not any(self._shop.values()) or not sum((await self._table.count()).values()):
            return
        now = int(self._now())
        last = await self._memory.find_last()
        if self.last.state == "running":
            return
        if last is None or last > now:  # the clock was wrong then, or is now
            await self._memory.store(now)
        elif now - last >= RECONCILIATION_INTERVAL_S:
            self.last = Reconciliation("running", now)
            await self._compare(self.last, mend=False, delete_foreign=False)

    async def _compare(self, result: Reconciliation, *, mend: bool, delete_foreign: bool) -> None:
        try:
            malformed = message("the cloud's list of products cannot be read")
            found = await read_pages(
                self._cloud, _LIST, self._shop, member="product_list", read_rows=_read_rows, malformed=malformed
            )
            result.compared = len(found)
            observed = await self._find_differences(result, found)
            if mend:
                foreign = result.foreign if delete_foreign else []
                result.mended = await self._table.store_observed(observed, foreign, now=int(self._now()))
                self._mirror.resume()
            await self._memory.store(int(result.began_at or 0))
            result.state = "done"
        except Problem as exc:
            result.state, result.reason = "failed", describe_error(exc)
            _log.warning("the products cannot be compared with the cloud: %s", exc)
        except BaseException:
            result.state, result.reason = "failed", message("the gateway failed")
            raise
        finally:
            result.ended_at = self._now()
        if result.has_differences:
            self._report(
                ProductsDiffer(
                    missing=len(result.missing),
                    foreign=len(result.foreign),
                    different=len({one.product_id for one in result.different}),
                    mended=result.mended,
                )
            )

    async def _find_differences(
        self, result: Reconciliation, found: Mapping[str, Mapping[str, Any]]
    ) -> list[ObservedProduct]:
        """Note the differences of products whose last change had been taken before the cloud was asked."""
        observed: list[ObservedProduct] = []
        known: set[str] = set()
        after: int | None = 0
        while after is not None:
            products, after = await self._table.search("", after=after, limit=PAGE_SIZE)
            for product in products:
                known.add(product.product_id)
                if product.state == "settled" and (product.confirmed_at or 0) < (result.began_at or 0):
                    observed += _compare_product(product, found.get(product.product_id), result)
        result.foreign += sorted(found.keys() - known)
        return observed


def _compare_product(
    product: StoredProduct, row: Mapping[str, Any] | None, result: Reconciliation
) -> list[ObservedProduct]:
    confirmed = product.confirmed
    if confirmed is None:
        return []
    if row is None:
        result.missing.append(product.product_id)
        return [ObservedProduct(product, None)]
    changed = {
        name: row.get(name)
        for name in COMPARED_FIELDS
        if name in row and not _is_same(name, confirmed.get(name), row.get(name))
    }
    result.different += [
        FieldDifference(product.product_id, product.name, name, _show(confirmed.get(name)), _show(value))
        for name, value in changed.items()
    ]
    if not changed:
        return []
    seen = {name: value for name, value in changed.items() if value not in (None, "")}
    kept = {name: value for name, value in confirmed.items() if name not in changed}
    return [ObservedProduct(product, {**kept, **seen})]


def _is_same(name: str, confirmed: Any, found: Any) -> bool:
    if name in PRICE_FIELDS:
        return (confirmed or Decimal(0)) == (_read_price(found) or Decimal(0))
    return str(confirmed or "") == str(found or "")


def _read_price(value: Any) -> Decimal | None:
    """Return a price; None for what no price can be, such as NaN, which even comparing may fail with."""
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and abs(price) < MAX_PRICE else None


def _show(value: Any) -> str:
    return "" if value is None else str(value)[:200]


def _is_number(value: Any) -> bool:
    """Tell whether a product has a number by which it can be called."""
    return isinstance(value, int) or (isinstance(value, str) and value != "" and is_unicode(value))


def _read_rows(rows: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Return the products of a page, by number."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if isinstance(row, Mapping) and _is_number(row.get("id")):
            fields = {name: row[name] for name in COMPARED_FIELDS if isinstance(row.get(name), (str, int, Decimal))}
            # Half a surrogate pair can be neither stored nor shown.
            fields = {
                name: value.encode(errors="replace").decode() if isinstance(value, str) else value
                for name, value in fields.items()
            }
            if "price" in fields:
                fields["price"] = _read_price(fields["price"])
            found[str(row["id"])] = fields
    return found
