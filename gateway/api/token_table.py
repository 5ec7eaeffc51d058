"""Tokens of callers: only their hashes are stored, and looking one up needs no query."""

import functools
import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from gateway.api.scopes import expand, list_scopes, name_scopes
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound
from gateway.protocol.endpoint import Scope
from gateway.runtime.supervisor import Service, Supervisor
from gateway.runtime.timestamps import utc_text
from gateway.storage.database import Database

MAX_NAME_LENGTH: Final = 64
STORE_USE_INTERVAL_S: Final = 86400
"""How old the stored time of a token's last use may become, in seconds: flash cards wear."""

CHECK_INTERVAL_S: Final = 60.0
"""How often it is checked whether a stored time is too old."""

_PREFIX: Final = "sgw_"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token; the token itself is not."""

    name: str
    """The name that a person gave it; unique."""
    scopes: tuple[Scope, ...]
    """The scopes that a person gave it; they may include more."""
    created_at: int
    """When it was created, in Unix seconds."""
    last_used_at: int | None
    """When it was used last, in Unix seconds; None before its first use."""

    @property
    def granted(self) -> frozenset[Scope]:
        """What its holder may do: its scopes, with all that they include."""
        return expand(self.scopes)

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        used = None if self.last_used_at is None else utc_text(self.last_used_at)
        return {
            "name": self.name,
            "scope": name_scopes(self.granted),
            "scopes": list_scopes(self.granted),
            "created_at": utc_text(self.created_at),
            "last_used_at": used,
        }


class TokenTable:
    """All tokens, in memory and in the database; made by `open`. Writing raises `StateError` if it fails."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        """Take the database, and the clock in Unix seconds."""
        self._database = database
        self._now = now
        self._records: dict[str, TokenRecord] = {}
        """By the token's hash."""
        self._hashes: dict[str, str] = {}
        """By the token's name."""
        self._stored_uses: dict[str, int | None] = {}
        """The stored times of last use, by the token's hash."""
        self._service: Service | None = None
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with the name of a token that has just been revoked."""

    @classmethod
    async def open(cls, database: Database, supervisor: Supervisor, *, now: Callable[[], float] = time.time) -> Self:
        """Load all tokens, and store the times of last use from now on; `now` is the clock in Unix seconds."""
        table = cls(database, now)
        for name, scope, sha256, created_at, last_used_at in await database.read(
            "SELECT CAST(name AS BLOB), scope, CAST(sha256 AS BLOB), created_at, last_used_at FROM token"
        ):
            # A damaged name only looks strange: the hash tells which token it is.
            record = TokenRecord(name.decode(errors="replace"), _parse_scopes(scope), created_at, last_used_at)
            table._add(record, sha256.decode(errors="replace"))
        table._service = supervisor.start_periodic("token uses", table.store_uses, interval_s=CHECK_INTERVAL_S)
        return table

    async def create(self, name: str, *scopes: Scope) -> str:
        """Create a token with some scopes and return it, the only time that it is seen.

        Raises `Conflict` if the name is taken and `InvalidRequest` if it is not valid.
        """
        if not (0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and name == name.strip()):
            reason = f"must be 1 to {MAX_NAME_LENGTH} printable characters, without blanks at the ends"
            raise InvalidRequest([FieldError("name", reason)])
        token = _PREFIX + secrets.token_urlsafe(32)
        record = TokenRecord(name, tuple(list_scopes(scopes)), int(self._now()), None)
        sha256 = _hash(token)
        try:
            await self._database.execute(
                "INSERT INTO token (name, scope, sha256, created_at) VALUES (?, ?, ?, ?)",
                (name, " ".join(record.scopes), sha256, record.created_at),
            )
        except sqlite3.IntegrityError as exc:
            raise Conflict(f"A token named {name!r} exists already: choose another name, or revoke that one") from exc
        self._add(record, sha256)
        return token

    def all(self) -> list[TokenRecord]:
        """Return every token, sorted by name."""
        return sorted(self._records.values(), key=lambda record: record.name)

    def find(self, token: str) -> TokenRecord | None:
        """Return what is known of a token, or None."""
        return self._records.get(_hash(token))

    def find_by_name(self, name: str) -> tuple[TokenRecord, str] | None:
        """Return what is known of the token with this name, and its hash, which no later token has; or None."""
        sha256 = self._hashes.get(name)
        return None if sha256 is None else (self._records[sha256], sha256)

    async def revoke(self, name: str) -> None:
        """Revoke a token at once. Raises `NotFound`."""
        sha256 = self._hashes.get(name)
        if sha256 is None:
            raise NotFound(f"There is no token named {name!r}: see the list of tokens")
        await self._database.execute("DELETE FROM token WHERE sha256 = ?", (sha256,))
        self._records.pop(sha256, None)
        self._stored_uses.pop(sha256, None)
        if self._hashes.get(name) == sha256:
            del self._hashes[name]
        for callback in self.on_revoked:
            callback(name)

    def touch(self, name: str) -> None:
        """Note that a token is used now. The time is stored at most once a day, and when the table is closed."""
        sha256 = self._hashes.get(name)
        now = int(self._now())
        # A new record for each request would take longer than to parse an order.
        if sha256 is not None and self._records[sha256].last_used_at != now:
            self._records[sha256] = replace(self._records[sha256], last_used_at=now)

    async def store_uses(self) -> None:
        """Store the times of last use where what is stored is a day older, or nothing."""
        old = []
        for sha256, record in self._records.items():
            used, stored = record.last_used_at, self._stored_uses[sha256]
            if used is not None and (stored is None or used - stored >= STORE_USE_INTERVAL_S):
                old.append(sha256)
        await self._store(old)

    async def close(self) -> None:
        """Store the times of last use that are only in memory."""
        if self._service is not None:
            await self._service.stop()
        await self._store(
            [sha256 for sha256, record in self._records.items() if record.last_used_at != self._stored_uses[sha256]]
        )

    def _add(self, record: TokenRecord, sha256: str) -> None:
        self._records[sha256] = record
        self._hashes[record.name] = sha256
        self._stored_uses[sha256] = record.last_used_at

    async def _store(self, hashes: Collection[str]) -> None:
        uses = {sha256: self._records[sha256].last_used_at for sha256 in hashes}
        if uses:
            await self._database.executemany(
                "UPDATE token SET last_used_at = ? WHERE sha256 = ?", [(used, sha256) for sha256, used in uses.items()]
            )
            # A token may have been revoked meanwhile.
            self._stored_uses.update({sha256: used for sha256, used in uses.items() if sha256 in self._records})


def _parse_scopes(text: str) -> tuple[Scope, ...]:
    """Return the scopes that are stored; what is none, in a damaged row, gives no right."""
    return tuple(list_scopes(text.split()))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=64)
def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
