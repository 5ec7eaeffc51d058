"""Takes a list of products as somebody hands it over: read, checked, compared, and stored unless it is a preview.

It is the one way of a list into the mirror, whoever brings it: a call, a page of the console, or a folder.
"""

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import tzinfo
from typing import IO, Any, Final

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.products.list_check import Confirmation, ListDifference, ListKind
from gateway.products.mapping_table import MappingTable
from gateway.products.mirror import ProductMirror
from gateway.products.product_list import MAX_FAULTS, ProductList, read_product_list
from gateway.products.timed_prices import TimedList

MAX_ERRORS: Final = 100
"""How many faults of a list a refusal names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """How a list is to be taken."""

    kind: ListKind
    """What it says of the products and fields that it does not name."""
    source: str = ""
    """Where it is from; a mapping that was saved for it is used."""
    dry_run: bool = False
    """Whether only to say what it would change."""
    confirmed: Confirmation = False
    """Whether it may delete many products, and change prices by much."""
    all_or_nothing: bool = False
    """Whether nothing is taken if a row is bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """What came of a list."""

    found: ProductList
    """The list as it was read."""
    difference: ListDifference
    """What it changes."""
    products: int
    """How many good rows it has."""
    timed_prices: int
    """How many products have prices for a time in it."""
    taken: bool
    """Whether it was taken; false for a preview."""

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        found = self.found
        return {
            "taken": self.taken,
            **self.difference.describe(),
            "bad_rows": found.bad_row_count,
            "faults": [dataclasses.asdict(fault) for fault in found.faults],
            "notices": list(found.notices),
            "encoding": found.format.encoding or None,
            "separator": found.format.separator or None,
            "columns": dict(found.columns),
            "timed_prices": self.timed_prices,
        }


class ListIntake:
    """Takes lists, one at a time: each may be large."""

    def __init__(self, mirror: ProductMirror, mappings: MappingTable, zone: tzinfo | None) -> None:
        """`zone` is that of times that name none; None if the settings name none either."""
        self.mappings = mappings
        """How the lists of each source are read."""
        self._mirror = mirror
        self._zone = zone
        self._reading = asyncio.Lock()

    async def take(self, content: bytes | IO[bytes], options: ListOptions) -> ListReport:
        """Take a list, or say what it would change. A file is read from where it is, and not closed.

        Raises `InvalidRequest` if it cannot be read, or has a bad row and is to be taken as a whole, `TooLarge`, and
        what `ProductMirror.take` raises.
        """
        async with self._reading:
            found = await self._read(content, options)
            split = await self._mirror.split_times(found.products, found.rows, self._zone)
            found = _add_faults(found, split)
            if options.all_or_nothing and found.fault_count:
                raise InvalidRequest(_describe_faults(found))
            kind = options.kind
            if kind == "complete" and found.bad_row_count:  # a product whose row is bad is not gone
                kind = "partial"
                nothing_deleted = message(
                    "no product is deleted, since {count} rows are bad", count=found.bad_row_count
                )
                found = dataclasses.replace(found, notices=(*found.notices, nothing_deleted))
            if options.dry_run:
                difference = await self._mirror.check(split.items, kind, timed=split.prices)
            else:
                difference = await self._mirror.take(
                    split.items, kind, source=options.source, confirmed=options.confirmed,
                    bad_rows=found.bad_row_count, timed=split.prices,
                )  # fmt: skip
        return ListReport(
            found=found,
            difference=difference,
            products=len(split.items),
            timed_prices=len(split.prices),
            taken=not options.dry_run,
        )

    async def _read(self, content: bytes | IO[bytes], options: ListOptions) -> ProductList:
        mapping = await self.mappings.find(options.source) if options.source else None
        data = content if isinstance(content, bytes) else await asyncio.to_thread(content.read)
        return await asyncio.to_thread(
            read_product_list,
            data,
            file_name=message("the list"),
            mapping=mapping,
            is_partial=options.kind == "fields",
        )


def _add_faults(found: ProductList, split: TimedList) -> ProductList:
    """Return a list with the faults of its times, too."""
    if not split.faults:
        return found
    return dataclasses.replace(
        found,
        faults=tuple(sorted((*found.faults, *split.faults), key=lambda fault: fault.row)[:MAX_FAULTS]),
        fault_count=found.fault_count + len(split.faults),
        bad_row_count=found.bad_row_count + len(split.faults),
    )


def _describe_faults(found: ProductList) -> list[FieldError]:
    return [
        FieldError(
            message("row {row}, {column}", row=fault.row, column=fault.column or "-"),
            message("{value!r} {reason}", value=fault.value, reason=fault.reason),
        )
        for fault in found.faults[:MAX_ERRORS]
    ]
