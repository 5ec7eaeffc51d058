"""Prices for a time in the database, and what they make of the wanted fields of products."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from gateway.products.changes import merge_fields, read_fields, write_fields
from gateway.protocol import json_text
from gateway.storage.database import Database

MAX_ENTRIES: Final = 50
"""How many prices for a time a product may have; of more, the oldest ones go."""

TimedPriceState = Literal["waiting", "to_come", "in_force"]
"""`waiting`: the time is not known. A price that has ended is deleted."""


class TimedPrice(NamedTuple):
    """Prices of a product that hold for a time."""

    product_id: str
    """The product's own number."""
    prices: Mapping[str, Decimal]
    """The prices, by field."""
    begins_at: int
    """From when on, in Unix seconds; 0 for at once."""
    ends_at: int | None
    """Until when; that second is no longer part of it. None if it never ends."""


@dataclass(frozen=True, slots=True)
class StoredTimedPrice:
    """Prices for a time as they are stored."""

    number: int
    """The number in the database: the newer, the higher."""
    prices: Mapping[str, Decimal]
    """The prices, by field."""
    begins_at: int
    """From when on, in Unix seconds; 0 for at once."""
    ends_at: int | None
    """Until when; None if it never ends."""
    source: str
    """The source of the list that has them."""

    def find_state(self, now: int | None) -> TimedPriceState:
        """Return their state at a time in Unix seconds; None for a time that is not known."""
        return "waiting" if now is None else "in_force" if self.begins_at <= now else "to_come"


class ScheduleTurn(NamedTuple):
    """What came of looking at the prices for a time."""

    items: Sequence[int]
    """Outbox items that carry what is not wanted any more."""
    ended: Sequence[int]
    """The products, by number in the database, of which prices have ended."""
    next_change_at: int | None
    """When the next price begins or ends, in Unix seconds; None if none does."""


class ExpiredProduct(NamedTuple):
    """A product of which the cloud may have prices that have ended."""

    product_id: str
    """Its own number."""
    name: str
    """Its name."""


class ScheduleTable:
    """The prices for a time of one account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, *, account: Callable[[], int]) -> None:
        """`account` returns the number of the account of the settings."""
        self._database = database
        self._account = account

    async def apply(self, now: int) -> ScheduleTurn:
        """Let prices begin and end that do at a time."""
        account = self._account()
        return await self._database.transact(lambda connection: apply_entries(connection, account, now))

    async def suspend(self) -> ScheduleTurn:
        """Want the lists' fields again where a price for a time has not reached the cloud: it may have ended meanwhile.

        What the cloud has stays until the time is known.
        """
        account = self._account()
        return await self._database.transact(lambda connection: _suspend_entries(connection, account))

    async def find_new(self, entries: Sequence[TimedPrice], *, now: int) -> list[TimedPrice]:
        """Return those of some prices for a time that have not ended, and that are not stored yet."""
        account = self._account()

        def work(connection: sqlite3.Connection) -> list[TimedPrice]:
            rows = connection.execute(
                "SELECT product_id, begins_at, ends_at, prices FROM product_timed_price WHERE account = ?", (account,)
            )
            known = {tuple(row) for row in rows}
            return [
                one
                for one in entries
                if (one.ends_at is None or one.ends_at > now)
                and (one.product_id, one.begins_at, one.ends_at, _write_prices(one.prices)) not in known
            ]

        return await self._database.inspect(work) if entries else []

    async def has_any(self) -> bool:
        """Tell whether any price for a time is stored, or in force."""
        account = self._account()
        return await self._database.inspect(lambda connection: _has_entries(connection, account))

    async def list_of(self, product_id: str) -> list[StoredTimedPrice]:
        """Return the prices for a time of a product, oldest first."""
        account = self._account()
        return await self._database.inspect(lambda connection: _list_entries(connection, account, product_id))

    async def delete(self, product_id: str, number: int) -> bool:
        """Delete prices for a time. Return whether there were any."""
        account = self._account()
        return await self._database.transact(lambda connection: _delete_entry(connection, account, product_id, number))

    async def find_expired(self, numbers: Sequence[int]) -> list[ExpiredProduct]:
        """Return those of some products, by number in the database, of which the cloud has not what is wanted."""
        rows = await self._database.read(
            "SELECT product_id, name FROM product WHERE state <> 'settled' "
            "AND number IN (SELECT value FROM json_each(?))",
            (json_text.dumps(list(numbers)),),
        )
        return [ExpiredProduct(row["product_id"], row["name"]) for row in rows]


def store_entries(
    connection: sqlite3.Connection, account: int, entries: Sequence[TimedPrice], *, source: str, now: int
) -> None:
    """Store prices for a time. One for the same time and fields as another of the product takes its place.

    What the product's newest one is already is not written again: its labels would be drawn for each list.
    """
    for entry in entries:
        prices = _write_prices(entry.prices)
        if connection.execute(
            "SELECT 1 FROM product_timed_price WHERE number = (SELECT max(number) FROM product_timed_price "
            "WHERE account = ?1 AND product_id = ?2) AND prices = ?3 AND begins_at = ?4 AND ends_at IS ?5 "
            "AND source = ?6",
            (account, entry.product_id, prices, entry.begins_at, entry.ends_at, source),
        ).fetchone():
            continue
        connection.execute(
            "DELETE FROM product_timed_price WHERE account = ? AND product_id = ? AND begins_at = ? AND ends_at IS ? "
            "AND (SELECT group_concat(key) FROM json_each(prices)) = (SELECT group_concat(key) FROM json_each(?))",
            (account, entry.product_id, entry.begins_at, entry.ends_at, prices),
        )
        connection.execute(
            "INSERT INTO product_timed_price (account, product_id, prices, begins_at, ends_at, source, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (account, entry.product_id, prices, entry.begins_at, entry.ends_at, source, now),
        )
        connection.execute(
            "DELETE FROM product_timed_price WHERE account = ?1 AND product_id = ?2 AND number NOT IN (SELECT number "
            "FROM product_timed_price WHERE account = ?1 AND product_id = ?2 ORDER BY number DESC LIMIT ?3)",
            (account, entry.product_id, MAX_ENTRIES),
        )


def _list_entries(connection: sqlite3.Connection, account: int, product_id: str) -> list[StoredTimedPrice]:
    rows = connection.execute(
        "SELECT number, prices, begins_at, ends_at, source FROM product_timed_price "
        "WHERE account = ? AND product_id = ? ORDER BY number",
        (account, product_id),
    )
    return [StoredTimedPrice(row[0], _read_prices(row[1]), row[2], row[3], row[4]) for row in rows]


def _delete_entry(connection: sqlite3.Connection, account: int, product_id: str, number: int) -> bool:
    cursor = connection.execute(
        "DELETE FROM product_timed_price WHERE account = ? AND product_id = ? AND number = ?",
        (account, product_id, number),
    )
    return cursor.rowcount > 0


def apply_entries(connection: sqlite3.Connection, account: int, now: int) -> ScheduleTurn:
    """Make what is wanted of each product its lists' fields with the prices that are in force now; the newest win.

    Those that have ended are deleted; those that never end become the lists' fields.
    """
    in_force: dict[str, list[tuple[int, Mapping[str, Decimal], bool]]] = {}
    for product_id, entry, prices, stays in connection.execute(
        "SELECT product_id, number, prices, ends_at IS NULL FROM product_timed_price "
        "WHERE account = ?1 AND begins_at <= ?2 AND (ends_at IS NULL OR ends_at > ?2) ORDER BY number",
        (account, now),
    ):
        in_force.setdefault(product_id, []).append((entry, _read_prices(prices), bool(stays)))
    products = connection.execute(
        "SELECT number, product_id, base, wanted, state, item FROM product WHERE account = ?1 AND wanted IS NOT NULL "
        "AND (base IS NOT NULL OR product_id IN (SELECT product_id FROM product_timed_price "
        "WHERE account = ?1 AND begins_at <= ?2 AND (ends_at IS NULL OR ends_at > ?2)))",
        (account, now),
    ).fetchall()
    ended = _find_ended(connection, account, now)
    items: list[int] = []
    settled: list[tuple[int]] = []
    for number, product_id, base_text, wanted_text, state, item in products:
        base = read_fields(base_text or wanted_text)
        if base is None:  # damaged: the next list mends it
            continue
        wanted: dict[str, Any] = base
        for entry, prices, stays in in_force.get(product_id, ()):
            wanted = merge_fields(wanted, prices)
            if stays:
                base = merge_fields(base, prices)
                settled.append((entry,))
        items += _store_wanted(connection, number, base_text, base, wanted_text, wanted, state, item)
    connection.executemany("DELETE FROM product_timed_price WHERE number = ?", settled)
    connection.execute("DELETE FROM product_timed_price WHERE account = ? AND ends_at <= ?", (account, now))
    [(next_change_at,)] = connection.execute(
        "SELECT min(time) FROM (SELECT begins_at AS time FROM product_timed_price WHERE account = ?1 UNION ALL "
        "SELECT ends_at FROM product_timed_price WHERE account = ?1) WHERE time > ?2",
        (account, now),
    )
    return ScheduleTurn(items, ended, next_change_at)


def _suspend_entries(connection: sqlite3.Connection, account: int) -> ScheduleTurn:
    products = connection.execute(
        "SELECT number, base, wanted, state, item FROM product "
        "WHERE account = ? AND base IS NOT NULL AND wanted IS NOT NULL AND state <> 'settled'",
        (account,),
    ).fetchall()
    items: list[int] = []
    for number, base_text, wanted_text, state, item in products:
        base = read_fields(base_text)
        if base is not None:
            items += _store_wanted(connection, number, base_text, base, wanted_text, base, state, item)
    return ScheduleTurn(items, (), None)


def _has_entries(connection: sqlite3.Connection, account: int) -> bool:
    [(found,)] = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM product_timed_price WHERE account = ?1) "
        "OR EXISTS (SELECT 1 FROM product WHERE account = ?1 AND base IS NOT NULL)",
        (account,),
    )
    return bool(found)


def _find_ended(connection: sqlite3.Connection, account: int, now: int) -> list[int]:
    rows = connection.execute(
        "SELECT DISTINCT product.number FROM product JOIN product_timed_price AS timed "
        "ON timed.account = product.account AND timed.product_id = product.product_id "
        "WHERE product.account = ? AND product.base IS NOT NULL AND timed.ends_at <= ?",
        (account, now),
    )
    return [row[0] for row in rows]


def _store_wanted(
    connection: sqlite3.Connection,
    number: int,
    base_before: str | None,
    base: Mapping[str, Any],
    wanted_before: str,
    wanted: Mapping[str, Any],
    state: str,
    item: int | None,
) -> list[int]:
    """Store what is wanted of a product. Return the outbox item that carries something else."""
    wanted_text = write_fields(wanted)
    base_text = None if base == wanted else write_fields(base)
    if (base_text, wanted_text) == (base_before, wanted_before):
        return []
    is_changed = wanted_text != wanted_before
    connection.execute(
        "UPDATE product SET base = ?, wanted = ?, revision = revision + ?, "
        "state = iif(? AND state <> 'sent', 'open', state) WHERE number = ?",
        (base_text, wanted_text, is_changed, is_changed, number),
    )
    return [item] if is_changed and state == "sent" and item is not None else []


def _write_prices(prices: Mapping[str, Decimal]) -> str:
    return json_text.dumps(dict(sorted(prices.items())))


def _read_prices(text: str) -> dict[str, Decimal]:
    """Return stored prices; none if they are damaged."""
    try:
        return {str(name): Decimal(value) for name, value in json_text.loads(text).items()}
    except (ValueError, ArithmeticError, TypeError, AttributeError):
        return {}
