"""The event stream: server-sent events (WHATWG HTML, "Server-sent events") to any number of readers.

A reader first gets what it missed, from the journal, at its own pace. Once it has caught up, every event is encoded
once and written straight to the connections of all that want it. A reader whose connection does not take it is dropped:
it resumes from the journal, and nobody waits for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from gateway.api.route import REQUEST_ID_HEADER
from gateway.events.cursor import ResumeNotice, ResumePoint
from gateway.events.event import Event, EventFilter
from gateway.events.log import EventLog
from gateway.protocol import json_text
from gateway.runtime.logs.request import REQUEST_ID

HEARTBEAT_S: Final = 15.0
"""How often an idle stream gets a comment, so that both ends notice a dead connection."""
MOST_UNSENT_BYTES: Final = 256 * 1024
"""How much may wait in a connection before its reader is dropped."""
_PAGE: Final = 200
_STALLED_S: Final = 30.0
_RETRY_MS: Final = 2000
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Accept",
    "X-Accel-Buffering": "no",
}


@dataclass(eq=False, slots=True)
class _Reader:
    """A reader that has caught up; `gone` is done when it is to end."""

    transport: asyncio.Transport
    token: str
    gone: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def write(self, chunk: bytes) -> bool:
        """Write to the connection; return whether the reader is still there."""
        if self.transport.is_closing():
            self.end()
        elif self.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self.transport.abort()
            self.end()
        else:
            self.transport.write(chunk)
            return True
        return False

    def end(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


class EventStream:
    """All readers of one server; an idle stream gets a comment every `heartbeat_s`."""

    def __init__(self, event_log: EventLog, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._event_log = event_log
        self._heartbeat_s = heartbeat_s
        self._readers: dict[EventFilter, set[_Reader]] = {}
        self._closing = False

    async def running(self, _: web.Application) -> AsyncIterator[None]:
        """Distribute events while the server runs."""
        unsubscribe = self._event_log.subscribe(self._distribute)
        heart = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            unsubscribe()
            heart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heart

    async def close(self, _: web.Application) -> None:
        """End every stream; readers come back later."""
        self._closing = True
        self._end(lambda _: True)

    def end(self, token: str) -> None:
        """End the streams of a token that was revoked."""
        self._end(lambda reader: reader.token == token)

    def _end(self, which: Callable[[_Reader], bool]) -> None:
        for reader in [reader for readers in self._readers.values() for reader in readers if which(reader)]:
            reader.end()

    async def serve(
        self, request: web.Request, resume_point: ResumePoint, event_filter: EventFilter, *, token: str
    ) -> web.StreamResponse:
        """Answer a request with the events from a position on, until the reader leaves or its token is revoked."""
        response = web.StreamResponse(headers=_HEADERS | {REQUEST_ID_HEADER: REQUEST_ID.get()})
        response.enable_chunked_encoding()
        await response.prepare(request)
        hello = f"retry: {_RETRY_MS}\n\n".encode() + (_notice(resume_point.notice) if resume_point.notice else b"")
        try:
            await response.write(hello)
            await self._catch_up(response, resume_point.after, event_filter)
            transport = request.transport
            if transport is None or self._closing:
                return response
            # Between the last look at the journal and this line nothing else ran: no event is missed or seen twice.
            reader = _Reader(transport, token)
            readers = self._readers.setdefault(event_filter, set())
            readers.add(reader)
            try:
                await reader.gone
            finally:
                self._forget(event_filter, reader)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _catch_up(self, response: web.StreamResponse, after: int, event_filter: EventFilter) -> None:
        while after < self._event_log.last_published and not self._closing:
            page = await self._event_log.read(after, event_filter, limit=_PAGE)
            after = page.upto
            if page.events:
                async with asyncio.timeout(_STALLED_S):
                    await response.write(b"".join(_frame(event) for event in page.events))

    def _distribute(self, events: Sequence[Event]) -> None:
        frames = [(event, _frame(event, live=True)) for event in events]
        for event_filter, readers in list(self._readers.items()):
            text = b"".join(frame for event, frame in frames if event_filter.matches(event))
            if text:
                self._write(event_filter, readers, text)

    def _write(self, event_filter: EventFilter, readers: Iterable[_Reader], text: bytes) -> None:
        # Framed here once for everybody; the chunked encoding of each response would do it again for each reader.
        chunk = b"%x\r\n%b\r\n" % (len(text), text)
        for reader in [reader for reader in readers if not reader.write(chunk)]:
            self._forget(event_filter, reader)

    def _forget(self, event_filter: EventFilter, reader: _Reader) -> None:
        readers = self._readers.get(event_filter, set())
        readers.discard(reader)
        if not readers:
            self._readers.pop(event_filter, None)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            for event_filter, readers in list(self._readers.items()):
                self._write(event_filter, readers, b":\n\n")

    @property
    def readers(self) -> int:
        """How many readers there are that have caught up."""
        return sum(map(len, self._readers.values()))


def _frame(event: Event, *, live: bool = False) -> bytes:
    return f"id: {event.id}\ndata: {event.to_json(live=live)}\n\n".encode()


def _notice(notice: ResumeNotice) -> bytes:
    return f"event: notice\ndata: {json_text.dumps(notice._asdict())}\n\n".encode()
