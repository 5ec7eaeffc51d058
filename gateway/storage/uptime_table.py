"""Uptime: the seconds that the gateway has run in all its lives. No change of a clock moves it."""

import sqlite3
import time
from typing import Final, Self

from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database

HEARTBEAT_S: Final = 600.0
"""How often it is stored when nothing else stores it: a power cut takes no more than that from it."""


class Uptime:
    """The uptime of all lives; made by `open`."""

    def __init__(self, stored_s: float) -> None:
        """Go on from the stored seconds."""
        self._base_s = stored_s - time.monotonic()

    @classmethod
    async def open(cls, database: Database, supervisor: Supervisor) -> Self:
        """Load it, and store it every ten minutes from now on."""
        uptime = cls(await database.transact(_load))
        supervisor.start_periodic("uptime", lambda: database.transact(uptime.store), interval_s=HEARTBEAT_S)
        return uptime

    def now(self) -> float:
        """Return the uptime in seconds."""
        return self._base_s + time.monotonic()

    def advance_to(self, seconds: float) -> None:
        """Take a later uptime that something stored proves."""
        self._base_s = max(self._base_s, seconds - time.monotonic())

    def store(self, connection: sqlite3.Connection) -> None:
        """Store it as part of a transaction."""
        connection.execute("UPDATE uptime SET seconds = ?", (self.now(),))


def _load(connection: sqlite3.Connection) -> float:
    connection.execute("INSERT OR IGNORE INTO uptime VALUES (1, 0)")
    [seconds] = connection.execute("SELECT seconds FROM uptime").fetchone()
    return float(seconds)
