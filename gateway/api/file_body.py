"""Receives a file as a body that is larger than other bodies may be: piece by piece, on the disk."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import IO, Final

from aiohttp import web

from firmware_tools.language import message
from gateway.api.body_reader import BodyStream
from gateway.errors import FieldError, InvalidRequest, StateError

MAX_DURATION_S: Final = 600.0
"""How long the body may take as a whole."""


async def receive_file(request: web.Request, folder: Path, *, max_bytes: int, min_free_bytes: int) -> IO[bytes]:
    """Return a temporary file with the body of a request, to be read from its beginning and closed.

    It has no name, so that nothing is left of it whatever happens. Raises `InvalidRequest` for a body that has a
    content encoding, is empty or cut off, `TooLarge`, `RequestTimeout`, `StateError` where fewer bytes than
    `min_free_bytes` would stay free on the disk, and `OSError`.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise InvalidRequest([FieldError("Content-Encoding", message("send a file without a content encoding"))])
    stream = BodyStream(request, max_bytes=max_bytes, max_duration_s=MAX_DURATION_S)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
    try:
        while chunk := await stream.read():
            check_free_space(folder, len(chunk), min_free_bytes)
            await asyncio.to_thread(file.write, chunk)
        if not file.tell():
            raise InvalidRequest([FieldError("body", message("is empty: send the file as the body"))])
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def check_free_space(folder: Path, size: int, min_free_bytes: int) -> None:
    """Raise `StateError` if fewer bytes than `min_free_bytes` stay free on a folder's disk when `size` are written.

    Who sends files must not take the room that calls of tills are stored in.
    """
    if shutil.disk_usage(folder).free - size < min_free_bytes:
        raise StateError(message("{path}: the disk has no room for this file", path=folder))
