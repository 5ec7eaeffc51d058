"""Tokens of callers, and sessions of people at the console. Only hashes are stored; looking one up needs no query."""

import contextlib
import functools
import hashlib
import itertools
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from firmware_tools.language import message
from gateway.access.scopes import expand, list_scopes, name_scopes
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

SESSION_S: Final = 30 * 86400.0
"""How long a session lasts that nobody uses, in seconds of uptime."""
MAX_SESSIONS: Final = 100
"""How many sessions there are; a further one ends the one that was used longest ago."""

_PREFIX: Final = "sgw_"
_SESSION_PREFIX: Final = "sgs_"
_EXTEND_S: Final = 86400.0
"""How much of its time a session has used when it is extended, in seconds of uptime: flash cards wear."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token or a session; its secret is not."""

    name: str
    """The name that a person gave it; unique."""
    scopes: tuple[Scope, ...]
    """The scopes that a person gave it; they may include more."""
    created_at: int
    """When it was created, in Unix seconds."""
    last_used_at: int | None
    """When it was used last, in Unix seconds; None before its first use."""
    expires_s: float | None = None
    """When a session ends if nobody uses it, in seconds of uptime; None for a token, which ends when it is revoked."""

    @property
    def is_session(self) -> bool:
        """Whether it belongs to a person at the console. A session is good for its pages alone."""
        return self.expires_s is not None

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
            "kind": "session" if self.is_session else "token",
        }


class TokenTable:
    """All tokens and sessions, in memory and in the database; made by `open`.

    Writing raises `StateError` if it fails.
    """

    def __init__(self, database: Database, uptime_s: Callable[[], float], now: Callable[[], float]) -> None:
        """Take the database, the uptime in seconds, and the clock in Unix seconds."""
        self._database = database
        self._uptime_s = uptime_s
        self._now = now
        self._records: dict[str, TokenRecord] = {}
        """By the token's hash."""
        self._hashes: dict[str, str] = {}
        """By the token's name."""
        self._stored_uses: dict[str, int | None] = {}
        """The stored times of last use, by the token's hash."""
        self._extended: set[str] = set()
        """The sessions that last longer than what is stored says, by hash."""
        self._service: Service | None = None
        self.on_revoked: list[Callable[[str], None]] = []
        """Called with the name of a token that has just been revoked."""

    @classmethod
    async def open(
        cls,
        database: Database,
        supervisor: Supervisor,
        *,
        uptime_s: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Load all tokens, and store the times of last use from now on; `now` is the clock in Unix seconds."""
        table = cls(database, uptime_s, now)
        for name, scope, sha256, created_at, last_used_at, expires_s in await database.read(
            "SELECT CAST(name AS BLOB), scope, CAST(sha256 AS BLOB), created_at, last_used_at, expires_s FROM token"
        ):
            # A damaged name only looks strange: the hash tells which token it is.
            name = name.decode(errors="replace")
            record = TokenRecord(name, _parse_scopes(scope), created_at, last_used_at, expires_s)
            table._add(record, sha256.decode(errors="replace"))
        table._service = supervisor.start_periodic("token uses", table.store_uses, interval_s=CHECK_INTERVAL_S)
        return table

    async def create(self, name: str, *scopes: Scope) -> str:
        """Create a token with some scopes and return it, the only time that it is seen.

        Raises `Conflict` if the name is taken and `InvalidRequest` if it is not valid.
        """
        token = _PREFIX + secrets.token_urlsafe(32)
        await self._create(token, TokenRecord(name, tuple(list_scopes(scopes)), int(self._now()), None))
        return token

    async def create_session(self, name: str, *scopes: Scope) -> str:
        """Create a session and return its secret, the only time that it is seen.

        Where the name is taken, a number is added to it. Raises `InvalidRequest` if the name is not valid.
        """
        sessions = sorted(
            (record for record in self._records.values() if record.is_session),
            key=lambda record: record.last_used_at or record.created_at,
        )
        for record in sessions[: max(0, len(sessions) - MAX_SESSIONS + 1)]:
            await self.revoke(record.name)
        secret = _SESSION_PREFIX + secrets.token_urlsafe(32)
        record = TokenRecord(
            name, tuple(list_scopes(scopes)), int(self._now()), None, expires_s=self._uptime_s() + SESSION_S
        )
        for free in _number_names(name):
            if free not in self._hashes:
                with contextlib.suppress(Conflict):  # another session has taken the name meanwhile
                    await self._create(secret, replace(record, name=free))
                    break
        return secret

    async def _create(self, secret: str, record: TokenRecord) -> None:
        name, sha256 = record.name, _hash(secret)
        if not (0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and name == name.strip()):
            reason = message(
                "must be 1 to {max_name_length} printable characters, without blanks at the ends",
                max_name_length=MAX_NAME_LENGTH,
            )
            raise InvalidRequest([FieldError("name", reason)])
        try:
            await self._database.execute(
                "INSERT INTO token (name, scope, sha256, created_at, expires_s) VALUES (?, ?, ?, ?, ?)",
                (name, " ".join(record.scopes), sha256, record.created_at, record.expires_s),
            )
        except sqlite3.IntegrityError as exc:
            raise Conflict(
                message("A token named {name!r} exists already: choose another name, or revoke that one", name=name)
            ) from exc
        self._add(record, sha256)

    def all(self) -> list[TokenRecord]:
        """Return every token and session, sorted by name."""
        return sorted(self._records.values(), key=lambda record: record.name)

    def find(self, token: str) -> TokenRecord | None:
        """Return what is known of a token, or None. A session is no token."""
        record = self._records.get(_hash(token))
        return None if record is None or record.is_session else record

    def find_session(self, secret: str) -> TokenRecord | None:
        """Return what is known of a session that has not ended, or None. It lasts longer from now on."""
        sha256 = _hash(secret)
        record = self._records.get(sha256)
        if record is None or record.expires_s is None or record.expires_s < self._uptime_s():
            return None
        expires_s = self._uptime_s() + SESSION_S
        if expires_s - record.expires_s > _EXTEND_S:
            record = self._records[sha256] = replace(record, expires_s=expires_s)
            self._extended.add(sha256)
        return record

    def find_by_name(self, name: str) -> tuple[TokenRecord, str] | None:
        """Return what is known of the token with this name, and its hash, which no later token has; or None."""
        sha256 = self._hashes.get(name)
        return None if sha256 is None else (self._records[sha256], sha256)

    async def revoke(self, name: str) -> None:
        """Revoke a token at once. Raises `NotFound`."""
        sha256 = self._hashes.get(name)
        if sha256 is None:
            raise NotFound(message("There is no token named {name!r}: see the list of tokens", name=name))
        await self._delete(sha256, name)

    async def _delete(self, sha256: str, name: str) -> None:
        await self._database.execute("DELETE FROM token WHERE sha256 = ?", (sha256,))
        if self._records.pop(sha256, None) is None:
            return  # somebody else has deleted it meanwhile
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
        """Store the times of last use where what is stored is a day older, or nothing; remove sessions that ended."""
        now_s = self._uptime_s()
        for sha256, record in [*self._records.items()]:
            if record.expires_s is not None and record.expires_s < now_s:
                await self._delete(sha256, record.name)
        old = [*self._extended]
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
            {
                *self._extended,
                *(one for one, record in self._records.items() if record.last_used_at != self._stored_uses[one]),
            }
        )

    def _add(self, record: TokenRecord, sha256: str) -> None:
        self._records[sha256] = record
        self._hashes[record.name] = sha256
        self._stored_uses[sha256] = record.last_used_at

    async def _store(self, hashes: Collection[str]) -> None:
        self._extended.difference_update(hashes)
        uses = {sha256: self._records[sha256] for sha256 in hashes if sha256 in self._records}
        if uses:
            await self._database.executemany(
                "UPDATE token SET last_used_at = ?, expires_s = ? WHERE sha256 = ?",
                [(record.last_used_at, record.expires_s, sha256) for sha256, record in uses.items()],
            )
            # A token may have been revoked meanwhile.
            self._stored_uses.update(
                {sha256: record.last_used_at for sha256, record in uses.items() if sha256 in self._records}
            )


def _number_names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name} {number}" for number in itertools.count(2))


def _parse_scopes(text: str) -> tuple[Scope, ...]:
    """Return the scopes that are stored; what is none, in a damaged row, gives no right."""
    return tuple(list_scopes(text.split()))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=64)
def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
