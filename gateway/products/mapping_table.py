"""Saved mappings: how the lists of each source are read."""

from typing import Final

from firmware_tools.language import message
from gateway.errors import InvalidRequest, NotFound
from gateway.products.columns import ColumnMapping
from gateway.protocol import json_text
from gateway.storage.database import Database

SOURCE_PATTERN: Final = r"^[\w .-]{0,64}$"
"""What the name of a source may be; empty for a list that is of none."""


class MappingTable:
    """The mappings by the name of their source. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, source: str) -> ColumnMapping | None:
        """Return the mapping of a source; None if none was saved, or it is damaged."""
        rows = await self._database.read("SELECT mapping FROM product_mapping WHERE source = ?", (source,))
        return _read(rows[0]["mapping"]) if rows else None

    async def list_all(self) -> dict[str, ColumnMapping]:
        """Return all mappings by the name of their source."""
        rows = await self._database.read("SELECT source, mapping FROM product_mapping ORDER BY source")
        return {row["source"]: mapping for row in rows if (mapping := _read(row["mapping"])) is not None}

    async def save(self, source: str, mapping: ColumnMapping, *, now: int) -> None:
        """Keep the mapping of a source, in place of an older one."""
        await self._database.execute(
            "INSERT INTO product_mapping (source, mapping, used_at) VALUES (?, ?, ?) "
            "ON CONFLICT (source) DO UPDATE SET mapping = excluded.mapping, used_at = excluded.used_at",
            (source, json_text.dumps(mapping.to_document()), now),
        )

    async def delete(self, source: str) -> None:
        """Forget the mapping of a source. Raises `NotFound`."""
        if await self.find(source) is None:
            raise NotFound(message("no mapping is saved for lists of {source!r}", source=source))
        await self._database.execute("DELETE FROM product_mapping WHERE source = ?", (source,))


def _read(text: str) -> ColumnMapping | None:
    try:
        return ColumnMapping.from_document(json_text.loads(text))
    except (ValueError, AttributeError, InvalidRequest):
        return None
