"""Files for shops, in JetStream's object store: named by their SHA-256, in parts of one chunk each.

So a shop reads a part by two direct gets, and nothing is stored twice. Of a file one part at a time is in memory.
"""

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Collection
from datetime import datetime
from typing import IO, Any, Final

import nats.js.errors

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.documents import MAX_CONTENT_BYTES, ContentReference
from gateway.fleet.subjects import CONTENT, DESIRED, ROLLOUTS
from gateway.office.audit import record_change
from gateway.office.bucket import Bucket
from gateway.office.office import Office, translated
from gateway.office.stored_messages import StreamMessage, read_last_messages, read_stream
from gateway.protocol import json_text

PART_BYTES: Final = 512 * 1024
"""The size of all parts but the last one."""
KEEP_UNUSED_S: Final = 30 * 86_400
"""How long a file stays that nothing names any more: a shop may be on its way to it, and a roll-out may be undone."""
RENEW_AFTER_S: Final = 86_400
"""A file that is uploaded again is marked as new after this time, so that it is not removed as unused meanwhile."""
_STREAM: Final = f"OBJ_{CONTENT}"


class ContentStore:
    """The object store. Every method raises `HeadOfficeUnavailable`."""

    def __init__(self, office: Office) -> None:
        """Take the connection."""
        self._office = office

    async def put(self, name: str, file: IO[bytes]) -> ContentReference:
        """Store a file unless it is there already. Raises `InvalidRequest` if it is empty or too large."""
        size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
        if not 0 < size <= MAX_CONTENT_BYTES:
            reason = message("has {size} bytes; it must have 1 to {limit}", size=size, limit=MAX_CONTENT_BYTES)
            raise InvalidRequest([FieldError(name, reason)])
        sha256 = await asyncio.to_thread(_hash, file)
        count = -(-size // PART_BYTES)
        with translated(self._office.folder):
            now = await self._now()
            names = [f"{sha256}.{number}" for number in range(count)]
            stored = await read_last_messages(self._office.client, _STREAM, [_meta_subject(one) for one in names])
            known = {one.subject: one for one in stored}
            for number, part_name in enumerate(names):
                part = await asyncio.to_thread(_read_part, file, number)
                meta = known.get(_meta_subject(part_name))
                document = {} if meta is None else _load(meta)
                if meta is None or document.get("deleted") or document.get("size") != len(part):
                    await self._put_part(part_name, part)
                elif (now - _parse_time(meta.stored_at)).total_seconds() > RENEW_AFTER_S:
                    await self._publish_meta(part_name, meta.payload)
        await record_change(self._office, "file", name, sha256=sha256, size=size)
        return ContentReference(name=name[:200], sha256=sha256, size=size, parts=count)

    async def remove_unused(self, keep_s: float = KEEP_UNUSED_S) -> int:
        """Remove files that nothing has named for a while; return of how many parts.

        What documents of the bucket `desired` and roll-outs name stays, for a roll-out can be undone.
        """
        removed = 0
        used = await self._list_used()
        with translated(self._office.folder):
            now = await self._now()
            async for meta in read_stream(self._office.client, _STREAM, f"$O.{CONTENT}.M.>"):
                document = _load(meta)
                sha256 = str(document.get("name", "")).partition(".")[0]
                if sha256 in used or (now - _parse_time(meta.stored_at)).total_seconds() < keep_s:
                    continue
                # The name goes first: a crash between the two leaves no name without content.
                await self._office.jetstream.purge_stream(_STREAM, subject=meta.subject)
                await self._office.jetstream.purge_stream(_STREAM, subject=_chunk_subject(str(document.get("nuid"))))
                removed += 1
        return removed

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
        """Store a part as an object of one chunk, as the servers' own clients would."""
        nuid = self._office.client.new_inbox().rpartition(".")[2]
        await self._office.jetstream.publish(_chunk_subject(nuid), part)
        digest = base64.urlsafe_b64encode(hashlib.sha256(part).digest()).decode()
        document = {
            "name": name,
            "options": {"max_chunk_size": PART_BYTES},
            "bucket": CONTENT,
            "nuid": nuid,
            "size": len(part),
            "chunks": 1,
            "digest": f"SHA-256={digest}",
        }
        await self._publish_meta(name, json.dumps(document).encode())

    async def _publish_meta(self, name: str, document: bytes) -> None:
        await self._office.jetstream.publish(_meta_subject(name), document, headers={"Nats-Rollup": "sub"})

    async def _now(self) -> datetime:
        """Return the time by the clock of the servers, which stamp what they store: no other clock counts here."""
        response = await self._office.client.request(f"$JS.API.STREAM.INFO.{_STREAM}", b"", timeout=10)
        document = json.loads(response.data)
        if "error" in document:
            raise nats.js.errors.APIError.from_error(document["error"])
        return _parse_time(str(document["ts"]))


def _hash(file: IO[bytes]) -> str:
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(PART_BYTES):
        digest.update(part)
    return digest.hexdigest()


def _read_part(file: IO[bytes], number: int) -> bytes:
    file.seek(number * PART_BYTES)
    return file.read(PART_BYTES)


def _meta_subject(name: str) -> str:
    return f"$O.{CONTENT}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


def _chunk_subject(nuid: str) -> str:
    return f"$O.{CONTENT}.C.{nuid}"


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
