"""The stored responses of customer flow, bounded in age and size."""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.protocol import json_text
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime

RETENTION_S: Final = 400 * 86400
"""How long a response is kept, in uptime: a year, to compare with, and some weeks."""
MAX_BYTES: Final = 8 * 1024 * 1024
"""The size of all responses together: years of one shop, asked for day by day."""
_ROW_BYTES: Final = 256
"""The size of a row beside its data."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedResponse:
    """A response of the cloud to a query of customer flow."""

    path: str
    """The endpoint; one name stands for all endpoints of today together."""
    first_day: str = ""
    """The first day, as YYYY-MM-DD; empty for today."""
    last_day: str = ""
    """The last day; empty for today."""
    data: Any
    """The JSON below `data`; for today an object of them by endpoint."""
    final: bool
    """Whether the numbers cannot change any more."""
    fetched_at: int
    """When it was fetched, in Unix seconds by the cloud's clock."""
    fetched_s: float
    """When it was fetched, in seconds of uptime."""


class FlowTable:
    """The responses of one account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, uptime: Uptime, *, account: str, max_bytes: int = MAX_BYTES) -> None:
        """Set the account by the cloud's address and the app_id, and the size of all responses together."""
        self.uptime = uptime
        self._database = database
        self._account = account
        self._max_bytes = max_bytes

    async def load(self, shop: str, first_day: str, last_day: str) -> list[CachedResponse]:
        """Return the responses for a shop within these days. Damaged ones are left out: they are fetched again."""
        rows = await self._database.read(
            "SELECT CAST(path AS BLOB), CAST(first_day AS BLOB), CAST(last_day AS BLOB), CAST(data AS BLOB), final, "
            "fetched_at, fetched_s FROM customer_flow "
            "WHERE account = ? AND shop = ? AND first_day >= ? AND last_day <= ?",
            (self._account, shop, first_day, last_day),
        )
        return [response for response in map(_parse_row, rows) if response is not None]

    async def save(self, shop: str, responses: Sequence[CachedResponse]) -> None:
        """Insert or replace responses. Those that are too old, or the oldest of too many, are deleted."""
        await self._database.transact(partial(self._save, shop, responses))

    def _save(self, shop: str, responses: Sequence[CachedResponse], connection: sqlite3.Connection) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO customer_flow VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(self._account, shop, one.path, one.first_day, one.last_day, json_text.dumps(one.data)),
                    *(int(one.final), one.fetched_at, one.fetched_s),
                )
                for one in responses
            ],
        )
        connection.execute("DELETE FROM customer_flow WHERE fetched_s < ?", (self.uptime.now() - RETENTION_S,))
        connection.execute(
            "DELETE FROM customer_flow WHERE rowid IN (SELECT rowid FROM (SELECT rowid, "
            "sum(length(CAST(data AS BLOB)) + ?) OVER (ORDER BY fetched_s DESC, rowid DESC) AS total "
            "FROM customer_flow) WHERE total > ?)",
            (_ROW_BYTES, self._max_bytes),
        )


def _parse_row(row: Sequence[Any]) -> CachedResponse | None:
    *texts, final, fetched_at, fetched_s = row
    try:
        path, first_day, last_day, data = (str(text, "utf-8") for text in texts)
        return CachedResponse(
            path=path,
            first_day=first_day,
            last_day=last_day,
            data=json_text.loads(data),
            final=bool(final),
            fetched_at=fetched_at,
            fetched_s=fetched_s,
        )
    except ValueError as exc:
        _log.debug("a stored response of the customer flow is damaged: %s", exc)
        return None
