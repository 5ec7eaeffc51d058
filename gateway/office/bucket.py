"""The buckets of a chain: read one key or all of them, and change a key only if nobody else has meanwhile."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import nats.js.errors

from firmware_tools.language import message
from gateway.errors import Conflict, StateError
from gateway.fleet.subjects import bucket_stream, bucket_subject
from gateway.office.office import Office, translated
from gateway.office.stored_messages import StreamMessage, read_last_messages, read_stream
from gateway.office.stream_follower import StreamFollower

T = TypeVar("T")

_KEY: Final = re.compile(r"[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*")
_OPERATION: Final = "KV-Operation"
_EXPECTED_REVISION: Final = "Nats-Expected-Last-Subject-Sequence"
_WRONG_REVISION: Final = 10071
"""JetStream's code for a message whose subject has another last message than the sender expects."""
_CHANGE_UNDER_WAY: Final = 10164
"""The code of several servers while another message of the subject is not stored by most of them yet. It may be the
last one in a moment, or not."""
_ATTEMPTS: Final = 30
_MAX_PAUSE_S: Final = 0.2


class Entry(NamedTuple):
    """What a bucket has for a key."""

    key: str
    """The key."""
    value: bytes | None
    """What it holds; None if there is nothing, or nothing any more."""
    revision: int
    """The number that changes with each change of the key; 0 if there was never anything."""
    stored_at: str
    """When it was changed last, in UTC, by the clock of the servers; empty if it never was."""


class DamagedEntry(StateError):
    """What a key holds cannot be read: somebody has written it who is not this program, or is newer."""


class RevisionConflict(Exception):
    """Somebody else has changed a key meanwhile."""


class Bucket:
    """One bucket. Every method raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office, name: str) -> None:
        """Take the connection, and the name of the bucket."""
        self._office = office
        self._name = name
        self._stream = bucket_stream(name)

    async def get(self, key: str) -> Entry:
        """Return what there is for a key, as the leader has it: no server that lags behind is asked.

        There is nothing for what cannot be a key: with a wildcard it would be any of them.
        """
        if not _KEY.fullmatch(key):
            return Entry(key, None, 0, "")
        with translated(self._office.folder):
            try:
                subject = bucket_subject(self._name, key)
                stored = await self._office.read(lambda jetstream: jetstream.get_msg(self._stream, subject=subject))
            except nats.js.errors.NotFoundError:
                return Entry(key, None, 0, "")
        is_there = _OPERATION not in (stored.headers or {})
        time = stored.time.strftime("%Y-%m-%dT%H:%M:%SZ") if stored.time else ""
        return Entry(key, (stored.data or b"") if is_there else None, stored.seq or 0, time)

    async def put(self, key: str, value: bytes, revision: int) -> int:
        """Change a key that has this revision, and return the new one. Raises `RevisionConflict`.

        If the response was lost, a second try is a conflict, too: read the key again.
        """
        return await self._publish(key, value, revision)

    async def delete(self, key: str, revision: int) -> int:
        """Delete a key that has this revision. Raises `RevisionConflict`."""
        return await self._publish(key, b"", revision, {_OPERATION: "DEL"})

    async def change(self, key: str, edit: Callable[[bytes | None], bytes | None]) -> tuple[Entry, int]:
        """Change a key by what `edit` makes of its value; return what there was, and the new revision.

        None means that there is nothing. A value that stays as it is, is not written. Raises `Conflict` if others
        change it all the time, and what `edit` raises.
        """

        async def work() -> tuple[Entry, int]:
            before = await self.get(key)
            value = edit(before.value)
            if value == before.value:
                return before, before.revision
            if value is None:
                return before, await self.delete(key, before.revision)
            return before, await self.put(key, value, before.revision)

        return await self.retry_on_conflict(key, work)

    async def retry_on_conflict(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do work that reads a key and changes it; again, if somebody else has changed it meanwhile.

        Raises `Conflict` if others change it all the time, and what `work` raises.
        """
        for attempt in range(_ATTEMPTS):
            with contextlib.suppress(RevisionConflict):
                return await work()
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_S * attempt / _ATTEMPTS))
        raise Conflict(
            message("{key} of {bucket} is changed by others all the time: try again", key=key, bucket=self._name)
        )

    async def entries(self, keys: str = ">") -> AsyncIterator[Entry]:
        """Yield the keys that fit, which may have wildcards, in the order of their changes, in one pass.

        Deleted keys are among them. Memory is bounded, however many keys there are.
        """
        subject = bucket_subject(self._name, keys)
        with translated(self._office.folder):
            async for stored in read_stream(self._office.client, self._stream, subject):
                yield self.parse(stored)

    def follow(self) -> "BucketFollower":
        """Return what reads all keys again and again."""
        return BucketFollower(self, StreamFollower(self._office, self._stream, bucket_subject(self._name, ">")))

    async def read(self, keys: Sequence[str]) -> dict[str, Entry]:
        """Return those of the keys that there are; `SHOP.>` means all below it. It is one request for 500 of them."""
        subjects = [bucket_subject(self._name, key) for key in keys]
        with translated(self._office.folder):
            found = await read_last_messages(self._office.client, self._stream, subjects)
        entries = map(self.parse, found)
        return {entry.key: entry for entry in entries if entry.value is not None}

    async def purge(self, keys: str) -> None:
        """Forget keys, which may have wildcards, without a trace."""
        with translated(self._office.folder):
            await self._office.jetstream.purge_stream(self._stream, subject=bucket_subject(self._name, keys))

    async def _publish(self, key: str, value: bytes, revision: int, headers: Mapping[str, str] | None = None) -> int:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a bucket")
        return await replace_message(self._office, bucket_subject(self._name, key), value, revision, headers)

    def parse(self, stored: StreamMessage) -> Entry:
        """Return what a message of its stream says of a key."""
        key = stored.subject.removeprefix(bucket_subject(self._name, ""))
        is_there = _OPERATION not in stored.headers
        return Entry(key, stored.payload if is_there else None, stored.sequence, stored.stored_at)


async def replace_message(
    office: Office, subject: str, payload: bytes, revision: int, headers: Mapping[str, str] | None = None
) -> int:
    """Store a message if the last one of its subject has this number, 0 if there is none; return the new number.

    Raises `RevisionConflict` and `HeadOfficeUnavailable`.
    """
    headers = {**(headers or {}), _EXPECTED_REVISION: str(revision)}
    with translated(office.folder):
        attempts = 0
        while True:
            attempts += 1
            try:
                return (await office.jetstream.publish(subject, payload, headers=headers)).seq
            except nats.js.errors.APIError as exc:
                if exc.err_code == _WRONG_REVISION:
                    raise RevisionConflict(subject) from exc
                if exc.err_code != _CHANGE_UNDER_WAY or attempts == _ATTEMPTS:
                    raise
            await asyncio.sleep(random.uniform(0, _MAX_PAUSE_S))


class BucketFollower:
    """Reads a bucket again and again; made by `Bucket.follow`."""

    def __init__(self, bucket: Bucket, stream: StreamFollower) -> None:
        self._bucket = bucket
        self._stream = stream

    async def read(self, take: Callable[[Entry], None]) -> Collection[str] | None:
        """Hand over the keys that have changed since the call before, deleted ones among them.

        All are handed over at first, and when the servers were restored from a backup: then their names are returned,
        and what is known by other names is gone. Else None is returned. Raises `HeadOfficeUnavailable`.
        """
        keys: set[str] = set()

        def take_message(stored: StreamMessage) -> None:
            entry = self._bucket.parse(stored)
            keys.add(entry.key)
            take(entry)

        return keys if await self._stream.read(take_message) else None
