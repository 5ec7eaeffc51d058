"""Which files of lists were handed over with which content, so that none is taken twice."""

import sqlite3
from collections.abc import Callable
from typing import Final

from gateway.storage.database import Database

MAX_FILES: Final = 5000
"""How many files are remembered; of more, the oldest ones are forgotten."""


class ProductFileTable:
    """The files of one account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, *, account: Callable[[], int]) -> None:
        """`account` returns the number of the account of the settings."""
        self._database = database
        self._account = account

    async def find(self, file: str) -> str | None:
        """Return the digest of the content with which a file was handed over last; None if it never was."""
        rows = await self._database.read(
            "SELECT digest FROM product_file WHERE account = ? AND file = ?", (self._account(), file)
        )
        return str(rows[0]["digest"]) if rows else None

    async def store(self, file: str, digest: str) -> None:
        """Remember the content with which a file was handed over."""
        account = self._account()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO product_file (account, file, digest) VALUES (?, ?, ?)", (account, file, digest)
            )
            connection.execute(
                "DELETE FROM product_file WHERE account = ?1 AND number <= "
                "(SELECT number FROM product_file WHERE account = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
                (account, MAX_FILES),
            )

        await self._database.transact(work)
