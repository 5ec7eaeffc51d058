"""The table of webhooks, and how far each delivery is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.events.event import EventFilter
from gateway.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A till that events are sent to."""

    id: str
    """Its id."""
    name: str
    """What people call it."""
    url: str
    """Where it takes events."""
    secret: str = field(repr=False)
    """The secret that signs its events."""
    types: str
    """The types that it wants, separated by commas; empty for all."""
    camera: str
    """The serial number of the camera whose events it wants; empty for all events."""
    created_at: int
    """When it was added, in Unix seconds."""

    @property
    def filter(self) -> EventFilter:
        """Which events it wants. Raises `InvalidRequest` for types that are none."""
        return EventFilter.parse(self.types, self.camera)


class WebhookTable:
    """All webhooks in the database. Every method raises `StateError` if it cannot be used."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def load_all(self) -> list[tuple[Webhook, int]]:
        """Return each webhook with its cursor, the oldest first."""
        rows = await self._database.read(
            "SELECT id, name, url, secret, types, camera, created_at, delivered FROM webhook ORDER BY created_at, id"
        )
        return [
            (
                Webhook(
                    id=row["id"],
                    name=row["name"],
                    url=row["url"],
                    secret=row["secret"],
                    types=row["types"],
                    camera=row["camera"],
                    created_at=row["created_at"],
                ),
                row["delivered"],
            )
            for row in rows
        ]

    async def add(self, webhook: Webhook, cursor: int) -> None:
        """Add a webhook that gets the events after the one with this number."""
        await self._database.execute(
            "INSERT INTO webhook (id, name, url, secret, types, camera, created_at, delivered) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                webhook.id, webhook.name, webhook.url, webhook.secret, webhook.types, webhook.camera,
                webhook.created_at, cursor,
            ),
        )  # fmt: skip

    async def delete(self, webhook_id: str) -> None:
        """Delete a webhook, its secret included."""
        await self._database.execute("DELETE FROM webhook WHERE id = ?", (webhook_id,))
        await self._database.checkpoint()

    async def save_cursors(self, cursors: Mapping[str, int]) -> None:
        """Store how far deliveries are: the number of the last event of each webhook."""
        await self._database.executemany(
            "UPDATE webhook SET delivered = ? WHERE id = ?",
            [(cursor, webhook_id) for webhook_id, cursor in cursors.items()],
        )
