"""Takes a list of products as somebody hands it over: read, checked, compared, and stored unless it is a preview.

It is the one way of a list into the mirror, whoever brings it: a call, a page of the console, or a folder.
"""

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import IO, Any, Final

from firmware_tools.language import count_message, message
from gateway.errors import FieldError, InvalidRequest, TooLarge
from gateway.products.changes import without_empty
from gateway.products.columns import TIME_FIELDS, ColumnMapping
from gateway.products.events import ProductListRefused
from gateway.products.file_table import ProductFileTable
from gateway.products.list_check import Confirmation, LargeChange, ListDifference, ListKind
from gateway.products.mapping_table import MappingTable
from gateway.products.mirror import ProductMirror
from gateway.products.product import Product, to_item
from gateway.products.product_list import MAX_FAULTS, ProductList, read_product_list
from gateway.products.timed_prices import TimedList
from gateway.protocol.event_type import EventType

MAX_ERRORS: Final = 100
"""How many faults of a list a refusal names."""
MAX_RECEIVING: Final = 4
"""How many lists come in over the network at a time."""
MAX_SHOWN_ROWS: Final = 5
"""How many rows a report shows as they were read."""

MAX_REASON_CHARACTERS: Final = 1000
"""How much of a refusal an event has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """How a list is to be taken."""

    kind: ListKind
    """What it says of the products and fields that it does not name."""
    source: str = ""
    """Where it is from; a mapping that was saved for it is used."""
    mapping: ColumnMapping | None = None
    """What is to be read otherwise than that mapping says. It is saved with the source once the list was taken."""
    dry_run: bool = False
    """Whether only to say what it would change."""
    confirmed: Confirmation = False
    """Whether it may delete many products, and change prices by much."""
    all_or_nothing: bool = False
    """Whether nothing is taken if a row is bad."""
    file: str = ""
    """The name of the file that it is from. It is not taken twice with the same content, and a refusal is an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """What came of a list."""

    found: ProductList
    """The list as it was read."""
    kind: ListKind
    """How it was compared."""
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
            "kind": self.kind,
            **self.difference.describe(),
            "bad_rows": found.bad_row_count,
            "faults": [dataclasses.asdict(fault) for fault in found.faults],
            "notices": list(found.notices),
            "encoding": found.format.encoding or None,
            "separator": found.format.separator or None,
            "decimal": {name: str(mark) for name, mark in found.decimal.items()},
            "columns": dict(found.columns),
            "first_rows": [
                {"row": row, "fields": _describe_product(product)}
                for row, product in zip(found.rows[:MAX_SHOWN_ROWS], found.products, strict=False)
            ],
            "timed_prices": self.timed_prices,
        }


class ListIntake:
    """Takes lists, one at a time: each may be large."""

    def __init__(
        self,
        mirror: ProductMirror,
        mappings: MappingTable,
        files: ProductFileTable,
        zone: tzinfo | None,
        *,
        report: Callable[[EventType], None],
        now: Callable[[], float],
    ) -> None:
        """`zone` is that of times that name none; None if the settings name none either. `report` takes events."""
        self.mappings = mappings
        """How the lists of each source are read."""
        self._mirror = mirror
        self._files = files
        self._zone = zone
        self._report = report
        self._now = now
        self.receiving = asyncio.Semaphore(MAX_RECEIVING)
        """Held while a list comes in over the network: each may take much of the disk."""
        self._reading = asyncio.Lock()

    async def take(self, content: bytes | IO[bytes], options: ListOptions) -> ListReport:
        """Take a list, or say what it would change. A file is read from where it is, and not closed.

        Raises `InvalidRequest` if it cannot be read, or has a bad row and is to be taken as a whole, `TooLarge`, and
        what `ProductMirror.take` raises.
        """
        async with self._reading:
            data = content if isinstance(content, bytes) else await asyncio.to_thread(content.read)
            if not options.file or options.dry_run:
                return await self._take(data, options)
            digest = await _digest(data)
            if await self._files.find(options.file) == digest:
                known = message("{file} was handed over with this content before; nothing of it was taken now",
                                file=options.file)  # fmt: skip
                report = await self._take(data, dataclasses.replace(options, dry_run=True))
                found = dataclasses.replace(report.found, notices=(*report.found.notices, known))
                return dataclasses.replace(report, found=found)
            try:
                report = await self._take(data, options)
            except (InvalidRequest, TooLarge, LargeChange) as exc:
                await self._files.store(options.file, digest)
                reason = exc.detail[:MAX_REASON_CHARACTERS]
                self._report(ProductListRefused(file=options.file, list_source=options.source, reason=reason))
                raise
            await self._files.store(options.file, digest)
            return report

    async def is_known(self, file: str, content: bytes) -> bool:
        """Tell whether a file was handed over with this content last."""
        return await self._files.find(file) == await _digest(content)

    async def _take(self, data: bytes, options: ListOptions) -> ListReport:
        mapping = await self._find_mapping(options)
        is_partial = options.kind == "fields"
        found = await asyncio.to_thread(
            read_product_list, data, file_name=message("the list"), mapping=mapping, is_partial=is_partial
        )
        split = await self._mirror.split_times(found.products, found.rows, self._zone, is_partial=is_partial)
        found = _add_faults(found, split)
        if options.all_or_nothing and found.fault_count and not options.dry_run:
            raise InvalidRequest(_describe_faults(found))
        kind, notices = _judge_bad_rows(found, options)
        found = dataclasses.replace(found, notices=(*found.notices, *notices))
        if options.dry_run:
            difference = await self._mirror.check(split.items, kind, timed=split.prices, kept=found.bad_ids)
        else:
            difference = await self._mirror.take(
                split.items, kind, source=options.source, confirmed=options.confirmed,
                bad_rows=found.bad_row_count, timed=split.prices, kept=found.bad_ids,
            )  # fmt: skip
            if options.source and options.mapping is not None and mapping is not None:
                await self.mappings.save(options.source, mapping, now=int(self._now()))
        found = dataclasses.replace(found, notices=(*found.notices, *describe_emptied(difference.emptied)))
        return ListReport(
            found=found,
            kind=kind,
            difference=difference,
            products=len(split.items),
            timed_prices=len(split.prices),
            taken=not options.dry_run,
        )

    async def _find_mapping(self, options: ListOptions) -> ColumnMapping | None:
        saved = await self.mappings.find(options.source) if options.source else None
        return options.mapping if saved is None else saved.combine(options.mapping or ColumnMapping())


async def _digest(data: bytes) -> str:
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())


def _add_faults(found: ProductList, split: TimedList) -> ProductList:
    """Return a list with the faults of its times, too."""
    if not split.faults:
        return found
    bad_rows = {fault.row for fault in split.faults}
    bad_ids = {product.id for row, product in zip(found.rows, found.products, strict=True) if row in bad_rows}
    return dataclasses.replace(
        found,
        faults=tuple(sorted((*found.faults, *split.faults), key=lambda fault: fault.row)[:MAX_FAULTS]),
        fault_count=found.fault_count + len(split.faults),
        bad_row_count=found.bad_row_count + len(bad_rows),
        bad_ids=found.bad_ids | bad_ids,
    )


def _judge_bad_rows(found: ProductList, options: ListOptions) -> tuple[ListKind, list[str]]:
    """Return how a list is to be compared, and what its bad rows mean. A product whose row is bad is not gone."""
    kind, notices = options.kind, list[str]()
    if not found.bad_row_count:
        return kind, notices
    if kind == "complete" and found.unnamed_row is not None:
        kind = "partial"
        notices.append(
            message(
                "no product is deleted, since nobody knows which one the bad row {row} means", row=found.unnamed_row
            )
        )
    else:
        notices.append(message("products whose rows are bad stay as they are"))
    if options.all_or_nothing:
        notices.append(message("nothing of the list can be taken before its bad rows are mended"))
    return kind, notices


def describe_emptied(emptied: Mapping[str, int], titles: Mapping[str, str] | None = None) -> list[str]:
    """Say which values go: a list of prices alone, taken as the whole list, would take away bar codes unseen.

    `titles` says how the reader calls the fields; without it they are named as the API does.
    """
    return [
        count_message(
            "{field} becomes empty for {count} product: the list gives none",
            "{field} becomes empty for {count} products: the list gives none",
            count,
            field=(titles or {}).get(field, field),
        )
        for field, count in sorted(emptied.items())
    ]


def _describe_product(product: Product) -> dict[str, Any]:
    times = {name: str(at) for name in TIME_FIELDS if (at := getattr(product, name)) is not None}
    return {**without_empty(to_item(product)), **times}


def _describe_faults(found: ProductList) -> list[FieldError]:
    return [
        FieldError(
            message("row {row}, {column}", row=fault.row, column=fault.column or "-"),
            message("{value!r} {reason}", value=fault.value, reason=fault.reason),
        )
        for fault in found.faults[:MAX_ERRORS]
    ]
