"""Styles and scripts of the pages: few and small, so they are kept in memory, compressed once."""

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from gateway.errors import NotFound

PREFIX: Final = "/console/static/"
_DIRECTORY: Final = Path(__file__).with_name("static")


class _StaticFile(NamedTuple):
    content: bytes
    compressed: bytes
    content_type: str
    digest: str


class StaticFiles:
    """All static files, read once."""

    def __init__(self) -> None:
        self._files = {file.name: _read(file) for file in sorted(_DIRECTORY.iterdir()) if file.is_file()}

    def url(self, name: str) -> str:
        """Return the address of a file; it changes with the content, so browsers may keep the file for good."""
        return f"{PREFIX}{name}?v={self._files[name].digest}"

    def respond(self, request: web.Request) -> web.Response:
        """Return the response with a file. Raises `NotFound`."""
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise NotFound(f"there is no file {request.match_info['name']!r}")
        is_current = request.query.get("v") == file.digest
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if is_current else "no-cache",
            "ETag": f'"{file.digest}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        body = file.content
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.compressed, "gzip"
        return web.Response(body=body, headers=headers, content_type=file.content_type)


def _read(file: Path) -> _StaticFile:
    content = file.read_bytes()
    content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    digest = hashlib.sha256(content).hexdigest()[:12]
    return _StaticFile(content, gzip.compress(content, 9, mtime=0), content_type, digest)
