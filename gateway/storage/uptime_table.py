"""Running time: the seconds that the gateway has run in all its lives, which no change of a clock moves."""

import sqlite3
import time


class Uptime:
    """Counts on from what was stored; it is stored again with what the outbox writes, and by its heartbeat."""

    def __init__(self, stored_s: float) -> None:
        self._base_s = stored_s - time.monotonic()

    def now(self) -> float:
        """Return the running time in seconds."""
        return self._base_s + time.monotonic()

    def store(self, connection: sqlite3.Connection, next_sequence: int) -> None:
        """Write it, and the next free number, as part of a transaction."""
        connection.execute("UPDATE running SET seconds = ?, next_sequence = ?", (self.now(), next_sequence))
