"""Provisioning jobs under way, so that they go on after a crash."""

import json
from typing import Any

from gateway.storage.database import Database


class JobTable:
    """One job per camera, as JSON. Its secrets leave the files when they leave the job, not some time later.

    Every method raises `StateError` when the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, sn: str, state: dict[str, Any]) -> None:
        """Add or replace the job of a camera; what the state held before is in no file any more."""
        async with self._database.write() as connection:
            await connection.execute(
                "INSERT INTO provisioning_job (sn, state) VALUES (?, ?) ON CONFLICT (sn) "
                "DO UPDATE SET state = excluded.state",
                (sn, json.dumps(state)),
            )
        await self._database.scrub()

    async def load_all(self) -> dict[str, dict[str, Any]]:
        """Return the state of every job by serial number."""
        rows = await self._database.read("SELECT sn, state FROM provisioning_job")
        return {row["sn"]: json.loads(row["state"]) for row in rows}

    async def delete(self, sn: str) -> None:
        """Remove the job of a camera, if there is one, and with it every trace of its secrets."""
        async with self._database.write() as connection:
            await connection.execute("DELETE FROM provisioning_job WHERE sn = ?", (sn,))
        await self._database.scrub()
