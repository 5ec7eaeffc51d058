"""Holding the outbox back: after a restore nothing is sent until a person says so."""

import sqlite3
import time


def hold(connection: sqlite3.Connection) -> None:
    """Hold everything back, if anything waits: newer values may have been sent since it was accepted."""
    connection.execute(
        "INSERT OR REPLACE INTO held SELECT 1, ? WHERE EXISTS (SELECT 1 FROM item WHERE state = 'waiting')",
        (int(time.time()),),
    )


def is_held(connection: sqlite3.Connection) -> bool:
    """Tell whether everything is held back."""
    return connection.execute("SELECT 1 FROM held").fetchone() is not None


def let_go(connection: sqlite3.Connection) -> None:
    """Hold nothing back any more."""
    connection.execute("DELETE FROM held")
