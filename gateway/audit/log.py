"""The audit log: bounded, without secrets, and never in the way of what it records."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.audit import table
from gateway.audit.change import Change, NewChange
from gateway.errors import StateError
from gateway.runtime.failure_log import FailureLog
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.group_commit import GroupCommit
from gateway.storage.uptime_table import Uptime

MAX_PAGE: Final = 500
"""Largest number of changes in a page."""

_log: Final = logging.getLogger(__name__)


class AuditLog:
    """Who changed what."""

    def __init__(
        self, database: Database, uptime: Uptime, supervisor: Supervisor, *, now: Callable[[], float] = time.time
    ) -> None:
        """Take the database, the uptime, the supervisor, and the clock in Unix seconds."""
        self._database = database
        self._uptime = uptime
        self._now = now
        self._failures = FailureLog(_log, "changes cannot be written into the audit log")
        self._commit: GroupCommit[NewChange, None] = GroupCommit(
            database, supervisor, "audit log writer", store=self._store, committed=lambda _: None
        )

    async def add(self, change: NewChange) -> None:
        """Record a change that was made. A failure is logged: what was done is done."""
        try:
            await self._commit.add(change)
        except StateError as exc:
            self._failures.failed(f"{change.who or 'local'}: {change.action} {change.object}: {exc}")
        else:
            self._failures.recovered()

    async def read(self, *, before: int | None = None, limit: int = MAX_PAGE) -> tuple[list[Change], int | None]:
        """Return the newest changes before a number, and the number before which the next page is; None at the end.

        Raises `StateError`.
        """
        changes = await table.load_page(self._database, before=before, limit=limit)
        return changes, changes[-1].number if len(changes) == limit else None

    async def close(self) -> None:
        """Store what is on its way."""
        await self._commit.close()

    def _store(self, connection: sqlite3.Connection, changes: Sequence[NewChange]) -> Sequence[None]:
        table.insert(connection, changes, time=int(self._now()), uptime_s=self._uptime.now())
        return [None] * len(changes)
