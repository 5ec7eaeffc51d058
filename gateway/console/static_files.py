"""Styles and scripts of the pages: few and small, so they are kept in memory, compressed once."""

import functools
import hashlib
import mimetypes
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from firmware_tools.language import message
from gateway.api.compression import CompressedContent
from gateway.api.entity_tag import add_entity_tag
from gateway.errors import NotFound

PREFIX: Final = "/console/static/"
_DIRECTORY: Final = Path(__file__).with_name("static")


class _StaticFile(NamedTuple):
    content: CompressedContent
    content_type: str
    digest: str


class StaticFiles:
    """All static files, read once."""

    def __init__(self, *folders: Path) -> None:
        """Read those of the console, and of further folders."""
        files = sorted(file for folder in (_DIRECTORY, *folders) for file in folder.iterdir() if file.is_file())
        self._files = {file.name: _read(file) for file in files}

    def url(self, name: str) -> str:
        """Return the address of a file; it changes with the content, so browsers may keep the file for good."""
        return f"{PREFIX}{name}?v={self._files[name].digest}"

    def respond(self, request: web.Request) -> web.StreamResponse:
        """Return the response with a file. Raises `NotFound`."""
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise NotFound(message("there is no file {name!r}", name=request.match_info["name"]))
        is_current = request.query.get("v") == file.digest
        caching = "public, max-age=31536000, immutable" if is_current else "no-cache"
        response = file.content.respond(request, file.content_type, {"Cache-Control": caching})
        return add_entity_tag(request, response, ())


@functools.cache
def load_static_files(*folders: Path) -> StaticFiles:
    """Return the static files of the console and of further folders; sites share them."""
    return StaticFiles(*folders)


def _read(file: Path) -> _StaticFile:
    content = file.read_bytes()
    content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return _StaticFile(CompressedContent.compress(content), content_type, hashlib.sha256(content).hexdigest()[:12])
