"""Which items have an order key: the young ones are known by heart, the others from a table of the database.

Tills number their orders each in its own way, so an index would change at another place with every item, and each of
these places is a page that goes to the disk. The table gets many items at once instead, of which many share a page.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

_MOST_YOUNG: Final = 1000
"""How many items are known by heart before they are written into the table."""
WITH_KEY: Final = (
    "sequence IN (SELECT value FROM json_each(?) "
    "UNION ALL SELECT sequence FROM item_of_key WHERE order_key IN (SELECT value FROM json_each(?))) "
    "AND order_key IN (SELECT value FROM json_each(?))"
)
"""The condition in SQL that an item has one of some order keys; its parameters are what `Keys.sought` returns."""


class Keys:
    """The order keys of all items. All of it runs in the database's thread.

    What is known by heart may be too much, after a transaction that was undone, but never too little.
    """

    def __init__(self) -> None:
        self._young: dict[str, list[int]] = {}
        self._count = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Learn the young ones by heart; many are there only where the table was lost, which is then written anew."""
        [young] = connection.execute("SELECT count(*) FROM item WHERE sequence > ?", (_until(connection),)).fetchone()
        if young > _MOST_YOUNG:
            _write(connection)
        select = "SELECT order_key, sequence FROM item WHERE sequence > ? ORDER BY sequence"
        for order_key, sequence in connection.execute(select, (_until(connection),)):
            self.add(order_key, sequence)

    def add(self, order_key: str, sequence: int) -> None:
        """Take note of an item that is written in this transaction."""
        self._young.setdefault(order_key, []).append(sequence)
        self._count += 1

    def sought(self, order_keys: Sequence[str]) -> tuple[str, str, str]:
        """Return the parameters with which `WITH_KEY` finds the items that have one of these keys."""
        known = [sequence for order_key in order_keys for sequence in self._young.get(order_key, ())]
        listed = json.dumps(order_keys)
        return json.dumps(known), listed, listed

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the young ones into the table, if they are many.

        They are forgotten in a later transaction, when it is certain that this one was not undone.
        """
        if self._count < _MOST_YOUNG:
            return
        until = _until(connection)
        young = {key: [one for one in numbers if one > until] for key, numbers in self._young.items()}
        self._young = {key: numbers for key, numbers in young.items() if numbers}
        self._count = sum(map(len, self._young.values()))
        if self._count >= _MOST_YOUNG:
            _write(connection)


def _until(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT until FROM keyed").fetchone()
    return 0 if row is None else row[0]


def _write(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO item_of_key SELECT order_key, sequence FROM item WHERE sequence > ? "
        "ORDER BY order_key, sequence",
        (_until(connection),),
    )
    connection.execute("DELETE FROM keyed")
    connection.execute("INSERT INTO keyed SELECT coalesce(max(sequence), 0) FROM item")
