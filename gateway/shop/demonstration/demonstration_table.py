"""The table of the docking demonstration: the one that was begun last."""

import json
from typing import Any

from gateway.storage.database import Database


class DemonstrationTable:
    """Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, document: Any) -> None:
        """Store a demonstration in place of the one that there is."""
        await self._database.execute(
            "INSERT INTO demonstration (id, document) VALUES (1, ?) "
            "ON CONFLICT (id) DO UPDATE SET document = excluded.document",
            (json.dumps(document),),
        )

    async def delete(self) -> None:
        """Remove it."""
        await self._database.execute("DELETE FROM demonstration")

    async def load(self) -> Any:
        """Return it, or None if there is none. Raises `ValueError` for one that cannot be read."""
        rows = await self._database.read("SELECT document FROM demonstration")
        return json.loads(rows[0]["document"]) if rows else None
