"""Reading a stream again and again: what is new each time, or everything when the stream went back.

Servers that are restored from a backup number on from where they were then. Whoever asks for what follows the last
number that it knows would miss all that happens until the numbers have caught up, and would keep what is gone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, NamedTuple

from gateway.office.office import Office, translated
from gateway.office.stored_messages import StreamMessage, read_next_message, read_stream

_log: Final = logging.getLogger(__name__)


class StreamStart(NamedTuple):
    """Where the reading of everything begins."""

    after: int = 0
    """The number of the message before the first one."""
    since: str = ""
    """A time in UTC instead."""


class StreamFollower:
    """Reads the messages of a subject, which may have wildcards, as of the last `read`."""

    def __init__(self, office: Office, stream: str, subject: str) -> None:
        """Take the connection; nothing is read before `read`."""
        self._office = office
        self._stream = stream
        self._subject = subject
        self._last: int | None = None
        """The number of the last message that was read; None if everything is to be read."""
        self._last_stored_at = ""
        """When it was stored, exactly; empty if there was none."""
        self._since = ""
        """Since when messages are read, as long as there was none."""
        self._reconnects = 0
        """How often the connection had come back when the last message was known to be the same."""
        self._lock = asyncio.Lock()

    async def read(
        self,
        take: Callable[[StreamMessage], None],
        begin: Callable[[], Awaitable[StreamStart]] | None = None,
    ) -> bool:
        """Hand over what is new since the call before, in the order of the stream; return whether that is everything.

        Everything is handed over at first, and when the stream went back: then what was not among it is gone, and
        `begin` is awaited before, which says where to begin if that is not the first message. A message may come
        again after a failure. Raises `HeadOfficeUnavailable`.
        """
        async with self._lock:
            with translated(self._office.folder):
                reconnects = self._office.client.stats["reconnects"]
                if self._last is not None and await self._has_gone_back(self._last, reconnects):
                    _log.warning("servers may be as they were earlier: %s is read anew", self._stream)
                    self._last = None
            is_anew = self._last is None
            start = StreamStart(self._last or 0, self._since)
            if is_anew:
                start = StreamStart() if begin is None else await begin()
            last, last_stored_at = start.after, self._last_stored_at if not is_anew else ""
            async for stored in self._read_from(start):
                take(stored)
                last, last_stored_at = stored.sequence, stored.stored_exactly_at
                if not is_anew:
                    self._last, self._last_stored_at = last, last_stored_at
            self._last, self._last_stored_at, self._reconnects = last, last_stored_at, reconnects
            self._since = start.since
            return is_anew

    async def _read_from(self, start: StreamStart) -> AsyncIterator[StreamMessage]:
        with translated(self._office.folder):
            async for stored in read_stream(
                self._office.client, self._stream, self._subject, after=start.after, since=start.since
            ):
                yield stored

    async def _has_gone_back(self, last: int, reconnects: int) -> bool:
        """Return whether the last message that was read is not that of the stream any more.

        The next one with its number or a later one says so: it is the same message, if it was not replaced.
        """
        found = None
        if self._last_stored_at:
            found = await read_next_message(self._office.client, self._stream, self._subject, last)
        if found is None:
            # Nothing follows: it was deleted, or a server was asked that lags behind. The leader knows.
            info = await self._office.read(lambda jetstream: jetstream.stream_info(self._stream))
            return info.state.last_seq < last
        if found.sequence == last:
            return found.stored_exactly_at != self._last_stored_at
        # It was replaced by a later one, which proves nothing: the numbers may have caught up while the line was cut.
        return reconnects != self._reconnects
