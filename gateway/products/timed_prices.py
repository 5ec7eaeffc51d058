"""Prices for a time: rows of lists with `valid_from` and `valid_until`, and the service that lets them begin and end.

Without the cloud's time nothing begins, and nothing ends: this machine's clock may be anything after days without
power. What had not reached the cloud before is taken back until the time is known.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from firmware_tools.language import message
from gateway import RELEASED_AT
from gateway.errors import Problem
from gateway.products.changes import read_fields
from gateway.products.events import PricesExpired
from gateway.products.product import PRICE_FIELDS, Product, to_item
from gateway.products.row_reader import RowFault
from gateway.products.schedule_table import ScheduleTable, ScheduleTurn, TimedPrice
from gateway.protocol.event_type import EventType
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Service

ALARM_S: Final = 60.0
"""How long a price that has ended may be at the cloud until that is an alarm."""
ASK_INTERVAL_S: Final = 60.0
"""How often the cloud is asked for the time while prices wait for it."""
MAX_WAIT_S: Final = 86400.0
_LAST_MOMENT: Final = 253402300799
"""The end of the year 9999."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TimedList:
    """A list whose prices for a time are apart from its other fields."""

    items: Sequence[dict[str, Any]]
    """What holds at once, as the vendor's JSON objects."""
    prices: Sequence[TimedPrice]
    """The prices for a time."""
    faults: Sequence[RowFault]
    """Rows whose times cannot be taken."""


def split_times(products: Sequence[Product], rows: Sequence[int], zone: tzinfo | None) -> TimedList:
    """Take the prices for a time out of a list.

    The times of a row are those of its promotion price if it has one, else of all its prices. A time without a zone is
    in `zone`; where clocks are set back it is the earlier one, and where they skip an hour, as if they had not.
    """
    items: list[dict[str, Any]] = []
    prices: list[TimedPrice] = []
    faults: list[RowFault] = []
    for product, row in zip(products, rows, strict=True):
        item = to_item(product)
        if product.valid_from is None and product.valid_until is None:
            items.append(item)
            continue
        names = ["promote_price"] if product.promote_price is not None else PRICE_FIELDS
        given = {name: item[name] for name in names if isinstance(item.get(name), Decimal)}
        times = [at for at in (product.valid_from, product.valid_until) if at is not None]
        if not given:
            faults.append(
                RowFault(row, "", "price", "", message("is missing: the row has times, but no price for them"))
            )
        elif zone is None and any(at.tzinfo is None for at in times):
            reason = message("has no zone, and products.timezone names none, such as Asia/Shanghai")
            field = "valid_from" if product.valid_from is not None else "valid_until"
            faults.append(RowFault(row, "", field, str(times[0]), reason))
        else:
            begin, end = (
                None if at is None else _to_unix(at, zone) for at in (product.valid_from, product.valid_until)
            )
            prices.append(TimedPrice(product.id, given, begin or 0, end))
            items.append({name: value for name, value in item.items() if name not in given})
    return TimedList(items, prices, faults)


def refuse_unpriced(
    split: TimedList,
    products: Sequence[Product],
    rows: Sequence[int],
    known: Mapping[str, str],
    ending: Collection[str],
) -> TimedList:
    """Refuse the rows of those of some products, whose selling price ends, that have no other one in `known`."""
    unpriced = {one for one in ending if "price" not in (read_fields(known.get(one, "")) or {})}
    reason = message("ends, and the product has no other price yet: give one without times first")
    faults = [
        RowFault(row, "", "valid_until", str(product.valid_until), reason)
        for product, row in zip(products, rows, strict=True)
        if product.id in unpriced
    ]
    return TimedList(
        [item for item in split.items if item["id"] not in unpriced],
        [one for one in split.prices if one.product_id not in unpriced],
        [*split.faults, *faults],
    )


def refuse_incomplete(
    split: TimedList, products: Sequence[Product], rows: Sequence[int], known: Collection[str]
) -> TimedList:
    """Refuse rows of a list of some fields whose products are not in `known`, and that lack a name or a price.

    The cloud would have a product that costs nothing, or one that it refuses.
    """
    reason = message("is missing: no list has the product yet, so its name and its price are needed")
    faults: list[RowFault] = []
    refused: set[str] = set()
    for product, row in zip(products, rows, strict=True):
        missing = [name for name in ("name", "price") if getattr(product, name) in (None, "")]
        if missing and product.id not in known:
            faults += [RowFault(row, "", name, "", reason) for name in missing]
            refused.add(product.id)
    return TimedList(
        [item for item in split.items if item["id"] not in refused],
        [one for one in split.prices if one.product_id not in refused],
        [*split.faults, *faults],
    )


def _to_unix(at: datetime, zone: tzinfo | None) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=zone)
    return min(max(int(aware.timestamp()), 0), _LAST_MOMENT)


class PriceSchedule:
    """Lets prices begin and end by themselves."""

    def __init__(
        self,
        table: ScheduleTable,
        clock: PeerClock,
        *,
        ask_time: Callable[[], Awaitable[None]],
        drop: Callable[[Sequence[int]], Awaitable[None]],
        report: Callable[[EventType], None],
        alarm_s: float = ALARM_S,
    ) -> None:
        """`clock` is the cloud's time, for which `ask_time` asks; `drop` takes items out of the outbox."""
        self.table = table
        self._clock = clock
        self._ask_time = ask_time
        self._drop = drop
        self._report = report
        self.alarm_s = alarm_s
        self._wake = asyncio.Event()
        self._ended: dict[int, float] = {}
        """Products of which prices have ended, by number in the database, with the monotonic time of the alarm."""
        self._is_waiting = False
        self.on_change: Callable[[], None] = lambda: None
        """Called when other fields are wanted of products."""
        clock.on_set = self._wake.set

    @property
    def now(self) -> int | None:
        """The time in Unix seconds, as the cloud told it since the start; None before."""
        now = self._clock.now()
        return int(now) if self._clock.known and now >= RELEASED_AT else None

    def wake(self) -> None:
        """Look again at what begins next."""
        self._wake.set()

    async def take_back(self) -> None:
        """Take back, at the start, what may have ended before it reached the cloud."""
        await self._drop((await self.table.suspend()).items)

    async def delete(self, product_id: str, number: int) -> bool:
        """Delete prices for a time. Return whether there were any."""
        is_deleted = await self.table.delete(product_id, number)
        self._wake.set()
        return is_deleted

    async def run(self, service: Service) -> None:
        """Let prices begin and end."""
        while True:
            service.heartbeat()
            self._wake.clear()
            wait_s = await self._turn()
            service.pause()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            service.expect_turn()

    async def _turn(self) -> float | None:
        """Do what is to be done now. Return for how long nothing is; None for nothing at all."""
        if not await self.table.has_any():
            return await self._raise_alarms()
        now = self.now
        if now is None:
            return await self._wait_for_time()
        self._is_waiting = False
        turn = await self.table.apply(now)
        await self.note(turn)
        alarm_s = await self._raise_alarms()
        change_s = MAX_WAIT_S if turn.next_change_at is None else max(turn.next_change_at - self._clock.now(), 0.0)
        return min(change_s, MAX_WAIT_S, MAX_WAIT_S if alarm_s is None else alarm_s)

    async def note(self, turn: ScheduleTurn) -> None:
        """Take out of the outbox what has changed, and watch whether the cloud learns of what has ended."""
        await self._drop(turn.items)
        self._ended.update(dict.fromkeys(turn.ended, time.monotonic() + self.alarm_s))
        self.on_change()

    async def _wait_for_time(self) -> float | None:
        if not self._is_waiting:
            self._is_waiting = True
            _log.warning("prices for a time wait: none begins or ends before the cloud has told the time")
        try:
            await self._ask_time()
        except Problem as exc:
            _log.debug("the cloud does not tell the time: %s", exc)
        return ASK_INTERVAL_S

    async def _raise_alarms(self) -> float | None:
        """Report prices that have ended long enough ago, and are at the cloud still. Return when to look again."""
        now = time.monotonic()
        due = [number for number, at in self._ended.items() if at <= now]
        if due:
            for number in due:
                del self._ended[number]
            if shown := await self.table.find_expired(due):
                first = shown[0]
                self._report(PricesExpired(products=len(shown), product_id=first.product_id, name=first.name))
        return min(self._ended.values()) - now if self._ended else None
