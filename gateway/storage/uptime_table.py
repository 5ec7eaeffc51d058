"""Uptime: the seconds that the gateway has run, over all runs. No change of a clock moves it."""

import sqlite3
import time
from typing import Final, Self

from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database

HEARTBEAT_S: Final = 600.0
"""How often it is stored when nothing else stores it: a power cut takes no more than that from it."""
_MAX_LOST_S: Final = 2 * HEARTBEAT_S
"""How much a power cut takes at most, with some room for a busy machine."""
_MAX_UPTIME_S: Final = 100 * 365 * 86400.0
"""No gateway runs longer. Without a stored uptime, as after a recovery, only this bounds what is believed."""


class Uptime:
    """The uptime over all runs; made by `open`."""

    def __init__(self, stored_s: float | None) -> None:
        """Go on from the stored seconds; None if they were lost."""
        self._base_s = (stored_s or 0.0) - time.monotonic()
        self._latest_s = stored_s + _MAX_LOST_S if stored_s else _MAX_UPTIME_S

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
        """Take a later uptime that something stored proves. One that cannot be true is ignored."""
        if seconds <= self._latest_s:
            self._base_s = max(self._base_s, seconds - time.monotonic())

    def store(self, connection: sqlite3.Connection) -> None:
        """Store it as part of a transaction."""
        connection.execute("UPDATE uptime SET seconds = ?", (self.now(),))


def _load(connection: sqlite3.Connection) -> float | None:
    """Return the stored uptime; None if there is none, or one that cannot be true."""
    connection.execute("INSERT OR IGNORE INTO uptime VALUES (1, 0)")
    [seconds] = connection.execute("SELECT seconds FROM uptime").fetchone()
    return float(seconds) if 0 < seconds <= _MAX_UPTIME_S else None
