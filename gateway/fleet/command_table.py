"""The table of commands: what became of each, so that none is acted on twice."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

from gateway.fleet.documents import CommandOutcome, CommandResponse
from gateway.protocol import json_text
from gateway.storage.database import Database

MAX_ROWS: Final = 1000
"""How many commands are remembered."""
MAX_RESULTS: Final = 20
"""Of how many of them the results are kept: a repeat of an older one gets its outcome alone."""


class StoredCommand(NamedTuple):
    """A command that was taken."""

    name: str
    """Its name."""
    who: str
    """Who gave it."""
    subject: str
    """What it is about."""
    response: CommandResponse
    """What became of it."""


class FleetCommandTable:
    """The commands of the head office. Every method raises `StateError` if the database cannot be used.

    A head office gives a command to many shops by one id, so an id is of one `member`, as `find_member` tells it.
    """

    def __init__(self, database: Database) -> None:
        """Take the database."""
        self._database = database

    async def find(self, member: str, command_id: str) -> StoredCommand | None:
        """Return a command by its idempotency key; None if it was not taken."""
        query = f"SELECT {_COLUMNS} FROM fleet_command WHERE member = ? AND id = ?"  # noqa: S608  constant
        rows = await self._database.read(query, (member, command_id))
        return _parse(rows[0]) if rows else None

    async def begin(self, member: str, command_id: str, name: str, who: str, subject: str, *, now: int) -> bool:
        """Remember a command before it is acted on; return whether it was not known. `now` is in Unix seconds."""

        def insert(connection: sqlite3.Connection) -> bool:
            done = connection.execute(
                "INSERT OR IGNORE INTO fleet_command (member, id, name, who, subject, outcome, reason, began_at) "
                "VALUES (?, ?, ?, ?, ?, 'running', '', ?)",
                (member, command_id, name, who, subject, now),
            )
            newest = "(SELECT max(number) FROM fleet_command)"
            connection.execute(
                f"UPDATE fleet_command SET result = NULL WHERE number <= {newest} - ? AND result IS NOT NULL",  # noqa: S608
                (MAX_RESULTS,),
            )
            connection.execute(f"DELETE FROM fleet_command WHERE number <= {newest} - ?", (MAX_ROWS,))  # noqa: S608
            return done.rowcount == 1

        return await self._database.transact(insert)

    async def finish(self, member: str, response: CommandResponse) -> None:
        """Remember what became of a command."""
        result = json_text.dumps(response.result) if response.result else None
        await self._database.execute(
            "UPDATE fleet_command SET outcome = ?, reason = ?, result = ? WHERE member = ? AND id = ?",
            (response.outcome, response.reason, result, member, response.id),
        )

    async def interrupt(self, reason: str) -> Sequence[StoredCommand]:
        """End the commands that an earlier process did not end, and return them."""

        def update(connection: sqlite3.Connection) -> Sequence[StoredCommand]:
            query = f"SELECT {_COLUMNS} FROM fleet_command WHERE outcome = 'running'"  # noqa: S608  constant
            found = [_parse(row) for row in connection.execute(query).fetchall()]
            if found:
                connection.execute(
                    "UPDATE fleet_command SET outcome = 'interrupted', reason = ? WHERE outcome = 'running'", (reason,)
                )
            return found

        return await self._database.transact(update)


_COLUMNS: Final = "name, who, subject, id, outcome, reason, result"


def _parse(row: Sequence[Any]) -> StoredCommand:
    name, who, subject, command_id, outcome, reason, text = row
    try:
        result = {} if text is None else json_text.loads(text)
    except ValueError:  # damaged
        result = {}
    response = CommandResponse(id=command_id, outcome=cast(CommandOutcome, outcome), reason=reason, result=result)
    return StoredCommand(name, who, subject, response)
