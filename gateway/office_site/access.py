"""Who may use the head office: tokens of programs and sessions of people, in a bucket of the chain's servers.

So a token is good at every head office of the chain, and a head office that is set up anew knows it. Only hashes are
stored.
"""

import hashlib
import itertools
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.language import message
from gateway.access.token_table import MAX_NAME_LENGTH
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound
from gateway.fleet.subjects import TOKENS
from gateway.office.bucket import Bucket, Entry
from gateway.office.natural_order import natural_key
from gateway.office.office import Office
from gateway.runtime.clock import PeerClock

OfficeScope = Literal["view", "operate", "admin"]
SCOPES: Final[tuple[OfficeScope, ...]] = get_args(OfficeScope)
"""Every scope; each includes those before it."""
SESSION_AGE: Final = timedelta(days=30)
"""How long a session lasts that nobody uses."""
MAX_ENTRIES: Final = 1000
"""How many tokens and sessions there are at most; for a further session, the one that was used longest ago ends."""
_STORE_USE_AFTER: Final = timedelta(days=1)
"""How old the stored time of the last use may become."""
_TOKEN_PREFIX: Final = "sgo_"  # noqa: S105  no secret
_SESSION_PREFIX: Final = "sgp_"


def grant(scope: OfficeScope) -> frozenset[str]:
    """Return a scope with all that it includes."""
    return frozenset(SCOPES[: SCOPES.index(scope) + 1])


class AccessRecord(BaseModel):
    """A token or a session, as the bucket has it."""

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)]
    """The name that a person gave it; unique."""
    kind: Literal["token", "session"]
    """A token is good for the API alone, and a session for the pages alone."""
    scope: OfficeScope
    """What its holder may do."""
    secret_sha256: str
    """The SHA-256 of its secret."""
    created_at: datetime
    """When it was made."""
    used_at: datetime | None = None
    """When it was used last, a day late at most; None before its first use."""

    @property
    def granted(self) -> frozenset[str]:
        """What its holder may do."""
        return grant(self.scope)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether nobody has used a session for too long."""
        return self.kind == "session" and now - (self.used_at or self.created_at) > SESSION_AGE


class AccessList:
    """All tokens and sessions, as of the last `refresh`. What writes raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office, clock: PeerClock) -> None:
        """Take the connection, and the clock of the servers; nothing is read before `refresh`.

        All head offices of the chain go by that clock: one with a wrong clock would end the sessions of the others.
        """
        self._bucket = Bucket(office, TOKENS)
        self._clock = clock
        self._records: dict[str, AccessRecord] = {}
        """By key of the bucket."""
        self._keys: dict[str, str] = {}
        """The keys by the hash of the secret."""
        self._used: dict[str, datetime] = {}
        """Uses that are not stored yet, by key."""
        self._changed: dict[str, int] = {}
        """The revisions that were made here, by key, until they are read."""
        self._follower = self._bucket.follow()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    async def refresh(self) -> None:
        """Read what has changed."""
        known = await self._follower.read(self._take)
        if known is not None:
            self._changed.clear()
            for key in self._records.keys() - known:
                self._take(Entry(key, None, 0, ""))

    def all(self) -> list[AccessRecord]:
        """Return every token and session that has not ended, sorted by name."""
        now = self._now()
        return sorted(
            (one for one in self._records.values() if not one.has_ended(now)), key=lambda one: natural_key(one.name)
        )

    def has(self, name: str) -> bool:
        """Tell whether there is a token or a session of a name."""
        return _find_key(name) in self._records

    def find(self, secret: str, kind: Literal["token", "session"]) -> AccessRecord | None:
        """Return the token or session with this secret, which is used now; None if there is none."""
        key = self._keys.get(_hash(secret))
        record = self._records[key] if key is not None else None
        now = self._now()
        if key is None or record is None or record.kind != kind or record.has_ended(now):
            return None
        if record.used_at is None or now - record.used_at > _STORE_USE_AFTER:
            self._used[key] = now
            record = self._records[key] = record.model_copy(update={"used_at": now})
        return record

    async def create_token(self, name: str, scope: OfficeScope) -> str:
        """Make a token and return it, the only time that it is seen. Raises `Conflict` and `InvalidRequest`."""
        secret = _TOKEN_PREFIX + secrets.token_urlsafe(32)
        if not await self._create(name, "token", scope, secret):
            raise Conflict(
                message("A token named {name!r} exists already: choose another name, or revoke that one", name=name)
            )
        return secret

    async def create_session(self, name: str, scope: OfficeScope) -> str:
        """Open a session and return its secret. Where the name is taken, a number is added.

        Raises `InvalidRequest`, and `Conflict` if tokens take all room.
        """
        secret = _SESSION_PREFIX + secrets.token_urlsafe(32)
        names = itertools.chain([name], (f"{name} {number}" for number in itertools.count(2)))
        is_open = False
        while not is_open:  # another head office may have taken the name meanwhile
            is_open = await self._create(next(one for one in names if not self.has(one)), "session", scope, secret)
        return secret

    async def revoke(self, name: str) -> None:
        """End a token or a session at once. Raises `NotFound`."""

        def edit(value: bytes | None) -> bytes | None:
            if value is None:
                raise NotFound(message("There is no token named {name!r}: see the list of tokens", name=name))
            return None

        await self._change(_find_key(name), edit)

    async def store_uses(self) -> None:
        """Store when tokens were used, and remove sessions that have ended."""
        for key, used_at in [*self._used.items()]:

            def mark(value: bytes | None, used_at: datetime = used_at) -> bytes | None:
                record = _parse(value)
                return value if record is None else _dump(record.model_copy(update={"used_at": used_at}))

            await self._bucket.change(key, mark)
            self._used.pop(key, None)
        now = self._now()
        for record in [one for one in self._records.values() if one.has_ended(now)]:
            await self._remove(record)
        await self.refresh()

    async def _create(self, name: str, kind: Literal["token", "session"], scope: OfficeScope, secret: str) -> bool:
        """Store a token or a session; return whether its name was free. Raises `Conflict` and `InvalidRequest`."""
        if not (0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and name == name.strip()):
            reason = message(
                "must be 1 to {max_name_length} printable characters, without blanks at the ends",
                max_name_length=MAX_NAME_LENGTH,
            )
            raise InvalidRequest([FieldError("name", reason)])
        await self.refresh()
        await self._make_room(kind)
        record = AccessRecord(
            name=name,
            kind=kind,
            scope=scope,
            secret_sha256=_hash(secret),
            created_at=self._now().replace(microsecond=0),
        )
        before = await self._change(_find_key(name), lambda value: _dump(record) if value is None else value)
        return before is None

    async def _change(self, key: str, edit: Callable[[bytes | None], bytes | None]) -> bytes | None:
        """Change a record; return what there was. Raises as `edit`.

        It is known at once: a server that is read next may not have it yet.
        """
        changed: list[bytes | None] = []

        def note(value: bytes | None) -> bytes | None:
            changed[:] = [edit(value)]
            return changed[0]

        before, revision = await self._bucket.change(key, note)
        self._take(Entry(key, changed[0], revision, ""))
        self._changed[key] = revision
        await self.refresh()
        return before.value

    async def _make_room(self, kind: str) -> None:
        if len(self._records) < MAX_ENTRIES:
            return
        sessions = [one for one in self._records.values() if one.kind == "session"]
        if kind == "token" or not sessions:
            raise Conflict(message("there are {count} tokens and sessions already: revoke some", count=MAX_ENTRIES))
        await self._remove(min(sessions, key=lambda one: one.used_at or one.created_at))

    async def _remove(self, record: AccessRecord) -> None:
        """Remove a session, unless another one has got its name meanwhile."""

        def edit(value: bytes | None) -> bytes | None:
            known = _parse(value)
            is_other = known is None or known.secret_sha256 != record.secret_sha256
            return value if is_other else None

        await self._bucket.change(_find_key(record.name), edit)

    def _take(self, entry: Entry) -> None:
        if entry.revision < self._changed.get(entry.key, 0):
            return  # it was read from a server that lags behind
        self._changed.pop(entry.key, None)
        before = self._records.pop(entry.key, None)
        if before is not None:
            self._keys.pop(before.secret_sha256, None)
        record = _parse(entry.value)
        if record is not None:
            self._records[entry.key] = record
            self._keys[record.secret_sha256] = entry.key
        if before is not None and (record is None or record.secret_sha256 != before.secret_sha256):
            self._used.pop(entry.key, None)


def list_included(scope: OfficeScope) -> Collection[str]:
    """Return the other scopes that include a scope."""
    return SCOPES[SCOPES.index(scope) + 1 :]


def describe_access(record: AccessRecord) -> Mapping[str, object]:
    """Return a token or a session as the API shows it."""
    return record.model_dump(mode="json", exclude={"secret_sha256"})


def _find_key(name: str) -> str:
    """Return the key of a name: two head offices cannot give it to two tokens."""
    return _hash(name)[:40]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _dump(record: AccessRecord) -> bytes:
    return record.model_dump_json().encode()


def _parse(value: bytes | None) -> AccessRecord | None:
    try:
        return None if value is None else AccessRecord.model_validate_json(value)
    except ValidationError:
        return None  # it gives no right
