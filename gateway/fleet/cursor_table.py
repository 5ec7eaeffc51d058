"""The table of the fleet's cursor: one row."""

import sqlite3
from functools import partial

from gateway.fleet.cursor import FleetCursor
from gateway.storage.database import Database


class FleetCursorTable:
    """The stored cursor. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def load(self) -> FleetCursor:
        """Return the stored cursor; one at the beginning if there is none."""
        rows = await self._database.read("SELECT epoch, number, published, since, member FROM fleet_cursor")
        return FleetCursor(*rows[0]) if rows else FleetCursor()

    async def save(self, cursor: FleetCursor) -> None:
        """Store the cursor."""
        await self._database.transact(partial(write_cursor, cursor))


def write_cursor(cursor: FleetCursor, connection: sqlite3.Connection) -> None:
    """Store the cursor in a transaction that is under way."""
    connection.execute(
        "INSERT OR REPLACE INTO fleet_cursor (id, epoch, number, published, since, member) VALUES (1, ?, ?, ?, ?, ?)",
        (cursor.epoch, cursor.number, cursor.published, cursor.since, cursor.member),
    )
