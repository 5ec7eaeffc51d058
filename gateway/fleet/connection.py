"""One connection to the head office's NATS servers.

The client's own way of connecting again is not used. After a loss the link starts with a new connection, which asks
first what the stream has: one way for every kind of loss.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Self

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from firmware_tools.language import Message, describe_error, message
from gateway.fleet.client import FleetClient
from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.fleet.failures import HeadOfficeUnavailable, MessageRefused, NoRoom, StreamUnavailable
from gateway.fleet.subjects import inbox_prefix, read_subject
from gateway.fleet_settings import FleetSettings
from gateway.membership import find_member
from gateway.protocol import json_text

CONNECT_TIMEOUT_S: Final = 10
ACKNOWLEDGEMENT_TIMEOUT_S: Final = 10.0
"""How long an acknowledgement takes at most. A stream needs some seconds to choose a new leader."""
SERVER_TIMEOUT_S: Final = 2
"""How long the server itself is waited for, where a stream is silent."""
PING_INTERVAL_S: Final = 30
"""How often a quiet line is tested; two tests without a response mean that it is lost."""
MAX_HEADER_BYTES: Final = 512
"""What the headers of a message take at most. They count towards the longest message that a server takes."""
MAX_PENDING_MESSAGES: Final = 100
"""How many received messages wait for their handler at most; more are dropped."""
MAX_PENDING_BYTES: Final = 4 * 1024 * 1024
_MESSAGE_TOO_LARGE: Final = 10054
"""JetStream's code for a message that is larger than the stream takes."""
_NO_ROOM: Final = (10077, 10047, 10023)
"""JetStream's codes for a stream, a server or an account that is full."""
_NOT_TAKEN: Final = ("authorization violation", "authentication revoked", "authentication expired")
"""What servers say, in lower case, to a shop whose token is not good, or not any more."""
_NO_RESPONDERS: Final = "503"
_NOT_FOUND: Final = "404"


class ReceivedMessage(NamedTuple):
    """A message of a subject that is subscribed to. Its content is whatever somebody sent."""

    subject: str
    """The subject."""
    payload: bytes
    """The content."""
    reply: str
    """Where a response goes; empty if none is wanted."""


class StoredMessage(NamedTuple):
    """A message as a stream has it. Its content is whatever somebody sent."""

    payload: bytes
    """The content."""
    headers: Mapping[str, str]
    """Its headers, with those by which the stream says where it is from."""
    revision: int
    """Its number in the stream: of a bucket, the revision of the key."""

    @property
    def stored_at(self) -> str:
        """When it was stored, in UTC, by the clock of the servers, with all digits."""
        return self.headers.get("Nats-Time-Stamp", "")


class FleetConnection:
    """A connection until it is lost or closed; made by `open`.

    What sends raises `HeadOfficeUnavailable`: `StreamUnavailable` if the connection is as good as any other.
    """

    def __init__(
        self, client: Client, shop: str, member: str, sign: Callable[[str], bytes], on_lost: Callable[[], None]
    ) -> None:
        self.member = member
        """Which shop of which chain it connects, as `find_member` tells."""
        self._client = client
        self._shop = shop
        self._sign = sign
        self._on_lost = on_lost
        # No shop may read the responses to another. Nor does one know where to send a false one: it could have a
        # server send the acknowledgement of its own message there.
        self._inbox = f"{inbox_prefix(shop)}.{secrets.token_hex(16)}"
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
        """Messages without an acknowledgement, by the subject at which it arrives."""
        self._denied: set[str] = set()
        """Subjects that this shop may not publish to, in lower case, since the client reports them so."""
        self._last_error = ""

    @classmethod
    async def open(cls, settings: FleetSettings, *, on_lost: Callable[[], None]) -> Self:
        """Connect to one of the servers. `on_lost` is called when the connection ends by itself.

        The files of the settings are read each time, so that renewed certificates need no restart. Raises
        `SettingsError` for one that cannot be used, and `HeadOfficeUnavailable`.
        """
        credentials = load_credentials(CredentialFiles.of(settings))
        client = FleetClient()
        connection = cls(client, settings.shop, find_member(settings), credentials.sign, on_lost)
        try:
            await client.connect(
                [f"tls://{server}" for server in settings.servers],
                name=settings.shop,
                tls=credentials.tls,
                tls_handshake_first=True,  # else the server decides by a line in plain text whether there is TLS
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=CONNECT_TIMEOUT_S,
                ping_interval=PING_INTERVAL_S,
                inbox_prefix=inbox_prefix(settings.shop),
                signature_cb=credentials.sign,
                user_jwt_cb=lambda: credentials.token,
                error_cb=connection._note_error,
                closed_cb=connection._note_closed,
            )
            await client.subscribe(f"{connection._inbox}.*", cb=connection._note_acknowledgement)
            _end_if_cancelled()
        except (OSError, nats.errors.Error, TimeoutError) as exc:
            await client.close()
            raise connection._unavailable(exc) from exc
        except BaseException:
            await client.close()
            raise
        return connection

    @property
    def server(self) -> str:
        """The server that it is connected to, `host:port`; empty if it is lost."""
        url = self._client.connected_url
        return "" if url is None else str(url.netloc)

    @property
    def is_open(self) -> bool:
        """Whether it is neither lost nor closed."""
        return bool(self._client.is_connected)

    def sign(self, text: str) -> str:
        """Return the signature of a text by the shop's key, in base64. It is the same each time."""
        return self._sign(f"sunmi-gateway {text}").decode()

    def check(self) -> None:
        """Raise `HeadOfficeUnavailable` if the connection is lost."""
        _end_if_cancelled()
        if not self.is_open:
            raise self._unavailable(nats.errors.ConnectionClosedError())

    async def close(self) -> None:
        """Close it."""
        self._on_lost = lambda: None
        await self._client.close()

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Publish a message and return when the stream has stored it on a majority of its servers.

        A message with the id of one that is stored is acknowledged, too. Raises `MessageRefused` and `NoRoom`.
        """
        if len(payload) + MAX_HEADER_BYTES > self._client.max_payload:
            raise MessageRefused("too_large")
        if subject.lower() in self._denied or not all(subject.split(".")):
            raise MessageRefused("subject_refused")
        reply, waiting = f"{self._inbox}.{next(self._numbers)}", _Waiting(subject)
        self._waiting[reply] = waiting
        try:
            async with asyncio.timeout(ACKNOWLEDGEMENT_TIMEOUT_S):
                await self._client.publish(subject, payload, reply, dict(headers) if headers else None)
                await waiting.acknowledged
        except TimeoutError as exc:
            raise await self._explain_silence(exc) from exc
        except (OSError, nats.errors.Error) as exc:
            raise self._unavailable(exc) from exc
        finally:
            del self._waiting[reply]

    async def subscribe(self, subject: str, handler: Callable[[ReceivedMessage], None]) -> None:
        """Pass every message of a subject to a handler, which does not wait, for as long as the connection lasts."""

        async def handle(received: Msg) -> None:
            handler(ReceivedMessage(received.subject, received.data, received.reply))

        try:
            await self._client.subscribe(
                subject, cb=handle, pending_msgs_limit=MAX_PENDING_MESSAGES, pending_bytes_limit=MAX_PENDING_BYTES
            )
        except (OSError, nats.errors.Error) as exc:
            raise self._unavailable(exc) from exc

    async def send(self, subject: str, payload: bytes) -> None:
        """Send a message that no stream stores: whoever listens now gets it, and nobody says so."""
        try:
            await self._client.publish(subject, payload)
        except (OSError, nats.errors.Error) as exc:
            raise self._unavailable(exc) from exc

    async def read_last(self, stream: str, subject: str) -> Mapping[str, str] | None:
        """Return the headers of the last message that a stream has for a subject; None if it has none."""
        stored = await self.read_message(stream, subject)
        return None if stored is None else stored.headers

    async def read_message(self, stream: str, subject: str) -> StoredMessage | None:
        """Return the last message that a stream has for a subject; None if it has none. No consumer is made."""
        try:
            response = await self._client.request(read_subject(stream, subject), timeout=ACKNOWLEDGEMENT_TIMEOUT_S)
        except TimeoutError as exc:
            raise await self._explain_silence(exc) from exc
        except nats.errors.NoRespondersError as exc:
            raise self._stream_unavailable(exc) from exc
        except (OSError, nats.errors.Error) as exc:
            raise self._unavailable(exc) from exc
        headers = response.headers or {}
        if headers.get("Status") == _NOT_FOUND:
            return None
        revision = headers.get("Nats-Sequence", "")
        if not (revision.isascii() and revision.isdecimal()):
            status = f"{headers.get('Status', '')} {headers.get('Description', '')}".strip()
            raise self._stream_unavailable(nats.errors.Error(f"{stream} cannot be read: {status or 'no revision'}"))
        return StoredMessage(response.data, headers, int(revision))

    async def _note_acknowledgement(self, response: Msg) -> None:
        waiting = self._waiting.get(response.subject)
        if waiting is None:
            return
        if (response.headers or {}).get("Status") == _NO_RESPONDERS:
            waiting.fail(self._stream_unavailable(nats.js.errors.NoStreamResponseError()))
            return
        try:
            error = json_text.loads(response.data).get("error")
        except (ValueError, AttributeError) as exc:
            waiting.fail(self._unavailable(exc))
            return
        if error is None:
            waiting.succeed()
        elif error.get("err_code") == _MESSAGE_TOO_LARGE:
            waiting.fail(MessageRefused("too_large"))
        elif error.get("err_code") in _NO_ROOM:
            waiting.fail(NoRoom(message("the servers have no room for it: {reason}", reason=error.get("description"))))
        else:
            waiting.fail(self._stream_unavailable(nats.js.errors.APIError.from_error(error)))

    async def _note_error(self, error: Exception) -> None:
        """Note what a server reports. It does not respond to a message for a subject that the sender may not use."""
        self._last_error = str(error)
        _, is_denied, rest = self._last_error.lower().partition('permissions violation for publish to "')
        if is_denied:
            subject = rest.partition('"')[0]
            self._denied.add(subject)
            for waiting in self._waiting.values():
                if waiting.subject.lower() == subject:
                    waiting.fail(MessageRefused("subject_refused"))

    async def _note_closed(self) -> None:
        for waiting in self._waiting.values():
            waiting.fail(self._unavailable(nats.errors.ConnectionClosedError()))
        self._on_lost()

    async def _explain_silence(self, silence: TimeoutError) -> HeadOfficeUnavailable:
        """Return the failure of whoever is silent: the stream if the server answers, else the connection."""
        try:
            await self._client.flush(SERVER_TIMEOUT_S)
        except (OSError, nats.errors.Error, TimeoutError):
            return self._unavailable(silence)
        return self._stream_unavailable(silence)

    def _unavailable(self, error: BaseException) -> HeadOfficeUnavailable:
        return HeadOfficeUnavailable(self._describe(error))

    def _stream_unavailable(self, error: BaseException) -> StreamUnavailable:
        return StreamUnavailable(self._describe(error))

    def _describe(self, error: BaseException) -> Message:
        reason = describe_error(error)
        if self._last_error and self._last_error not in reason:
            reason = f"{reason}; {self._last_error}"
        if any(text in reason.lower() for text in _NOT_TAKEN):
            return message(
                "the head office no longer takes this gateway as shop {shop}: the shop was retired, another machine "
                "took its place, or its token is not good. To join again, with a new code: sunmi-gateway fleet join "
                "CODE; else: sunmi-gateway fleet leave",
                shop=self._shop,
            )
        return message(
            "nothing of shop {shop} gets to the head office, so it is tried again: {reason}",
            shop=self._shop,
            reason=reason,
        )


class _Waiting:
    """A message without an acknowledgement."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def succeed(self) -> None:
        if not self.acknowledged.done():
            self.acknowledged.set_result(None)

    def fail(self, failure: Exception) -> None:
        if not self.acknowledged.done():
            self.acknowledged.set_exception(failure)


def _end_if_cancelled() -> None:
    """End the task if it is to end: the client library ignores that in some places."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
