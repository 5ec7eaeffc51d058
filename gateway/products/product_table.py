"""The products of an account in the database: wanted, confirmed, and what is on its way between both."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeVar

from gateway.products.changes import ChangeKind, Fields, ProductChange, read_fields, restore_prices, write_fields
from gateway.products.schedule_table import ScheduleTurn, TimedPrice, apply_entries, store_entries
from gateway.products.snapshots import BLOCK, PackedProducts, pack_products
from gateway.protocol import json_text
from gateway.storage.database import Database

ProductState = Literal["settled", "open", "sent", "refused"]

MAX_PRICES: Final = 200
"""How many prices of one product are kept."""
_SELECT: Final = (
    "SELECT number, product_id, name, state, wanted, base, revision, confirmed, change, item, problem, changed_at, "
)
_COLUMNS: Final = f"{_SELECT} confirmed_at, source FROM product"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A product as it is stored."""

    number: int
    """Its number in the database."""
    product_id: str
    """Its own number."""
    name: str
    """Its name; empty if it has none."""
    state: ProductState
    """`settled` if the cloud has what is wanted, `open` if a change has to be handed over, `sent` while one is on its
    way, `refused` if the cloud refused it."""
    wanted: Fields | None
    """What the cloud shall have now, prices for a time included; None if it shall not be there."""
    listed: Fields | None
    """What the shop's lists say apart from prices for a time; None if it shall not be at the cloud."""
    revision: int
    """How often lists have changed it."""
    confirmed: Fields | None
    """What the cloud has taken; None if it does not have it."""
    change: ProductChange | None
    """The last change that was handed over; None if there is none."""
    item: int | None
    """The outbox item that carries the change."""
    problem: str
    """Why the cloud refused the change; empty if it did not."""
    changed_at: int
    """When a list changed it last, in Unix seconds."""
    confirmed_at: int | None
    """When the cloud took a change last, in Unix seconds; None if it never did."""
    source: str
    """The source of the list that changed it last."""


class WantedProduct(NamedTuple):
    """What a list says about a product that it changes."""

    product_id: str
    """Its own number."""
    name: str
    """Its name."""
    wanted: str | None
    """All its fields, as JSON; None if it shall not be at the cloud."""


class SettledChange(NamedTuple):
    """What became of a change."""

    number: int
    """The product's number in the database."""
    revision: int
    """Its revision when that was found out. If a list has changed it since, it is `open` again."""
    state: ProductState
    """Its state then."""
    confirmed: Fields | None
    """What the cloud has."""
    prices: Mapping[str, Decimal | None]
    """The prices that came into effect, by field; None for one that is no more."""
    problem: str = ""
    """Why the cloud refused it; empty if it did not."""
    is_taken: bool = False
    """Whether the cloud took it."""


class ObservedProduct(NamedTuple):
    """A product that the cloud has otherwise than it had taken it."""

    product: StoredProduct
    """The product as it was when that was seen."""
    confirmed: Fields | None
    """What the cloud has; None if it does not have it."""


class PriceEntry(NamedTuple):
    """A price as it came into effect."""

    field: str
    """Which price."""
    value: Decimal | None
    """The price; None if the product has none from then on."""
    time: int
    """When, in Unix seconds."""


class ProductTable:
    """The products of one account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, *, account: Callable[[], int]) -> None:
        """`account` returns the number of the account of the settings."""
        self._database = database
        self._account = account

    async def adopt(self) -> None:
        """Take over the products of an account whose wrong description the settings have mended."""
        account = self._account()
        await self._database.execute(
            "UPDATE product SET account = :account WHERE account NOT IN (SELECT id FROM account) "
            "AND NOT EXISTS (SELECT 1 FROM product WHERE account = :account)",
            {"account": account},
        )

    async def load_wanted(self) -> dict[str, str]:
        """Return what the lists say of all products that shall be at the cloud, as JSON by their numbers."""
        account = self._account()

        def work(connection: sqlite3.Connection) -> dict[str, str]:
            rows = connection.execute(
                "SELECT product_id, coalesce(base, wanted) FROM product WHERE account = ? AND wanted IS NOT NULL",
                (account,),
            )
            return {row[0]: row[1] for row in rows}

        return await self._database.inspect(work)

    async def pack_wanted(self, max_bytes: int) -> PackedProducts | None:
        """Return all products that shall be at the cloud, as of one moment, in the order of their numbers.

        None if they take more than `max_bytes`.
        """
        account = self._account()

        def work(connection: sqlite3.Connection) -> PackedProducts | None:
            # Bytes: what else than UTF-8 a damaged row holds must not hold up the others.
            rows = connection.execute(
                "SELECT CAST(iif(json_valid(wanted), wanted, confirmed) AS BLOB) FROM product "
                "WHERE account = ? AND wanted IS NOT NULL AND json_valid(iif(json_valid(wanted), wanted, confirmed)) "
                "ORDER BY number",
                (account,),
            )
            blocks: list[bytes] = []
            total, left = 0, max_bytes
            while some := rows.fetchmany(BLOCK):
                blocks.append(pack_products([row[0] for row in some]))
                total += len(some)
                left -= len(blocks[-1])
                if left < 0:
                    return None
            return PackedProducts(total, blocks)

        return await self._database.inspect(work)

    async def store_list(
        self,
        changed: Sequence[WantedProduct],
        mentioned: Iterable[str],
        *,
        source: str,
        now: int,
        timed: Sequence[TimedPrice] = (),
        apply_at: int | None = None,
    ) -> ScheduleTurn | None:
        """Store what a list changes, as one transaction. Refused products that it mentions are tried again.

        `apply_at` is the time at which prices for a time are in force or not, where that is known.
        """
        account = self._account()
        rows = [(account, one.product_id, one.name, one.wanted, now, source) for one in changed]
        listed = json.dumps(list(mentioned))

        def work(connection: sqlite3.Connection) -> ScheduleTurn | None:
            connection.executemany(
                "INSERT INTO product "
                "(account, product_id, name, state, wanted, revision, problem, changed_at, source) "
                "VALUES (?, ?, ?, 'open', ?, 1, '', ?, ?) ON CONFLICT (account, product_id) DO UPDATE SET "
                "name = excluded.name, wanted = excluded.wanted, base = NULL, revision = revision + 1, "
                "changed_at = excluded.changed_at, source = excluded.source, "
                "state = iif(state = 'sent', 'sent', 'open')",
                rows,
            )
            connection.execute(
                "UPDATE product SET state = 'open' WHERE account = ? AND state = 'refused' "
                "AND product_id IN (SELECT value FROM json_each(?))",
                (account, listed),
            )
            store_entries(connection, account, timed, source=source, now=now)
            gone = [(account, one.product_id) for one in changed if one.wanted is None]
            connection.executemany("DELETE FROM product_timed_price WHERE account = ? AND product_id = ?", gone)
            return None if apply_at is None else apply_entries(connection, account, apply_at)

        return await self._database.transact(work)

    async def find(self, states: Sequence[ProductState], limit: int, *, after: int = 0) -> list[StoredProduct]:
        """Return products in one of these states, in the order of their numbers."""
        return await self._load(  # the numbers first, by the index alone: what is not returned is not read
            "number IN (SELECT number FROM product WHERE account = ? AND state IN (SELECT value FROM json_each(?)) "
            "AND number > ? ORDER BY number LIMIT ?) ORDER BY number",
            (self._account(), json.dumps(list(states)), after, limit),
        )

    async def find_unsettled(self, numbers: Sequence[int]) -> list[StoredProduct]:
        """Return those of some products, by their numbers in the database, that are not settled."""
        condition = "number IN (SELECT value FROM json_each(?)) AND state <> 'settled'"
        return await self._load(condition, (json.dumps(list(numbers)),))

    async def get(self, product_id: str) -> StoredProduct | None:
        """Return one product; None if there is none."""
        products = await self._load("account = ? AND product_id = ?", (self._account(), product_id))
        return products[0] if products else None

    async def get_many(self, product_ids: Sequence[str]) -> dict[str, StoredProduct]:
        """Return those of some products that there are, by their numbers."""
        condition = "account = ? AND product_id IN (SELECT value FROM json_each(?))"
        products = await self._load(condition, (self._account(), json.dumps(list(product_ids))))
        return {product.product_id: product for product in products}

    async def search(
        self, words: str, *, states: Sequence[ProductState] = (), after: int = 0, limit: int = 50
    ) -> tuple[list[StoredProduct], int | None]:
        """Return a page of products whose number, name or bar code holds a text, and where the next one begins."""
        conditions = ["account = ?", "number > ?"]
        values: list[Any] = [self._account(), after]
        if words:
            pattern = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
            conditions.append(
                r"(product_id LIKE ? ESCAPE '\' OR name LIKE ? ESCAPE '\' OR "
                r"coalesce(wanted, confirmed) ->> 'bar_code' LIKE ? ESCAPE '\')"
            )
            values += [pattern] * 3
        if states:
            conditions.append("state IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(states)))
        found = await self._load(f"{' AND '.join(conditions)} ORDER BY number LIMIT ?", (*values, limit + 1))
        products = found[:limit]
        return products, products[-1].number if len(found) > limit else None

    async def count(self) -> dict[ProductState, int]:
        """Return how many products are in each state."""
        rows = await self._inspect(
            "SELECT state, count(*) AS products FROM product WHERE account = ? GROUP BY state", (self._account(),)
        )
        return {row["state"]: row["products"] for row in rows}

    async def store_sent(self, changes: Mapping[int, ProductChange]) -> None:
        """Store the changes that are handed over now, by the products' numbers in the database."""
        rows = [(_write_change(change), number) for number, change in changes.items()]
        await self._database.executemany(
            "UPDATE product SET state = 'sent', change = ?, item = NULL, problem = '' WHERE number = ?", rows
        )

    async def store_items(self, items: Mapping[int, int]) -> None:
        """Store which outbox items carry the changes, by the products' numbers in the database."""
        rows = [(item, number) for number, item in items.items()]
        await self._database.executemany("UPDATE product SET item = ? WHERE number = ? AND state = 'sent'", rows)

    async def store_settled(self, settled: Sequence[SettledChange], *, now: int) -> None:
        """Store what became of changes, and the prices that came into effect."""

        def work(connection: sqlite3.Connection) -> None:
            for one in settled:
                connection.execute(
                    "UPDATE product SET state = iif(revision = ?, ?, 'open'), confirmed = ?, problem = ?, "
                    "confirmed_at = iif(?, ?, confirmed_at) WHERE number = ?",
                    (one.revision, one.state, _write(one.confirmed), one.problem, one.is_taken, now, one.number),
                )
                connection.executemany(
                    "INSERT INTO product_price (product, field, value, time) VALUES (?, ?, ?, ?)",
                    [(one.number, field, _write_price(value), now) for field, value in one.prices.items()],
                )
                if one.prices:
                    connection.execute(
                        "DELETE FROM product_price WHERE product = ? AND number NOT IN "
                        "(SELECT number FROM product_price WHERE product = ? ORDER BY number DESC LIMIT ?)",
                        (one.number, one.number, MAX_PRICES),
                    )
                if one.confirmed is None and one.state == "settled":
                    gone = (one.number, one.revision)
                    if connection.execute("DELETE FROM product WHERE number = ? AND revision = ?", gone).rowcount:
                        connection.execute("DELETE FROM product_price WHERE product = ?", (one.number,))

        await self._database.transact(work)

    async def store_observed(self, observed: Sequence[ObservedProduct], foreign: Sequence[str], *, now: int) -> int:
        """Store what the cloud really has, so that it is mended. Return of how many products.

        Products that have changed meanwhile stay as they are. Foreign ones are stored as not wanted.
        """
        account = self._account()

        def work(connection: sqlite3.Connection) -> int:
            mended = 0
            for one in observed:
                cursor = connection.execute(
                    "UPDATE product SET state = 'open', confirmed = ? "
                    "WHERE number = ? AND state = 'settled' AND confirmed_at IS ?",
                    (_write(one.confirmed), one.product.number, one.product.confirmed_at),
                )
                mended += cursor.rowcount
            for product_id in foreign:
                cursor = connection.execute(
                    "INSERT INTO product (account, product_id, name, state, wanted, revision, confirmed, problem, "
                    "changed_at, source) VALUES (?, ?, '', 'open', NULL, 0, ?, '', ?, '') ON CONFLICT DO NOTHING",
                    (account, product_id, _write({"id": product_id}), now),
                )
                mended += cursor.rowcount
            return mended

        return await self._database.transact(work)

    async def list_prices(self, number: int) -> list[PriceEntry]:
        """Return the prices of a product, newest first."""
        rows = await self._inspect(
            "SELECT field, value, time FROM product_price WHERE product = ? ORDER BY number DESC", (number,)
        )
        return [
            PriceEntry(row["field"], None if row["value"] is None else Decimal(row["value"]), row["time"])
            for row in rows
        ]

    async def _load(self, condition: str, parameters: Sequence[Any]) -> list[StoredProduct]:
        """Return the products that meet a condition. They are read in the database's thread: that takes its time."""
        query = f"{_COLUMNS} WHERE {condition}"

        def work(connection: sqlite3.Connection) -> list[StoredProduct]:
            return [_read_product(row) for row in connection.execute(query, parameters)]

        return await self._database.inspect(work)

    async def _inspect(self, sql: str, parameters: Sequence[Any]) -> list[sqlite3.Row]:
        return await self._database.inspect(lambda connection: connection.execute(sql, parameters).fetchall())


def _read_product(row: sqlite3.Row) -> StoredProduct:
    confirmed = _read(row["confirmed"])
    wanted = None if row["wanted"] is None else _read(row["wanted"]) or confirmed
    return StoredProduct(
        number=row["number"],
        product_id=row["product_id"],
        name=row["name"],
        state=row["state"],
        wanted=wanted,
        listed=_read(row["base"]) or wanted,
        revision=row["revision"],
        confirmed=confirmed,
        change=_read_change(row["change"]),
        item=row["item"],
        problem=row["problem"],
        changed_at=row["changed_at"],
        confirmed_at=row["confirmed_at"],
        source=row["source"],
    )


def _read(text: str | None) -> dict[str, Any] | None:
    return None if text is None else read_fields(text)


def _write(fields: Fields | None) -> str | None:
    return None if fields is None else write_fields(fields)


def _read_change(text: str | None) -> ProductChange | None:
    """Return a stored change; None if there is none, or it is damaged."""
    if text is None:
        return None
    try:
        [(kind, fields)] = json_text.loads(text).items()
        return ProductChange(_KINDS[kind], restore_prices(fields) or {})
    except (ValueError, AttributeError, KeyError):
        return None


_KINDS: Final[Mapping[str, ChangeKind]] = {"create": "create", "update": "update", "delete": "delete"}


def _write_change(change: ProductChange) -> str:
    return json_text.dumps({change.kind: change.fields})


def _write_price(price: Decimal | None) -> str | None:
    return None if price is None else str(price)
