"""When the products of an account were compared with the cloud last."""

from collections.abc import Callable

from gateway.storage.database import Database


class ReconciliationTable:
    """Remembers the last comparison of an account. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database, *, account: Callable[[], int]) -> None:
        """`account` returns the number of the account of the settings."""
        self._database = database
        self._account = account

    async def find_last(self) -> int | None:
        """Return when the last comparison began, in Unix seconds; None if there was none."""
        rows = await self._database.read(
            "SELECT began_at FROM product_reconciliation WHERE account = ?", (self._account(),)
        )
        return int(rows[0]["began_at"]) if rows else None

    async def store(self, began_at: int) -> None:
        """Remember when a comparison began."""
        await self._database.execute(
            "INSERT OR REPLACE INTO product_reconciliation (account, began_at) VALUES (?, ?)",
            (self._account(), began_at),
        )
