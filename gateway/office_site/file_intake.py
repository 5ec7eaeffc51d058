"""Receives files for shops on the disk, and reads them as these will: one with a mistake goes nowhere."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final, Literal

from aiohttp import web

from firmware_tools.language import count_message, message
from gateway.api.file_body import receive_file
from gateway.api.form_upload import FormUpload
from gateway.errors import FieldError, InvalidRequest
from gateway.fleet.documents import MAX_CONTENT_BYTES
from gateway.fleet.part_names import PRODUCTS, TEMPLATES, template_part
from gateway.office.content import ContentStore
from gateway.office.office import Office
from gateway.office_site.open_count import OpenCount

FileKind = Literal["products", "templates"]

MAX_UPLOAD_BYTES: Final = MAX_CONTENT_BYTES + 64 * 1024
"""How large a form with a file may be: the fields beside the file, and what divides them, are small."""
MAX_FILES: Final = 4
"""How many files are received at the same time: each takes room on the disk."""
_RETRY_AFTER_S: Final = 30
_MIN_FREE_BYTES: Final = MAX_CONTENT_BYTES
_MAX_NAME: Final = 200
_MAX_SHOWN: Final = 5


class FileIntake:
    """Receives files, and stores at the servers what is in order."""

    def __init__(self, folder: Path) -> None:
        """Take the folder of the head office, where files are meanwhile, without a name."""
        self._folder = folder
        self._open = OpenCount()
        self._reading = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def receive_body(self, request: web.Request) -> AsyncIterator[IO[bytes]]:
        """Receive the body of a request; it is gone at the end of the block. Raises as `receive_upload`."""
        with self._count():
            file = await receive_file(
                request, self._folder, max_bytes=MAX_CONTENT_BYTES, min_free_bytes=_MIN_FREE_BYTES
            )
            with file:
                yield file

    @contextlib.asynccontextmanager
    async def receive_upload(self, upload: FormUpload) -> AsyncIterator[IO[bytes]]:
        """Receive the file of a form; it is gone at the end of the block.

        Raises `Problem`, `StateError` where the disk has no room, and `OSError`.
        """
        with self._count(), tempfile.TemporaryFile(dir=self._folder) as file:
            if not await upload.receive(file, self._folder, min_free_bytes=_MIN_FREE_BYTES):
                raise InvalidRequest([FieldError("file", message("is missing or empty"))])
            yield file

    async def store(
        self, office: Office, kind: FileKind, name: str, file: IO[bytes], *, is_partial: bool, is_confirmed: bool
    ) -> tuple[str, dict[str, Any]]:
        """Read a file, store it, and return the part of the desired state that it is, with its value.

        One file is read at a time: a list takes memory. Raises `InvalidRequest`, which names what is wrong, and
        `HeadOfficeUnavailable`.
        """
        name = name[-_MAX_NAME:]
        async with self._reading:
            part = await asyncio.to_thread(_read_part, kind, name, file, is_partial=is_partial)
        store = ContentStore(office)
        value: dict[str, Any] = (await store.put(name, file)).model_dump(mode="json")
        if kind == PRODUCTS:
            value |= {"complete": not is_partial, "confirm": is_confirmed}
        await store.remove_unused()
        return part, value

    def _count(self) -> contextlib.AbstractContextManager[None]:
        refusal = message("{count} files are being received already: try again", count=MAX_FILES)
        return self._open.take(MAX_FILES, refusal, retry_after_s=_RETRY_AFTER_S)


def _read_part(kind: FileKind, name: str, file: IO[bytes], *, is_partial: bool) -> str:
    """Return the part of the desired state that a file is. Raises `InvalidRequest`."""
    file.seek(0)
    if kind == TEMPLATES:
        from gateway.labels.template import MAX_TEMPLATE_BYTES, parse_template

        return template_part(parse_template(file.read(MAX_TEMPLATE_BYTES + 1), name).name)
    from gateway.products.product_list import read_product_list

    found = read_product_list(file.read(), file_name=name, is_partial=is_partial)
    if found.fault_count:
        count = count_message(
            "{count} row is bad: correct it; nothing was sent",
            "{count} rows are bad: correct them; nothing was sent",
            found.bad_row_count,
        )
        shown = (FieldError(f"{one.row} {one.column}".strip(), one.reason) for one in found.faults[:_MAX_SHOWN])
        raise InvalidRequest([FieldError("file", count), *shown])
    return PRODUCTS
