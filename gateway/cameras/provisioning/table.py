"""The table of provisioning jobs under way, which are resumed after a crash."""

import json
from typing import Any

from gateway.storage.database import Database


class ProvisioningJobTable:
    """One job per camera, as JSON. Its secrets leave the files at once when they leave the job.

    Every method raises `StateError` if the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, sn: str, state: dict[str, Any]) -> None:
        """Add or replace the job of a camera. What the state held before is removed from the files."""
        await self._database.execute(
            "INSERT INTO provisioning_job (sn, state) VALUES (?, ?) ON CONFLICT (sn) "
            "DO UPDATE SET state = excluded.state",
            (sn, json.dumps(state)),
        )
        await self._database.checkpoint()

    async def load_all(self) -> dict[str, Any]:
        """Return the state of each job, by serial number. It is None where the stored text is no JSON."""
        rows = await self._database.read("SELECT sn, state FROM provisioning_job")
        return {row["sn"]: _parse(row["state"]) for row in rows}

    async def delete(self, sn: str) -> None:
        """Remove the job of a camera, if there is one, and every trace of its secrets."""
        await self._database.execute("DELETE FROM provisioning_job WHERE sn = ?", (sn,))
        await self._database.checkpoint()


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
