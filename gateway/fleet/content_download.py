"""Reads a file from the object store of the head office, part by part, and compares it with its SHA-256.

Each part is an object of one chunk, so two direct reads get it, and no consumer is made. At no time is more than one
part in memory. What the head office says of a file is not believed before it is compared.
"""

import asyncio
import hashlib
from typing import IO, TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import StateError
from gateway.fleet.documents import ContentReference
from gateway.fleet.link_throttle import LinkThrottle
from gateway.fleet.subjects import CONTENT_STREAM, chunk_subject, object_subject

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection


class ContentMissing(Exception):
    """A part of a file is not in the object store, or not yet. The text says which one."""


class ContentDamaged(Exception):
    """What is in the object store is not what was announced. The text says why."""


class _ObjectInfo(BaseModel):
    """What the object store says of an object."""

    nuid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")]
    chunks: int = Field(ge=0)
    deleted: bool = False


class ContentDownload:
    """One file. After a failure `receive` goes on with the part that it lacks."""

    def __init__(self, reference: ContentReference, file: IO[bytes]) -> None:
        """Write the content to a file, which is at its beginning."""
        self.reference = reference
        """Which file."""
        self.file = file
        """Where its content is."""
        self._digest = hashlib.sha256()
        self._size = 0
        self._next_part = 0

    async def receive(self, connection: "FleetConnection", throttle: LinkThrottle) -> None:
        """Read what is missing, and compare all of it.

        Raises `HeadOfficeUnavailable`, `ContentMissing`, `ContentDamaged`, and `StateError` if the disk takes no more.
        """
        while self._next_part < self.reference.parts:
            await throttle.wait()
            part = await _read_part(connection, f"{self.reference.sha256}.{self._next_part}")
            throttle.take(len(part))
            if self._size + len(part) > self.reference.size:
                raise ContentDamaged(message("the content is longer than {size} bytes", size=self.reference.size))
            await asyncio.to_thread(self._write, part)
            self._size += len(part)
            self._next_part += 1
        if self._size != self.reference.size or self._digest.hexdigest() != self.reference.sha256:
            raise ContentDamaged(
                message(
                    "the content has {size} bytes and the SHA-256 {sha256}, which is not what was announced",
                    size=self._size,
                    sha256=self._digest.hexdigest(),
                )
            )

    def _write(self, part: bytes) -> None:
        try:
            self.file.seek(self._size)
            self.file.write(part)
            self.file.flush()
        except OSError as exc:
            raise StateError(
                message(
                    "{name} from the head office cannot be stored: {reason}",
                    name=self.reference.name,
                    reason=describe_error(exc),
                )
            ) from exc
        self._digest.update(part)


async def _read_part(connection: "FleetConnection", name: str) -> bytes:
    stored = await connection.read_message(CONTENT_STREAM, object_subject(name))
    if stored is None or not stored.payload:
        raise ContentMissing(message("the head office has no object {name} in its store yet", name=name))
    try:
        info = _ObjectInfo.model_validate_json(stored.payload)
    except ValidationError as exc:
        raise ContentDamaged(message("the object {name} cannot be read", name=name)) from exc
    if info.deleted:
        raise ContentMissing(message("the head office has deleted the object {name}", name=name))
    if info.chunks > 1:
        raise ContentDamaged(message("the object {name} has {count} chunks, not one", name=name, count=info.chunks))
    if info.chunks == 0:
        return b""
    chunk = await connection.read_message(CONTENT_STREAM, chunk_subject(info.nuid))
    if chunk is None:
        raise ContentMissing(message("the head office has no object {name} in its store yet", name=name))
    return chunk.payload
