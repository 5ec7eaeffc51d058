"""The tills that events are pushed to, and how far each has got."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.events.event import EventFilter
from gateway.storage.database import Database


@dataclass(frozen=True, slots=True)
class Webhook:
    """A till's address for events. `secret` signs them; `created_at` are Unix seconds."""

    id: str
    name: str
    url: str
    secret: str = field(repr=False)
    types: str
    camera: str
    created_at: int

    @property
    def filter(self) -> EventFilter:
        """Which events it wants."""
        return EventFilter.parse(self.types, self.camera)


class WebhookTable:
    """All webhooks in the database. Every method raises `StateError` when it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self) -> list[tuple[Webhook, int]]:
        """Return each with the number of the last event that was dealt with, the oldest webhook first."""
        rows = await self._database.read(
            "SELECT id, name, url, secret, types, camera, created_at, delivered FROM webhook ORDER BY created_at, id"
        )
        return [(Webhook(*row[:7]), row[7]) for row in map(tuple, rows)]

    async def add(self, webhook: Webhook, delivered: int) -> None:
        """Add one that gets the events after the given number."""
        async with self._database.write() as connection:
            await connection.execute(
                "INSERT INTO webhook VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    webhook.id, webhook.name, webhook.url, webhook.secret, webhook.types, webhook.camera,
                    webhook.created_at, delivered,
                ),
            )  # fmt: skip

    async def delete(self, webhook_id: str) -> None:
        """Remove one, its secret included."""
        async with self._database.write() as connection:
            await connection.execute("DELETE FROM webhook WHERE id = ?", (webhook_id,))
        await self._database.scrub()

    async def save_delivered(self, numbers: Mapping[str, int]) -> None:
        """Store how far each of these has got."""
        async with self._database.write() as connection:
            await connection.executemany(
                "UPDATE webhook SET delivered = ? WHERE id = ?", [(number, one) for one, number in numbers.items()]
            )
