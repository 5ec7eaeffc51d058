"""Content that is compressed once and sent often: pages and styles shrink to a fraction."""

import gzip
import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from aiohttp import web

_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")


class CompressedContent(NamedTuple):
    """Content in gzip. Only that is kept: few callers cannot read it."""

    compressed: bytes
    """The content in gzip; the same for the same content."""

    @classmethod
    def compress(cls, content: bytes) -> Self:
        """Compress content. That takes milliseconds, so large content is compressed in a thread."""
        return cls(gzip.compress(content, 9, mtime=0))

    def respond(self, request: web.Request, content_type: str, headers: Mapping[str, str]) -> web.Response:
        """Return a response with the content, in gzip if the caller can read that."""
        varies = ", ".join(filter(None, ("Accept-Encoding", headers.get("Vary"))))
        response = web.Response(headers={**headers, "Vary": varies}, content_type=content_type)
        if content_type.startswith("text/"):
            response.charset = "utf-8"
        if _accepts_gzip(request):
            response.headers["Content-Encoding"] = "gzip"
            response.body = self.compressed
        else:
            response.body = gzip.decompress(self.compressed)
        return response


def _accepts_gzip(request: web.Request) -> bool:
    """Tell whether the caller can read gzip (RFC 9110, 12.5.3)."""
    for element in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, *parameters = (part.strip() for part in element.split(";"))
        if coding == "gzip":
            return not any(_NEVER.fullmatch(one.replace(" ", "")) for one in parameters)
    return False
