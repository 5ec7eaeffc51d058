"""Tokens of callers: only their hashes are kept, and looking one up costs no query."""

import asyncio
import functools
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, StateError
from gateway.protocol.endpoint import Scope
from gateway.runtime.timestamps import utc_text
from gateway.storage.database import Database

PREFIX: Final = "sgw_"
MAX_NAME: Final = 64
WRITE_USE_EVERY_S: Final = 86400
"""How old the stored time of a token's last use may grow, in seconds: flash cards wear."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token, times in Unix seconds; the token itself is not."""

    name: str
    scope: Scope
    created_at: int
    last_used_at: int | None

    def describe(self) -> dict[str, Any]:
        """Return it as the local REST interface shows it."""
        used = None if self.last_used_at is None else utc_text(self.last_used_at)
        return {
            "name": self.name,
            "scope": self.scope,
            "created_at": utc_text(self.created_at),
            "last_used_at": used,
        }


class TokenTable:
    """All tokens, in memory and in the database; made by `open`. Writing raises `StateError` when that fails."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._by_name: dict[str, TokenRecord] = {}
        self._name_by_hash: dict[str, str] = {}
        self._tried_use: dict[str, int] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with the name of a token that was revoked just now."""

    @classmethod
    async def open(cls, database: Database, *, now: Callable[[], float] = time.time) -> Self:
        """Load all tokens; `now` gives the time in Unix seconds."""
        table = cls(database, now)
        for row in await database.read("SELECT name, scope, sha256, created_at, last_used_at FROM token"):
            record = TokenRecord(row["name"], row["scope"], row["created_at"], row["last_used_at"])
            table._by_name[record.name] = record
            table._name_by_hash[row["sha256"]] = record.name
            if record.last_used_at is not None:
                table._tried_use[record.name] = record.last_used_at
        return table

    async def create(self, name: str, scope: Scope) -> str:
        """Make a token and return it, the only time that it is seen.

        Raises `Conflict` when the name is taken and `InvalidRequest` when it is none.
        """
        if not (0 < len(name) <= MAX_NAME and name.isprintable() and name == name.strip()):
            reason = f"must be 1 to {MAX_NAME} printable characters, without blanks at the ends"
            raise InvalidRequest([FieldError("name", reason)])
        token = PREFIX + secrets.token_urlsafe(32)
        record = TokenRecord(name, scope, int(self._now()), None)
        digest = _digest(token)
        try:
            await self._database.execute(
                "INSERT INTO token (name, scope, sha256, created_at) VALUES (?, ?, ?, ?)",
                (name, scope, digest, record.created_at),
            )
        except sqlite3.IntegrityError as exc:
            raise Conflict(f"A token named {name!r} exists already: choose another name, or revoke that one") from exc
        self._by_name[name] = record
        self._name_by_hash[digest] = name
        return token

    def all(self) -> list[TokenRecord]:
        """Return every token, sorted by name."""
        return sorted(self._by_name.values(), key=lambda record: record.name)

    def named(self, name: str) -> tuple[TokenRecord, str] | None:
        """Return what is known of the token with this name, and its hash, which no later token has; or None."""
        digest = next((digest for digest, owner in self._name_by_hash.items() if owner == name), None)
        return None if digest is None else (self._by_name[name], digest)

    async def revoke(self, name: str) -> None:
        """Make a token worthless, at once. Raises `NotFound`."""
        if name not in self._by_name:
            raise NotFound(f"There is no token named {name!r}: see the list of tokens")
        await self._database.execute("DELETE FROM token WHERE name = ?", (name,))
        self._by_name.pop(name, None)
        self._tried_use.pop(name, None)
        self._name_by_hash = {digest: owner for digest, owner in self._name_by_hash.items() if owner != name}
        for callback in self.on_revoked:
            callback(name)

    def find(self, token: str) -> TokenRecord | None:
        """Return what is known of a token that a caller shows, or None."""
        name = self._name_by_hash.get(_digest(token))
        return None if name is None else self._by_name[name]

    def touch(self, name: str) -> None:
        """Note that a token was used now. Written once a day at most, and when the table is closed."""
        record, used = self._by_name.get(name), int(self._now())
        if record is None or record.last_used_at == used:
            return
        self._by_name[name] = replace(record, last_used_at=used)
        tried = self._tried_use.get(name)
        if tried is None or used - tried >= WRITE_USE_EVERY_S:
            self._tried_use[name] = used
            task = asyncio.create_task(self._write_use_in_passing(name, used))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Write the times of last use that are only in memory."""
        await asyncio.gather(*self._writing)
        uses = {record.name: record.last_used_at for record in self._by_name.values()}
        news = {name: used for name, used in uses.items() if used is not None and used != self._tried_use.get(name)}
        if news:
            await self._write_use(news)

    async def _write_use_in_passing(self, name: str, used: int) -> None:
        try:
            await self._write_use({name: used})
        except StateError as exc:
            _log.error("The last use of the token %r could not be stored: %s", name, exc)

    async def _write_use(self, uses: Mapping[str, int]) -> None:
        await self._database.executemany(
            "UPDATE token SET last_used_at = ? WHERE name = ?", [(used, name) for name, used in uses.items()]
        )


@functools.lru_cache(maxsize=64)
def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
