"""A stream of server-sent events to a page or a program. A reader that takes nothing is dropped, and nobody waits."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final, Self

from aiohttp import web

MAX_STALL_S: Final = 30.0
"""How long a reader may take none of `_PIECE_BYTES`, in seconds."""
_PIECE_BYTES: Final = 64 * 1024
"""How much is written at once, and how much waits in memory for the reader to take it."""

_log = logging.getLogger(__name__)


class ReaderStream:
    """A stream that is open; made by `open`."""

    def __init__(self, request: web.Request, response: web.StreamResponse, reader: str) -> None:
        self.response = response
        self._request = request
        self._reader = reader

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, request: web.Request, reader: str) -> AsyncIterator[Self]:
        """Begin a stream to a reader, whose name is for the log. The block ends when the reader goes, or is dropped."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(high=_PIECE_BYTES)
        with contextlib.suppress(ConnectionError):
            yield cls(request, response, reader)

    async def write(self, text: bytes) -> None:
        """Write a text. Raises `ConnectionError` if the reader has gone, or is dropped since it takes nothing."""
        for start in range(0, len(text), _PIECE_BYTES):
            try:
                async with asyncio.timeout(MAX_STALL_S):
                    await self.response.write(text[start : start + _PIECE_BYTES])
            except TimeoutError as exc:
                self._drop()
                raise ConnectionAbortedError from exc

    def _drop(self) -> None:
        _log.warning(
            "%s at %s has read nothing of its stream for %g s, and is disconnected: it goes on where it was when it "
            "comes back",
            self._reader,
            self._request.remote,
            MAX_STALL_S,
        )
        if self._request.transport is not None:
            self._request.transport.abort()
