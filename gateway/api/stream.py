"""The event stream: server-sent events (WHATWG HTML, "Server-sent events") to any number of readers.

A reader first gets what it missed from the event log, at its own pace. Once it has caught up, new events are encoded
once for all readers with the same filter, and written to the connections of all in turn. What a connection does not
take at once goes into the queue of its reader. A reader whose queue is full is dropped: it resumes from the event log,
and nobody waits for it.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final

from aiohttp import web

from gateway.api.response_language import RESPONSE_LANGUAGE
from gateway.api.route import REQUEST_ID_HEADER
from gateway.events.cursor import ResumeNotice, ResumePoint
from gateway.events.event import Event, EventFilter
from gateway.events.log import EventLog
from gateway.protocol import json_text
from gateway.runtime.logs.request import REQUEST_ID
from gateway.runtime.supervisor import Service, Supervisor

HEARTBEAT_INTERVAL_S: Final = 15.0
"""How often every stream gets a comment, so that both ends notice a dead connection."""
MAX_QUEUED_BYTES: Final = 256 * 1024
"""How much a reader may leave in its queue before it is dropped."""
PAGE_SIZE: Final = 200
"""How many events a reader that catches up gets at once."""
MAX_STALL_S: Final = 30.0
"""How long a reader that catches up may take for a page."""
_CHUNK_OVERHEAD: Final = 16
"""What the chunked encoding adds to a text at most, in bytes."""
_RETRY_MS: Final = 2000
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Vary": "Accept",
    "X-Accel-Buffering": "no",
}

_log = logging.getLogger(__name__)


class _Reader:
    """One reader."""

    def __init__(self, request: web.Request, token: str, make_heartbeat: Callable[[], bytes]) -> None:
        self.response = web.StreamResponse(headers=_HEADERS | {REQUEST_ID_HEADER: REQUEST_ID.get()})
        self.token = token
        self.make_heartbeat = make_heartbeat
        self.ended = False
        self._request = request
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        """What `write_queue` waits for; None while it is writing."""

    def can_write(self, size: int) -> bool:
        """Return whether so many bytes can be written at once: nothing is queued, and the connection has room.

        A connection with more than the low-water mark in its buffer may be paused. With less, it takes what stays
        below the high-water mark, and no write waits.
        """
        transport = self._request.transport
        if transport is None or self._waiter is None or self._waiter.done():
            return False
        low, high = transport.get_write_buffer_limits()
        return transport.get_write_buffer_size() <= low and size < high - low

    def enqueue(self, text: bytes) -> None:
        """Queue a text that cannot be written at once. A reader whose queue is full is dropped."""
        if self._queued_bytes > MAX_QUEUED_BYTES:
            self.drop_for_silence()
        elif not self.ended:
            self._queue.append(text)
            self._queued_bytes += len(text)
            self._wake()

    async def write_queue(self) -> None:
        """Write what is queued, at the pace of the connection, until the stream ends. Raises `ConnectionError`."""
        while not self.ended:
            if self._queue:
                texts, self._queue, self._queued_bytes = self._queue, [], 0
                await self.response.write(b"".join(texts))
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                self._waiter = None

    def end(self) -> None:
        """End the stream."""
        self.ended = True
        self._wake()

    def drop(self) -> None:
        """End the stream and break the connection off."""
        self.end()
        if self._request.transport is not None:
            self._request.transport.abort()

    def drop_for_silence(self) -> None:
        """Break off a reader that does not read, and say so once."""
        if not self.ended:
            _log.warning(
                "%s at %s does not read its event stream fast enough, and is disconnected: it goes on where it was "
                "when it comes back",
                self.token or "a local program",
                self._request.remote or "the local socket",
            )
        self.drop()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EventStream:
    """All readers of one server."""

    def __init__(
        self, event_log: EventLog, supervisor: Supervisor, *, heartbeat_interval_s: float | None = None
    ) -> None:
        """Pass new events on from now on."""
        self._event_log = event_log
        self._connected: set[_Reader] = set()
        """All readers."""
        self._live: dict[EventFilter, set[_Reader]] = {}
        """The readers that have caught up."""
        self._unsent: deque[tuple[Collection[_Reader], bytes]] = deque()
        self._added = asyncio.Event()
        self._closing = False
        self._unsubscribe = event_log.subscribe(self._distribute)
        self._writer = supervisor.start_service("event stream", self._write)
        self._heartbeat = supervisor.start_periodic(
            "event stream heartbeat", self._send_heartbeat, interval_s=heartbeat_interval_s or HEARTBEAT_INTERVAL_S
        )

    @property
    def readers(self) -> int:
        """How many readers there are that have caught up."""
        return sum(map(len, self._live.values()))

    async def close(self) -> None:
        """End every stream. Readers come back later."""
        self._closing = True
        self._unsubscribe()
        self._end_all()
        await self._heartbeat.stop()
        await self._writer.stop()

    def end(self, token: str) -> None:
        """End the streams of a token that was revoked."""
        for reader in self._connected:
            if reader.token == token:
                reader.end()

    async def serve(
        self,
        request: web.Request,
        resume_point: ResumePoint,
        event_filter: EventFilter,
        *,
        token: str,
        make_heartbeat: Callable[[], bytes] | None = None,
    ) -> web.StreamResponse:
        """Stream events from a point on, until the reader leaves or its token is revoked.

        `make_heartbeat` makes what stands for the comment that every stream gets from time to time, and what the
        stream begins with. It is called once for all readers that have the same one.
        """
        reader = _Reader(request, token, make_heartbeat or _make_comment)
        self._connected.add(reader)
        try:
            await reader.response.prepare(request)
            begin = b"" if make_heartbeat is None else make_heartbeat()
            notice = _format_notice(resume_point.notice) if resume_point.notice else b""
            await reader.response.write(f"retry: {_RETRY_MS}\n\n".encode() + begin + notice)
            await self._catch_up(reader, resume_point.after, event_filter)
            # Nothing else runs between the last look at the log and here: no event is missed or sent twice.
            with self._add_live(reader, event_filter):
                await reader.write_queue()
        except TimeoutError:
            reader.drop_for_silence()
        except ConnectionError:
            reader.drop()
        finally:
            reader.end()
            self._connected.discard(reader)
        return reader.response

    async def _catch_up(self, reader: _Reader, after: int, event_filter: EventFilter) -> None:
        while after < self._event_log.last_published and not reader.ended and not self._closing:
            page = await self._event_log.read(after, event_filter, limit=PAGE_SIZE)
            after = page.upto
            if page.events:
                async with asyncio.timeout(MAX_STALL_S):
                    await reader.response.write(b"".join(_format_event(event) for event in page.events))
        if self._closing:
            reader.end()

    @contextlib.contextmanager
    def _add_live(self, reader: _Reader, event_filter: EventFilter) -> Iterator[None]:
        readers = self._live.setdefault(event_filter, set())
        readers.add(reader)
        try:
            yield
        finally:
            readers.discard(reader)
            if not readers and self._live.get(event_filter) is readers:
                del self._live[event_filter]

    def _distribute(self, events: Sequence[Event]) -> None:
        with self._end_streams_on_failure():
            texts = [(event, _format_event(event, live=True)) for event in events]
            for event_filter, readers in self._live.items():
                if matching := b"".join(text for event, text in texts if event_filter.matches(event)):
                    self._send(readers, matching)

    async def _send_heartbeat(self) -> None:
        for readers in self._live.values():
            for make_heartbeat in {reader.make_heartbeat for reader in readers}:
                self._send([one for one in readers if one.make_heartbeat == make_heartbeat], make_heartbeat())

    def _send(self, readers: Collection[_Reader], text: bytes) -> None:
        """Send a text to those who are readers now: who comes later has got it from the log."""
        self._unsent.append((tuple(readers), text))
        self._added.set()

    async def _write(self, service: Service) -> None:
        while True:
            self._added.clear()
            while self._unsent:
                readers, text = self._unsent.popleft()
                with self._end_streams_on_failure():
                    await self._write_to_all(readers, text)
                service.heartbeat()
            service.pause()
            await self._added.wait()
            service.expect_turn()

    @staticmethod
    async def _write_to_all(readers: Iterable[_Reader], text: bytes) -> None:
        """Write a text to every reader. It waits for none: what a connection does not take at once is queued."""
        size = len(text) + _CHUNK_OVERHEAD
        for reader in readers:
            if reader.can_write(size):
                try:
                    await reader.response.write(text)
                except ConnectionError:
                    reader.end()
            else:
                reader.enqueue(text)

    @contextlib.contextmanager
    def _end_streams_on_failure(self) -> Iterator[None]:
        """Let readers resume from the log after a failure, so that they miss nothing."""
        try:
            yield
        except Exception:
            self._unsent.clear()
            self._end_all()
            raise

    def _end_all(self) -> None:
        for reader in self._connected:
            reader.end()


def _make_comment() -> bytes:
    return b":\n\n"


def _format_event(event: Event, *, live: bool = False) -> bytes:
    return f"id: {event.id}\ndata: {event.to_json(live=live)}\n\n".encode()


def _format_notice(notice: ResumeNotice) -> bytes:
    return f"event: notice\ndata: {json_text.dumps(notice._asdict(), language=RESPONSE_LANGUAGE.get())}\n\n".encode()


STREAM: Final = web.AppKey("event_stream", EventStream)
"""All readers of an application's event stream."""
