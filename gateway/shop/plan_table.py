"""The tables of the site plan: the plan, its cameras with their progress, and its secrets."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.shop.plan import MAX_CAMERAS
from gateway.storage.database import Database

WIFI_SECRET: Final = MAX_CAMERAS
"""The position of the Wi-Fi password among the secrets: behind those of all possible cameras."""


class StoredPlan(NamedTuple):
    """What is stored of a plan, as JSON documents."""

    plan: Any
    """The plan without its cameras."""
    run: Any
    """The run."""
    cameras: Sequence[tuple[Any, Any]]
    """What each camera shall be, and its progress, in the order of the list."""
    secrets: Mapping[int, str]
    """The secrets that are still needed, by the camera's position."""


class SitePlanTable:
    """The one plan of a gateway. Secrets leave the files at once when they are no longer needed.

    Every method raises `StateError` if the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replace(self, stored: StoredPlan) -> None:
        """Store a plan in place of the one that there is."""
        rows = [
            (position, json.dumps(planned), json.dumps(progress))
            for position, (planned, progress) in enumerate(stored.cameras)
        ]

        def work(connection: sqlite3.Connection) -> None:
            _delete(connection)
            connection.execute(
                "INSERT INTO site_plan (id, plan, run) VALUES (1, ?, ?)",
                (json.dumps(stored.plan), json.dumps(stored.run)),
            )
            connection.executemany("INSERT INTO site_plan_camera (position, planned, progress) VALUES (?, ?, ?)", rows)
            connection.executemany(
                "INSERT INTO site_plan_secret (position, secret) VALUES (?, ?)",
                [(position, secret.encode()) for position, secret in stored.secrets.items()],
            )

        await self._database.transact(work)
        await self._database.checkpoint()

    async def save_run(self, run: Any, progress: Mapping[int, Any]) -> None:
        """Store the state of the run, and the progress of cameras by their position."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE site_plan SET run = ?", (json.dumps(run),))
            connection.executemany(
                "UPDATE site_plan_camera SET progress = ? WHERE position = ?",
                [(json.dumps(document), position) for position, document in progress.items()],
            )

        await self._database.transact(work)

    async def save_progress(self, position: int, progress: Any) -> None:
        """Store how far a camera is."""
        await self._database.execute(
            "UPDATE site_plan_camera SET progress = ? WHERE position = ?", (json.dumps(progress), position)
        )

    async def delete_secret(self, position: int) -> None:
        """Remove a secret that is no longer needed, and every trace of it."""
        await self._database.execute("DELETE FROM site_plan_secret WHERE position = ?", (position,))
        await self._database.checkpoint()

    async def delete(self) -> None:
        """Remove the plan, and every trace of its secrets."""
        await self._database.transact(_delete)
        await self._database.checkpoint()

    async def load(self) -> StoredPlan | None:
        """Return the plan, or None if there is none. Raises `ValueError` for one that cannot be read."""
        plans = await self._database.read("SELECT plan, run FROM site_plan")
        if not plans:
            return None
        cameras = await self._database.read("SELECT planned, progress FROM site_plan_camera ORDER BY position")
        secrets = await self._database.read("SELECT position, secret FROM site_plan_secret")
        return StoredPlan(
            json.loads(plans[0]["plan"]),
            json.loads(plans[0]["run"]),
            [(json.loads(row["planned"]), json.loads(row["progress"])) for row in cameras],
            {row["position"]: row["secret"].decode() for row in secrets},
        )


def _delete(connection: sqlite3.Connection) -> None:
    for table in ("site_plan", "site_plan_camera", "site_plan_secret"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name from the line above
