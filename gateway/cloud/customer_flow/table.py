"""What is kept of customer flow: answers of the cloud, bounded in age and size."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.protocol import json_text
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

RETENTION_S: Final = 400 * 86400
"""How long an answer is kept, in uptime: a year, to compare with, and some weeks."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""How much is kept of all shops together: some years of one shop's days, asked for day by day."""
_ROW_BYTES: Final = 256
"""What a row takes beside its data: the key, twice, and the times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One answer: `path` with its days (empty for the present one), and whether it can still change.

    `fetched_at` is in Unix seconds, `fetched_s` in seconds of uptime.
    """

    path: str
    first: str = ""
    last: str = ""
    data: Any
    final: bool
    fetched_at: int
    fetched_s: float


class FlowTable:
    """Customer flow of one account in the database. Every method raises `StateError` when it cannot be used."""

    def __init__(self, database: Database, uptime: Uptime, *, account: str, max_bytes: int = MAX_BYTES) -> None:
        self.uptime = uptime
        self._database = database
        self._account = account
        self._max_bytes = max_bytes

    async def load(self, shop: str, first: str, last: str) -> list[Kept]:
        """Return what is kept of a shop within these days."""
        rows = await self._database.read(
            "SELECT path, first_day, last_day, data, final, fetched_at, fetched_s FROM customer_flow "
            "WHERE account = ? AND shop = ? AND first_day >= ? AND last_day <= ?",
            (self._account, shop, first, last),
        )
        return [
            Kept(
                path=row["path"],
                first=row["first_day"],
                last=row["last_day"],
                data=json_text.loads(row["data"]),
                final=bool(row["final"]),
                fetched_at=row["fetched_at"],
                fetched_s=row["fetched_s"],
            )
            for row in rows
        ]

    async def save(self, shop: str, answers: Sequence[Kept]) -> None:
        """Add or replace answers; those that are too old, or too much, make room, the oldest first."""
        await self._database.transact(partial(self._save, shop, answers))

    def _save(self, shop: str, answers: Sequence[Kept], connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO customer_flow VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(self._account, shop, one.path, one.first, one.last, json_text.dumps(one.data)),
                    *(int(one.final), one.fetched_at, one.fetched_s),
                )
                for one in answers
            ],
        )
        connection.execute("DELETE FROM customer_flow WHERE fetched_s < ?", (self.uptime.now() - RETENTION_S,))
        connection.execute(
            "DELETE FROM customer_flow WHERE rowid IN (SELECT rowid FROM (SELECT rowid, "
            "sum(length(CAST(data AS BLOB)) + ?) OVER (ORDER BY fetched_s DESC, rowid DESC) AS total "
            "FROM customer_flow) WHERE total > ?)",
            (_ROW_BYTES, self._max_bytes),
        )
