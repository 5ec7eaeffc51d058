"""The table of content from the head office: what became of each, so that none is taken twice."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, cast

from gateway.fleet.documents import DesiredAnswer, DesiredOutcome
from gateway.storage.database import Database


class StoredContent(NamedTuple):
    """What became of a part of the desired state that has content."""

    content: str
    """What was taken or refused, as text that is equal for equal content."""
    answer: DesiredAnswer
    """What became of it."""


class FleetContentTable:
    """Content by part. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def load(self) -> Mapping[str, StoredContent]:
        """Return what is known, by part."""
        rows = await self._database.read("SELECT part, content, outcome, reason FROM fleet_content")
        return {
            part: StoredContent(content, DesiredAnswer(outcome=cast(DesiredOutcome, outcome), reason=reason))
            for part, content, outcome, reason in rows
        }

    async def store(self, part: str, stored: StoredContent) -> None:
        """Remember what became of a part."""
        await self._database.execute(
            "INSERT OR REPLACE INTO fleet_content (part, content, outcome, reason) VALUES (?, ?, ?, ?)",
            (part, stored.content, stored.answer.outcome, stored.answer.reason),
        )

    async def forget(self, parts: Collection[str]) -> None:
        """Forget parts that are not wanted any more."""
        for part in parts:
            await self._database.execute("DELETE FROM fleet_content WHERE part = ?", (part,))
