"""A form with a file that is too large for memory: its fields first, then the file, written piece by piece."""

import asyncio
import os
from pathlib import Path
from typing import IO, Final, Self

from aiohttp import web

from firmware_tools.language import message
from gateway.api.body_reader import BodyStream
from gateway.api.file_body import check_free_space
from gateway.api.multipart import MAX_PART_HEAD_BYTES, find_delimiter, parse_part
from gateway.errors import FieldError, InvalidRequest

MAX_FIELD_BYTES: Final = 16 * 1024
"""All that may stand before the file."""
MAX_DURATION_S: Final = 3600.0
"""How long a body may take as a whole."""


_NOT_LAST: Final = message("the file has to be its last field, after few others")


class FormUpload:
    """A form (multipart/form-data) whose last field is a file, as it arrives. Made by `begin`."""

    def __init__(self, stream: BodyStream, delimiter: bytes) -> None:
        """Take the body and what divides its parts."""
        self._stream = stream
        self._delimiter = delimiter
        self._buffer = b"\r\n"
        self.fields: dict[str, str] = {}
        """The fields before the file."""
        self.file_name = ""
        """How the sender names the file."""

    @classmethod
    async def begin(cls, request: web.Request, *, max_bytes: int) -> Self:
        """Receive the fields before the file. Raises `InvalidRequest`, `TooLarge` and `RequestTimeout`."""
        try:
            if request.content_type != "multipart/form-data" or "Content-Encoding" in request.headers:
                raise ValueError(message("it has to be multipart/form-data, without a content encoding"))
            delimiter = find_delimiter(request.headers["Content-Type"])
            upload = cls(BodyStream(request, max_bytes=max_bytes, max_duration_s=MAX_DURATION_S), delimiter)
            await upload._read_fields()
        except ValueError as exc:
            raise _make_error(exc) from exc
        return upload

    def text(self, name: str) -> str:
        """Return the text of a field before the file; empty if the form has none."""
        return self.fields.get(name, "")

    async def save(self, target: Path, *, min_free_bytes: int) -> int:
        """Write the file to a new private one (0600); return its size. Raises as `receive` does."""
        with _open_private(target) as stream:
            return await self.receive(stream, target.parent, min_free_bytes=min_free_bytes)

    async def receive(self, stream: IO[bytes], folder: Path, *, min_free_bytes: int) -> int:
        """Write the file to an open one, which is in a folder; return its size.

        Raises as `begin` does, `StateError` where fewer bytes than `min_free_bytes` would stay free, and `OSError`.
        """
        size = 0
        while (end := self._buffer.find(self._delimiter)) < 0:
            whole = max(len(self._buffer) - len(self._delimiter) + 1, 0)
            size += await self._write(stream, whole, folder, min_free_bytes)
            await self._fill()
        size += await self._write(stream, end, folder, min_free_bytes)
        self._buffer = self._buffer[len(self._delimiter) :]
        while len(self._buffer) < len(b"--"):
            await self._fill()
        if not self._buffer.startswith(b"--"):
            raise _make_error(ValueError(_NOT_LAST))
        while await self._stream.read():  # the epilogue, so that the response finds its way
            pass
        return size

    async def _write(self, stream: IO[bytes], size: int, folder: Path, min_free_bytes: int) -> int:
        """Write the first bytes of the buffer."""
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        if data:
            check_free_space(folder, len(data), min_free_bytes)
            await asyncio.to_thread(stream.write, data)
        return len(data)

    async def _fill(self) -> None:
        """Receive more. Raises `ValueError` at the end of the body."""
        chunk = await self._stream.read()
        if not chunk:
            raise _make_error(ValueError(message("its end is missing")))
        self._buffer += chunk

    async def _read_fields(self) -> None:
        """Read up to the first byte of the file. Raises `ValueError`."""
        left = MAX_FIELD_BYTES
        await self._skip_to_delimiter(left)
        while True:
            while (end := self._buffer.find(b"\r\n\r\n")) < 0 and not self._buffer.startswith(b"--"):
                if len(self._buffer) > MAX_PART_HEAD_BYTES:
                    break
                await self._fill()
            if self._buffer.startswith(b"--"):
                raise ValueError(message("it has no file"))
            part = parse_part(self._buffer[: end + 4] if end >= 0 else self._buffer)
            self._buffer = self._buffer[end + 4 :]
            if part.filename is not None:
                self.file_name = part.filename
                return
            text = await self._skip_to_delimiter(left)
            left -= end + len(text)
            if left < 0:
                raise ValueError(_NOT_LAST)
            self.fields[part.name] = text.decode()

    async def _skip_to_delimiter(self, max_bytes: int) -> bytes:
        """Return what stands before the next delimiter. Raises `ValueError`."""
        while (end := self._buffer.find(self._delimiter)) < 0:
            if len(self._buffer) > max_bytes:
                raise ValueError(_NOT_LAST)
            await self._fill()
        skipped, self._buffer = self._buffer[:end], self._buffer[end + len(self._delimiter) :]
        return skipped


def _open_private(target: Path) -> IO[bytes]:
    return open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _make_error(reason: ValueError) -> InvalidRequest:
    text = message("is no valid form: {reason}", reason=str(reason)[:200])
    return InvalidRequest([FieldError("body", text)])
