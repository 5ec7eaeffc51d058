"""Files for shops, in JetStream's object store: named by their SHA-256, in parts of one chunk each.

So a shop reads a part by two direct gets, and nothing is stored twice. Of a file one part at a time is in memory.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Collection
from datetime import datetime
from typing import IO, Any, Final, NamedTuple

from firmware_tools.language import message
from gateway.errors import Conflict, FieldError, InvalidRequest
from gateway.fleet.documents import MAX_CONTENT_BYTES, ContentReference
from gateway.fleet.subjects import CONTENT, CONTENT_STREAM, DESIRED, ROLLOUTS, chunk_subject, object_subject
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket, RevisionConflict, replace_message
from gateway.office.office import Office, translated
from gateway.office.stored_messages import StreamMessage, read_last_messages, read_stream
from gateway.protocol import json_text

PART_BYTES: Final = 128 * 1024
"""The size of all parts but the last one. A shop waits 10 seconds for one, so a line of 13 kB a second is enough."""
KEEP_UNUSED_S: Final = 30 * 86_400
"""How long a file stays that nothing names any more: a shop may be on its way to it, and a roll-out may be undone."""
RENEW_AFTER_S: Final = 86_400
"""A file that is uploaded again is marked as new after this time, so that it is not removed as unused meanwhile."""
KEEP_NAMELESS_S: Final = 86_400
"""How long a part stays that has no name: the push of it was killed, or is under way."""
_EXPECTED_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
"""By this header the last message is that of another subject, of which a message expects a number."""
_ROLLUP: Final = {"Nats-Rollup": "sub"}
"""By this header a message takes the place of all others of its subject."""


class ContentStore:
    """The object store. Every method raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._office = office

    async def put(self, name: str, file: IO[bytes]) -> ContentReference:
        """Store a file unless it is there already.

        Raises `InvalidRequest` if it is empty or too large, and `Conflict` if that has stood still for a day.
        """
        size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        if not 0 < size <= MAX_CONTENT_BYTES:
            reason = message("has {size} bytes; it must have 1 to {limit}", size=size, limit=MAX_CONTENT_BYTES)
            raise InvalidRequest([FieldError(name, reason)])
        name = json_text.make_encodable(name)  # a file may be called by bytes that are no UTF-8
        sha256 = await asyncio.to_thread(_hash, file)
        count = -(-size // PART_BYTES)
        with translated(self._office.folder):
            now = await self._office.read_time()
            names = [f"{sha256}.{number}" for number in range(count)]
            stored = await read_last_messages(
                self._office.client, CONTENT_STREAM, [object_subject(one) for one in names]
            )
            known = {one.subject: one for one in stored}
            for number, part_name in enumerate(names):
                part = await asyncio.to_thread(_read_part, file, number)
                meta = known.get(object_subject(part_name))
                document = {} if meta is None else _load(meta)
                if meta is None or document.get("deleted") or document.get("size") != len(part):
                    await self._put_part(part_name, part)
                elif (now - _parse_time(meta.stored_at)).total_seconds() > RENEW_AFTER_S:
                    try:
                        await self._replace(meta, meta.payload)
                    except RevisionConflict:  # somebody else removes it, or has pushed it, too
                        await self._put_part(part_name, part)
        await record_change(self._office, "file", name, sha256=sha256, size=size)
        return ContentReference(name=name[:200], sha256=sha256, size=size, parts=count)

    async def remove_unused(self, keep_s: float = KEEP_UNUSED_S) -> int:
        """Remove files that nothing has named for a while; return of how many parts.

        What documents of the bucket `desired` and roll-outs name stays, for a roll-out can be undone. What a push that
        was killed has left is removed, too.
        """
        removed = 0
        used = await self._list_used()
        with translated(self._office.folder):
            now = await self._office.read_time()
            async for meta in read_stream(self._office.client, CONTENT_STREAM, object_subject()):
                document = _load(meta)
                sha256 = str(document.get("name", "")).partition(".")[0]
                if sha256 in used or (now - _parse_time(meta.stored_at)).total_seconds() < keep_s:
                    continue
                # Its name is marked first, so a crash leaves no name without content, and then removed as it is now:
                # who pushes the file again meanwhile stores it anew.
                with contextlib.suppress(RevisionConflict):
                    marked = await self._replace(meta, json.dumps({**document, "deleted": True}).encode())
                    chunk = chunk_subject(str(document.get("nuid")))
                    await self._office.jetstream.purge_stream(CONTENT_STREAM, subject=chunk)
                    await self._office.jetstream.purge_stream(CONTENT_STREAM, subject=meta.subject, seq=marked + 1)
                    removed += 1
            await self._remove_nameless(now)
        return removed

    async def _remove_nameless(self, now: datetime) -> None:
        """Remove chunks without a name, which a push has left that was killed."""
        # Before the names, which come after the chunks: what gets one meanwhile is not among these.
        info = await self._office.read(
            lambda jetstream: jetstream.stream_info(CONTENT_STREAM, subjects_filter=chunk_subject())
        )
        nameless = set(info.state.subjects or ()) - await self._list_named()
        old: set[str] = set()
        for subject in nameless:
            for chunk in await read_last_messages(self._office.client, CONTENT_STREAM, [subject]):
                if (now - _parse_time(chunk.stored_at)).total_seconds() > KEEP_NAMELESS_S:
                    old.add(subject)
        if old:  # a name that was marked as new in the very moment of reading is read now
            for subject in old - await self._list_named():
                await self._office.jetstream.purge_stream(CONTENT_STREAM, subject=subject)

    async def _list_named(self) -> set[str]:
        """Return the subjects of all chunks that have a name."""
        names = read_stream(self._office.client, CONTENT_STREAM, object_subject())
        return {chunk_subject(str(_load(meta).get("nuid"))) async for meta in names}

    async def _list_used(self) -> Collection[str]:
        used: set[str] = set()
        for bucket in (DESIRED, ROLLOUTS):
            async for entry in Bucket(self._office, bucket).entries():
                try:
                    _find_sha256(json_text.loads(entry.value or b"{}"), used)
                except ValueError:
                    continue
        return used

    async def _put_part(self, name: str, part: bytes) -> None:
        """Store a part as an object of one chunk, as the servers' own clients would. Raises `Conflict`."""
        await self._name_chunk(name, part, await self._put_chunk(part))

    async def _put_chunk(self, part: bytes) -> "_Chunk":
        nuid = self._office.client.new_inbox().rpartition(".")[2]
        stored = await self._office.jetstream.publish(chunk_subject(nuid), part)
        return _Chunk(nuid, stored.seq)

    async def _name_chunk(self, name: str, part: bytes, chunk: "_Chunk") -> None:
        """Give a chunk its name. Raises `Conflict` if it was removed as a rest of a push."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(part).digest()).decode()
        document = {
            "name": name,
            "options": {"max_chunk_size": PART_BYTES},
            "bucket": CONTENT,
            "nuid": chunk.nuid,
            "size": len(part),
            "chunks": 1,
            "digest": f"SHA-256={digest}",
        }
        headers = _ROLLUP | {_EXPECTED_SUBJECT: chunk_subject(chunk.nuid)}
        payload = json.dumps(document).encode()
        try:
            await replace_message(self._office, object_subject(name), payload, chunk.number, headers)
        except RevisionConflict as exc:
            raise Conflict(message("the push of a file has stood still for too long: push it again")) from exc

    async def _replace(self, meta: StreamMessage, document: bytes) -> int:
        """Replace what is known of a part; return its number. Raises `RevisionConflict` if somebody else has."""
        return await replace_message(self._office, meta.subject, document, meta.sequence, _ROLLUP)


class _Chunk(NamedTuple):
    """What holds a part."""

    nuid: str
    """The last part of its subject."""
    number: int
    """Its number in the stream."""


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(PART_BYTES):
        digest.update(part)
    return digest.hexdigest()


def _read_part(file: IO[bytes], number: int) -> bytes:
    file.seek(number * PART_BYTES)
    return file.read(PART_BYTES)


def _load(meta: StreamMessage) -> dict[str, Any]:
    try:
        document = json.loads(meta.payload)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _find_sha256(value: Any, found: set[str]) -> None:
    """Collect the SHA-256 of every file that a document names."""
    if isinstance(value, dict):
        if isinstance(sha256 := value.get("sha256"), str):
            found.add(sha256)
        for one in value.values():
            _find_sha256(one, found)
    elif isinstance(value, list):
        for one in value:
            _find_sha256(one, found)


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(f"{text[:19]}+00:00")
