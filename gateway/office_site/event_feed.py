"""The newest events of all shops, in memory, as the stream has them. Nothing is subscribed to, and no consumer made."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from nats.js.errors import APIError

from gateway.fleet.subjects import EVENTS, PREFIX, event_subject
from gateway.office.office import Office, translated
from gateway.office.shop_facts import clean_text
from gateway.office.stored_messages import StreamMessage, read_last_batch, read_stream
from gateway.office.stream_follower import StreamFollower, StreamStart
from gateway.protocol import json_text

MAX_EVENTS: Final = 10_000
"""How many events of all shops are kept."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""How much of them is kept, as the shops have sent it; what is older goes."""
MAX_KEPT_BYTES: Final = 16 * 1024
"""A larger event is kept without its data: the API has it as a whole."""
MAX_READ_BYTES: Final = 512 * 1024
"""How much is read at once for a program, which holds it for as long as the program takes to read it."""
MAX_TYPES: Final = 500
"""How many types of events are counted apart: shops decide what they are called."""
MAX_TYPE_LENGTH: Final = 200
OTHER_TYPES: Final = "other"
_TOO_MANY_RESULTS: Final = 413


class ChainEvent(NamedTuple):
    """An event of a shop."""

    sequence: int
    """Its number in the stream."""
    shop: str
    """Whose it is."""
    type: str
    """Its type."""
    stored_at: str
    """When the servers have stored it, in UTC."""
    document: Mapping[str, Any]
    """The event as the shop has sent it; empty if it cannot be read."""
    size: int
    """How many bytes the shop has sent."""

    @property
    def time(self) -> str:
        """When it happened, by the clock of the shop; if that cannot be read, when it was stored."""
        time = self.document.get("time")
        try:
            return time if isinstance(time, str) and datetime.fromisoformat(time) else self.stored_at
        except ValueError:
            return self.stored_at

    @property
    def camera(self) -> str:
        """The serial number of its camera; empty if it is about none."""
        return clean_text(self.document.get("camera"), 64)

    def describe(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "sequence": self.sequence,
            "shop": self.shop,
            "stored_at": self.stored_at,
            "type": self.type,
            "event": self.document,
        }


class EventFeed:
    """The events since shortly before the start, as of the last `refresh`."""

    def __init__(self, office: Office) -> None:
        """Take the connection; nothing is read before `refresh`."""
        self._office = office
        self._follower = StreamFollower(office, EVENTS, event_subject("*"))
        self._recent: deque[StreamMessage] = deque()
        """As they are in the stream: what they become when they are read takes several times as much."""
        self._bytes = 0
        self.counts: Counter[str] = Counter()
        """How many events of each type there were since the start."""
        self.last: int | None = None
        """The number of the last event that was read; None before the first look."""
        self.begun_after = 0
        """The number after which the newest events began when they were read as a whole."""
        self._counts_from = 0
        """After which number events are counted."""
        self.restarts = 0
        """How often the stream went back, as it does when the servers are restored from a backup."""
        self._listeners: set[asyncio.Event] = set()

    async def refresh(self) -> None:
        """Read what is new. Raises `HeadOfficeUnavailable`."""
        before = self.last, self.restarts
        await self._follower.read(self._take, self._begin)
        if (self.last, self.restarts) != before:
            self.wake()

    async def _begin(self) -> StreamStart:
        """Begin with the newest events, at first or when the servers were restored from a backup."""
        if self.last is not None:
            self.restarts += 1
        self._counts_from = await _read_last_number(self._office)
        self._recent.clear()
        self._bytes = 0
        self.begun_after = self.last = max(0, self._counts_from - MAX_EVENTS)
        return StreamStart(self.last)

    def _take(self, stored: StreamMessage) -> None:
        self.last = stored.sequence
        self._keep(stored)
        if stored.sequence > self._counts_from:
            _, event_type = _split_subject(stored.subject)
            known = event_type in self.counts or len(self.counts) < MAX_TYPES
            self.counts[event_type if known else OTHER_TYPES] += 1

    def _keep(self, stored: StreamMessage) -> None:
        payload = stored.payload
        if len(payload) > MAX_KEPT_BYTES:
            document = {**parse_event(stored).document, "data": {}}
            payload = json_text.dumps(json_text.make_encodable(document)).encode()
            if len(payload) > MAX_KEPT_BYTES:
                payload = b""
        self._recent.append(kept := stored._replace(payload=payload, headers={}))
        self._bytes += _size(kept)
        while self._bytes > MAX_BYTES or len(self._recent) > MAX_EVENTS:
            self._bytes -= _size(self._recent.popleft())

    def wake(self) -> None:
        """Wake those who listen."""
        for listener in self._listeners:
            listener.set()

    @contextlib.contextmanager
    def listen(self, news: asyncio.Event) -> Iterator[None]:
        """Have something set whenever new events were read."""
        self._listeners.add(news)
        try:
            yield
        finally:
            self._listeners.discard(news)

    def recent(self, shop: str = "", limit: int = 50) -> Sequence[ChainEvent]:
        """Return the newest events, the newest first; of all shops, or of one."""
        found: list[ChainEvent] = []
        for stored in reversed(self._recent):
            if not shop or _split_subject(stored.subject)[0] == shop:
                found.append(parse_event(stored))
                if len(found) == limit:
                    break
        return found


async def find_resumption(office: Office, after: int) -> int:
    """Return after which number a reader goes on that has the event with a number.

    If the stream has no such number yet, it was restored from a backup since: then with its newest events, of which
    the reader may have some. Raises `HeadOfficeUnavailable`.
    """
    last = await _read_last_number(office) if after else 0
    return after if after <= last else max(0, last - MAX_EVENTS)


async def _read_last_number(office: Office) -> int:
    with translated(office.folder):
        return (await office.read(lambda jetstream: jetstream.stream_info(EVENTS))).state.last_seq


async def read_newest(office: Office, shop: str) -> Sequence[ChainEvent]:
    """Return the newest event of each type of a shop, the newest first. Raises `HeadOfficeUnavailable`."""
    with translated(office.folder):
        try:
            found, is_more = await read_last_batch(office.client, EVENTS, event_subject(shop))
        except APIError as exc:
            if exc.code != _TOO_MANY_RESULTS:
                raise
            is_more = True
    if is_more:
        return []  # a shop that makes up types of events, or fills them, is shown without them
    return sorted(map(parse_event, found), key=lambda one: -one.sequence)


async def read_events(office: Office, shop: str, wanted: str | None, after: int) -> AsyncIterator[ChainEvent]:
    """Yield the events of a shop, `*` for all, that follow a number in the stream; `wanted` is a type or a family.

    Raises `HeadOfficeUnavailable`.
    """
    subject = event_subject(shop) if wanted is None or "." not in wanted else event_subject(shop, wanted)
    if wanted is not None and "." not in wanted:
        subject = event_subject(shop, f"{wanted}.>")
    with translated(office.folder):
        async for stored in read_stream(office.client, EVENTS, subject, after=after, max_bytes=MAX_READ_BYTES):
            yield parse_event(stored)


def parse_event(stored: StreamMessage) -> ChainEvent:
    """Return the event that a message of the stream holds. The subject says whose it is: the servers see to that."""
    shop, event_type = _split_subject(stored.subject)
    try:
        document = json_text.load_shallow(stored.payload)
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    return ChainEvent(stored.sequence, shop, event_type, stored.stored_at, document, len(stored.payload))


def _size(stored: StreamMessage) -> int:
    return len(stored.payload) + len(stored.subject)


def _split_subject(subject: str) -> tuple[str, str]:
    """Return the shop and the type of an event, which shops decide."""
    shop, _, rest = subject.removeprefix(f"{PREFIX}.").partition(".")
    return shop, clean_text(rest.removeprefix("event."), MAX_TYPE_LENGTH)
