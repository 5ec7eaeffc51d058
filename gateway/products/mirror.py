"""The mirror: brings products to the cloud as the shop's lists want them, and knows what the cloud has taken.

A list is stored as a whole before anything is sent. Then each product that differs is handed over to the outbox as one
change; the next change of the same product is handed over once the outcome of that one is known. So a product never
has more than one change on its way, and what is sent next is always the newest.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from functools import partial
from itertools import groupby
from typing import Final

from firmware_tools.language import message
from gateway.errors import Conflict, InvalidRequest, TooLarge
from gateway.outbox.model import OWN_TOKEN, Outcome
from gateway.outbox.outbox import Outbox
from gateway.products.changes import ChangeKind, Fields, ProductChange, apply_change, find_change, renew_change
from gateway.products.events import ProductListTaken, ProductRefused
from gateway.products.list_check import Confirmation, ListDifference, ListKind, compare
from gateway.products.product import PRICE_FIELDS, Product
from gateway.products.product_table import ProductState, ProductTable, SettledChange, StoredProduct
from gateway.products.schedule_table import ScheduleTable, TimedPrice
from gateway.products.snapshots import ProductSnapshots
from gateway.products.timed_prices import PriceSchedule, TimedList, refuse_incomplete, refuse_unpriced, split_times
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.event_type import EventType
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Service, Supervisor

CHUNK: Final = 500
"""How many products are handed over, or settled, at a time: others write in between."""
MAX_RETRY_DELAY_S: Final = 30.0
"""How long to wait at most after the outbox, or the disk, has no room."""

_ENDPOINTS: Final[dict[ChangeKind, Endpoint]] = {
    "create": CATALOGUE.get("cloud", "product/create"),
    "update": CATALOGUE.get("cloud", "product/update"),
    "delete": CATALOGUE.get("cloud", "product/delete"),
}
_GONE: Final = "not_exist_list"
"""The list in which the cloud names products that it does not have."""


class ProductMirror:
    """Brings the products of the settings' account into effect at the cloud."""

    def __init__(
        self,
        table: ProductTable,
        outbox: Outbox,
        supervisor: Supervisor,
        *,
        shop: Mapping[str, str],
        report: Callable[[EventType], None],
        clock: PeerClock,
        schedule: ScheduleTable,
        ask_time: Callable[[], Awaitable[None]],
    ) -> None:
        """`shop` names the shop in calls; `report` takes events; `clock` is the cloud's, which `ask_time` asks."""
        self.table = table
        self.snapshots = ProductSnapshots(table.pack_wanted)
        """Of the products, for callers who read them in pages."""
        self._outbox = outbox
        self._shop = shop
        self._report = report
        self._now = clock.now
        self.schedule = PriceSchedule(schedule, clock, ask_time=ask_time, drop=self._drop, report=report)
        """The prices for a time."""
        self.schedule.on_change = self.resume
        self.on_changed: list[Callable[[], None]] = []
        """Each is called when other products may be wanted than before."""
        self._taking = asyncio.Lock()
        self._items: dict[int, int] = {}
        """Outbox items that carry changes, with the products' numbers in the database; refused ones too, since a
        person may have them sent again."""
        self._ended: set[int] = set()
        """Those of them that have ended, and whose products are to be settled."""
        self._ended_early: set[int] | None = None
        """Items that have ended while a submission is under way, which may be its own; None while none is."""
        self._work = asyncio.Event()
        self._supervisor = supervisor
        self._services: list[Service] = []
        outbox.on_ended.append(self._note_ended)

    async def open(self) -> None:
        """Take up the products as the last run left them. Raises `StateError`."""
        await self.table.adopt()
        await self.schedule.take_back()

    def start(self) -> None:
        """Bring products into effect from now on."""
        self._work.set()
        start = partial(self._supervisor.start_service, max_turn_s=600, max_delay_s=MAX_RETRY_DELAY_S)
        self._services = [start("product mirror", self._run), start("price schedule", self.schedule.run)]

    async def close(self) -> None:
        """Stop. What is not in effect yet is taken up at the next start."""
        for service in self._services:
            await service.stop()

    async def split_times(
        self, products: Sequence[Product], rows: Sequence[int], zone: tzinfo | None, *, is_partial: bool
    ) -> TimedList:
        """Take the prices for a time out of a list that was read.

        A selling price that ends is a fault where the product has none to come back to: it would be free. So would a
        new product without a price, of a list with some fields (`is_partial`).
        """
        split = await asyncio.to_thread(split_times, products, rows, zone)
        ending = {one.product_id for one in split.prices if one.ends_at is not None and "price" in one.prices}
        if not ending and not is_partial:
            return split
        known = await self.table.load_wanted()
        if is_partial:
            split = await asyncio.to_thread(refuse_incomplete, split, products, rows, known)
        return await asyncio.to_thread(refuse_unpriced, split, products, rows, known, ending)

    async def check(
        self,
        products: Sequence[Fields],
        kind: ListKind,
        *,
        timed: Sequence[TimedPrice] = (),
        kept: Collection[str] = (),
    ) -> ListDifference:
        """Return what a list would change at once.

        `timed` are the prices that it has for a time, `kept` the products whose rows are bad: they stay as they are.
        """
        known = await self.table.load_wanted()
        new = await self.schedule.table.find_new(timed, now=int(self._now()))
        return await asyncio.to_thread(compare, products, known, kind, timed=timed, new_timed=new, kept=kept)

    async def take(
        self,
        products: Sequence[Fields],
        kind: ListKind,
        *,
        source: str,
        confirmed: Confirmation,
        bad_rows: int = 0,
        timed: Sequence[TimedPrice] = (),
        kept: Collection[str] = (),
    ) -> ListDifference:
        """Store a list, and bring it into effect soon, its prices for a time when that has come.

        Raises `Conflict` if it would delete many products or change prices by much and nobody has confirmed that, if
        something else was confirmed, or if the settings name no shop, and `StateError`: then nothing of it is taken.
        """
        self.require_shop()
        async with self._taking:
            difference = await self.check(products, kind, timed=timed, kept=kept)
            difference.check(confirmed)
            mentioned = [str(fields["id"]) for fields in products]
            turn = await self.table.store_list(
                difference.changed, mentioned, source=source, now=int(self._now()), timed=timed,
                apply_at=self.schedule.now,
            )  # fmt: skip
        if turn is not None:
            await self.schedule.note(turn)
        self.schedule.wake()
        self.resume()
        self._report(
            ProductListTaken(
                list_source=source,
                created=len(difference.created),
                updated=len(difference.updated),
                deleted=len(difference.deleted),
                unchanged=difference.unchanged,
                bad_rows=bad_rows,
            )
        )
        return difference

    def require_shop(self) -> None:
        """Raise `Conflict` if the settings name no shop."""
        if not any(self._shop.values()):
            raise Conflict(
                message("the settings name no shop of the cloud to bring products to: set cloud.shop_id, and restart")
            )

    def resume(self) -> None:
        """Look again for products that are not as they are wanted."""
        self._work.set()
        for note in self.on_changed:
            note()

    async def _drop(self, items: Sequence[int]) -> None:
        if items:
            await self._outbox.remove(items)

    def _note_ended(self, sequences: Sequence[int]) -> None:
        if self._ended_early is not None:
            self._ended_early.update(sequences)
        if ended := self._items.keys() & sequences:  # most items are orders
            self._ended |= ended
            self._work.set()

    async def _run(self, service: Service) -> None:
        await self._take_up(service)
        while True:
            service.heartbeat()
            self._work.clear()
            # What has ended can wait, since the cloud has it; so new prices come there as soon as they can.
            if opened := await self.table.find(["open"], CHUNK):
                await self._hand_over(opened)
            elif self._ended:
                await self._settle_ended()
            else:
                service.pause()
                await self._work.wait()

    async def _take_up(self, service: Service) -> None:
        """Settle what has ended while nobody looked, and hand over again what may not have reached the outbox."""
        after = 0
        while products := await self.table.find(["sent", "refused"], CHUNK, after=after):
            service.expect_turn()
            await self._settle(products)
            after = products[-1].number

    async def _settle_ended(self) -> None:
        """Settle some of the products whose items have ended."""
        some = set(heapq.nsmallest(CHUNK, self._ended))
        self._ended.difference_update(some)  # first: one that waits still may end meanwhile
        products = await self.table.find_unsettled([self._items[item] for item in some if item in self._items])
        await self._settle([product for product in products if product.item in some])

    async def _settle(self, products: Sequence[StoredProduct]) -> None:
        """Store what became of the changes of some products, as far as that is known.

        A change whose item is not there is handed over again, with the newest values: whether the cloud has taken it is
        not known, and it does no harm twice.
        """
        numbers = {product.item: product.number for product in products if product.item is not None}
        self._items.update(numbers)
        outcomes = await self._outbox.outcomes(list(numbers))
        lost = [product for product in products if product.state == "sent" and product.item not in outcomes]
        settled = [
            change
            for product in products
            if product.item in outcomes and (change := _find_settled(product, outcomes[product.item]))
        ]
        settled += [
            SettledChange(one.number, one.revision, "open", one.confirmed, {}) for one in lost if one.change is None
        ]
        await self.table.store_settled(settled, now=int(self._now()))
        by_number = {product.number: product for product in products}
        for one in settled:
            product = by_number[one.number]
            if one.state != "refused" and product.item is not None:
                self._items.pop(product.item, None)
            elif one.state == "refused" and product.state != "refused":
                self._report(ProductRefused(product_id=product.product_id, name=product.name, reason=one.problem))
        again = [(one, renew_change(one.wanted, one.confirmed, one.change)) for one in lost if one.change is not None]
        await self.table.store_sent({one.number: change for one, change in again})
        await self._submit_all(again)

    async def _hand_over(self, products: Sequence[StoredProduct]) -> None:
        """Hand over the changes of some products to the outbox. What needs none is settled."""
        changes = [(product, find_change(product.wanted, product.confirmed)) for product in products]
        right = [
            SettledChange(product.number, product.revision, "settled", product.confirmed, {})
            for product, change in changes
            if not change
        ]
        await self.table.store_settled(right, now=int(self._now()))
        needed = [(product, change) for product, change in changes if change]
        # First, so that after a crash it is known what the outbox may have: else a product that nobody wants any more
        # could come to the cloud, and stay.
        await self.table.store_sent({product.number: change for product, change in needed})
        await self._submit_all(needed)

    async def _submit_all(self, changes: Sequence[tuple[StoredProduct, ProductChange]]) -> None:
        ordered = sorted(changes, key=lambda one: one[1].kind)
        for kind, group in groupby(ordered, key=lambda one: one[1].kind):
            await self._submit(kind, list(group))

    async def _submit(self, kind: ChangeKind, changes: Sequence[tuple[StoredProduct, ProductChange]]) -> None:
        endpoint = _ENDPOINTS[kind]
        name, elements = "product_list", [dict(change.fields) for _, change in changes]
        arguments = {"product_key_list": [one["id"] for one in elements]} if kind == "delete" else {name: elements}
        early = self._ended_early = set()
        try:
            status = await self._outbox.submit(endpoint.encode(arguments, defaults=self._shop), token=OWN_TOKEN)
        except (InvalidRequest, TooLarge) as exc:
            if len(changes) > 1:  # one product must not hold up the others
                half = len(changes) // 2
                await self._submit(kind, changes[:half])
                await self._submit(kind, changes[half:])
                return
            [(product, _)] = changes
            refused = SettledChange(product.number, product.revision, "refused", product.confirmed, {}, exc.detail)
            await self.table.store_settled([refused], now=int(self._now()))
            return
        finally:
            self._ended_early = None
        numbers = [product.number for product, _ in changes]
        self._items.update(zip(status.items, numbers, strict=True))
        self._ended |= early.intersection(status.items)
        await self.table.store_items(dict(zip(numbers, status.items, strict=True)))


def _find_settled(product: StoredProduct, outcome: Outcome) -> SettledChange | None:
    """Return what became of the change of a product; None as long as that is open."""
    settle = partial(SettledChange, product.number, product.revision)
    if product.change is None:  # damaged
        return settle("open", product.confirmed, {})
    if outcome.state == "waiting":
        return None
    if outcome.state == "delivered":
        confirmed = apply_change(product.confirmed, product.change)
        state = _find_state(product.wanted, confirmed)
        return settle(state, confirmed, _find_new_prices(product.confirmed, confirmed), is_taken=True)
    if outcome.result_list == _GONE:
        return settle(_find_state(product.wanted, None), None, _find_new_prices(product.confirmed, None))
    if find_change(product.wanted, product.confirmed) != product.change:
        return settle("open", product.confirmed, {})
    return settle("refused", product.confirmed, {}, outcome.meaning)


def _find_state(wanted: Fields | None, confirmed: Fields | None) -> ProductState:
    return "open" if find_change(wanted, confirmed) else "settled"


def _find_new_prices(old: Fields | None, new: Fields | None) -> dict[str, Decimal | None]:
    before, after = old or {}, new or {}
    return {name: after.get(name) for name in PRICE_FIELDS if before.get(name) != after.get(name)}
