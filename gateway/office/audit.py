"""What was changed at the head office: who, from where, what, when, and which revision that made.

It is a stream of the servers, so all head offices of a chain share it, and none can take anything out. What a shop did
stands in its own audit log, too.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_tools.language import Message, describe_error, message, shorten
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.fleet.subjects import AUDIT, AUDIT_SUBJECT
from gateway.office.office import ActorKind, Office, translated
from gateway.office.stored_messages import StreamMessage, read_stream
from gateway.protocol import json_text

AuditAction = Literal[
    "desired", "groups", "file", "rollout", "rollout_pause", "rollout_continue", "rollout_stop", "rollout_undo",
    "enrol", "join", "retire", "reader_add", "reader_revoke", "token_create", "session_open", "access_revoke",
    "command",
]  # fmt: skip
"""What was done."""
ACTION_TEXTS: Final[Mapping[AuditAction, Message]] = {
    "desired": message("Change what is wanted of shops"),
    "groups": message("Change the groups of a shop"),
    "file": message("Store a file for shops"),
    "rollout": message("Start a roll-out"),
    "rollout_pause": message("Pause a roll-out"),
    "rollout_continue": message("Continue a roll-out"),
    "rollout_stop": message("End a roll-out where it is"),
    "rollout_undo": message("Undo a roll-out"),
    "enrol": message("Enrol a shop"),
    "join": message("Join the chain"),
    "retire": message("Retire a shop"),
    "reader_add": message("Let a system read"),
    "reader_revoke": message("Revoke a reader"),
    "token_create": message("Make a token"),
    "session_open": message("Sign in"),
    "access_revoke": message("End a token or a session"),
    "command": message("Give a command"),
}
"""What each action is called."""
MAX_TEXT: Final = 200
"""How many characters of a text are kept."""
MAX_MEMBERS: Final = 30
"""How many members of a list or of an object are kept."""
MAX_ENTRY_BYTES: Final = 16 * 1024
"""A larger entry goes without its details."""

_log: Final = logging.getLogger(__name__)


class _Record(BaseModel):
    """An entry, as the stream has it."""

    model_config = ConfigDict(frozen=True)

    who: str = Field(max_length=MAX_TEXT)
    via: ActorKind
    host: str = Field(max_length=MAX_TEXT)
    action: str = Field(max_length=40)
    object: str = Field(max_length=MAX_TEXT)
    revision: int | None = None
    details: dict[str, Any] = {}


class AuditEntry(NamedTuple):
    """A change."""

    number: int
    """Its number: later ones are greater."""
    time: str
    """When, in UTC, by the clock of the servers."""
    who: str
    """The name of the person, token or shop."""
    via: ActorKind
    """By what it was done."""
    host: str
    """The machine from which: its name for a command, else its address."""
    action: str
    """What was done."""
    object: str
    """To what."""
    revision: int | None
    """The revision that it made; None where there is none."""
    details: Mapping[str, Any]
    """More of it. Secrets are never among it."""

    def describe(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self._asdict()

    @property
    def shown_details(self) -> str:
        """The details for people, as JSON."""
        return json_text.dumps(json_text.make_encodable(dict(self.details)), indent=2)

    @property
    def searched_text(self) -> str:
        """What a search looks through, in lower case."""
        texts = (self.who, self.host, self.action, self.object, self.shown_details)
        return "\n".join(texts).casefold()

    @property
    def text(self) -> Message | str:
        """What was done, in words."""
        return next((text for action, text in ACTION_TEXTS.items() if action == self.action), self.action)


async def record_change(
    office: Office, action: AuditAction, changed: str, *, revision: int | None = None, **details: Any
) -> None:
    """Record what `office.actor` has changed. The caller gives no secrets.

    A change that cannot be recorded is made all the same, and logged as an error: it has happened already.
    """
    actor = office.actor
    record = _Record(
        who=_bound(actor.name),
        via=actor.via,
        host=_bound(actor.host),
        action=action,
        object=_bound(changed),
        revision=revision,
        details={name: _bound(value) for name, value in details.items() if value not in (None, "", (), [])},
    )
    payload = record.model_dump_json().encode()
    if len(payload) > MAX_ENTRY_BYTES:
        payload = record.model_copy(update={"details": {}}).model_dump_json().encode()
    try:
        with translated(office.folder):
            await office.jetstream.publish(AUDIT_SUBJECT, payload)
    except HeadOfficeUnavailable as exc:
        _log.error(
            "a change is not in the audit log; if that stays, run `sunmi-gateway office init %s`: %s",
            office.folder.path, describe_error(exc),
            extra={"fields": {"who": record.who, "action": action, "object": record.object}},
        )  # fmt: skip


async def read_audit(office: Office, *, after: int = 0, since: str = "", search: str = "") -> AsyncIterator[AuditEntry]:
    """Yield changes in their order, with a text in them, in any case. Raises `HeadOfficeUnavailable`."""
    wanted = search.casefold()
    with translated(office.folder):
        async for stored in read_stream(office.client, AUDIT, AUDIT_SUBJECT, after=after, since=since):
            entry = _parse(stored)
            if not wanted or wanted in entry.searched_text:
                yield entry


async def read_newest(office: Office, limit: int, *, search: str = "", since: str = "") -> list[AuditEntry]:
    """Return the newest changes, the newest first. Raises `HeadOfficeUnavailable`."""
    after = 0
    if not search and not since:
        with translated(office.folder):
            info = await office.read(lambda jetstream: jetstream.stream_info(AUDIT))
        after = max(0, info.state.last_seq - limit)
    newest: deque[AuditEntry] = deque(maxlen=limit)
    async for entry in read_audit(office, after=after, since=since, search=search):
        newest.append(entry)
    return [*reversed(newest)]


async def read_keys(office: Office, action: AuditAction, changed: str) -> set[str]:
    """Return the public keys that an action has given to something, as to a shop. Raises `HeadOfficeUnavailable`."""
    return {
        str(entry.details["public_key"])
        async for entry in read_audit(office)
        if (entry.action, entry.object) == (action, changed) and "public_key" in entry.details
    }


def _parse(stored: StreamMessage) -> AuditEntry:
    try:
        record = _Record.model_validate_json(stored.payload)
    except ValidationError:  # nobody but a head office can write here: a newer one
        record = _Record(who="", via="command", host="", action="?", object="")
    return AuditEntry(
        stored.sequence, stored.stored_at, record.who, record.via, record.host, record.action, record.object,
        record.revision, record.details,
    )  # fmt: skip


def _bound(value: Any, depth: int = 4) -> Any:
    """Return a value of JSON with bounded texts, lists and objects; `?` stands for a lone surrogate."""
    if isinstance(value, str):
        return shorten(json_text.make_encodable(value), MAX_TEXT)
    if isinstance(value, Mapping):
        if not depth:
            return "…"
        return {_bound(str(name)): _bound(one, depth - 1) for name, one in [*value.items()][:MAX_MEMBERS]}
    if isinstance(value, list | tuple):
        if not depth:
            return "…"
        rest = [f"… {len(value) - MAX_MEMBERS}"] if len(value) > MAX_MEMBERS else []
        return [*(_bound(one, depth - 1) for one in value[:MAX_MEMBERS]), *rest]
    return value if value is None or isinstance(value, bool | int | float) else shorten(str(value), MAX_TEXT)
