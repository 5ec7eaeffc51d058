"""The client library, as it is used here: nothing that another user of the servers sends ends a connection.

A stream's answer goes to whatever subject the sender of a message names, and has the headers that were stored. So
subject and headers of what arrives can be any bytes. The library stops reading at those that are no UTF-8, and takes
some that are no space for one. Nor does a server that dies or is silent keep a client waiting, or a file of it, or one
that reports an error of the protocol keep a client away.
This module needs the library alone.
"""

import asyncio
import contextlib
import logging
import re
import ssl
import time
from typing import Final
from urllib.parse import ParseResult

import nats.errors
import nats.protocol.parser
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

_log: Final = logging.getLogger(__name__)

CLOSE_TIMEOUT_S: Final = 1.0
"""How long a server is waited for at the end."""

_SUBJECT: Final = rb"[^ \t\r\n]+"
# Servers part a line at spaces and tabs alone; by default `\v` and `\f` part it, too, and the line makes no sense.
nats.protocol.parser.MSG_RE = re.compile(rb"\AMSG[ \t]+(%b)[ \t]+(\d+)[ \t]+((%b)[ \t]+)?(\d+)\r\n" % ((_SUBJECT,) * 2))
nats.protocol.parser.HMSG_RE = re.compile(
    rb"\AHMSG[ \t]+(%b)[ \t]+(\d+)[ \t]+((%b)[ \t]+)?(\d+)[ \t]+(\d+)\r\n" % ((_SUBJECT,) * 2)
)


class _TlsProtocol(asyncio.StreamReaderProtocol):
    """The protocol of a stream over TLS."""

    def eof_received(self) -> bool:
        """Take it as the end of the connection: TLS has no other, and asyncio logs a warning for what says so."""
        super().eof_received()
        return False


class _TlsTransport(TcpTransport):
    """A line to a server. If anything fails it is closed, so that nobody waits for it, and nothing is left behind."""

    def __bool__(self) -> bool:
        """Say that there is one: else the library makes its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Connect anew. The library forgets a line whose server took nobody: it is closed here."""
        if self._io_writer is not None:
            self._io_writer.close()
        await super().connect(uri, buffer_size, connect_timeout)

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Begin with TLS. The reader is a new one, so nothing that came before is read."""
        writer = self._bare_io_writer
        if writer is None:
            raise ConnectionResetError
        await writer.drain()  # raises if the line is lost: of such a one, `start_tls` hears nothing any more
        reader = asyncio.StreamReader(buffer_size)
        protocol = _TlsProtocol(reader)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(connect_timeout):
            transport = await loop.start_tls(
                writer.transport,
                protocol,
                ssl_context,
                server_hostname=uri if isinstance(uri, str) else uri.hostname,
                ssl_shutdown_timeout=CLOSE_TIMEOUT_S,  # by default, one that froze is waited for 30 s
            )
        if transport is None:  # it was lost at the same moment
            raise ConnectionResetError
        protocol.connection_made(transport)
        self._io_reader = reader
        self._io_writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    async def readline(self) -> bytes:
        """Return a line of the greeting; raise if there is none, which the library takes for one."""
        line = b"" if self._io_reader is None else await self._io_reader.readline()
        if not line:
            raise ConnectionResetError
        return line

    async def wait_closed(self) -> None:
        """Wait for the end of TLS. That of a line without is told to nobody once `start_tls` has begun.

        Whoever waits may be cancelled, as when a client is closed that connects anew: the next one still waits.
        """
        writer = self._io_writer
        if writer is not None and writer is not self._bare_io_writer:
            await asyncio.shield(_wait_for_end(writer))

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be sent."""
        reader, writer = self._io_reader, self._io_writer
        return reader is None or writer is None or reader.at_eof() or writer.is_closing()

    def abort(self) -> None:
        """Close the line at once, if it is not closed. What TLS is under way on it ends with it."""
        if self._bare_io_writer is not None:
            self._bare_io_writer.transport.abort()


async def _wait_for_end(writer: asyncio.StreamWriter) -> None:
    """Wait until a line is closed. How it ended, as with a server that answered nothing, matters to nobody."""
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class FleetClient(Client):
    """A connection to the servers of a chain. It begins with TLS: `connect` wants `tls` and `tls_handshake_first`."""

    def __init__(self) -> None:
        super().__init__()
        self._transport = self._line = _TlsTransport()  # type: ignore[no-untyped-call]  # the library says nothing

    async def close(self) -> None:
        """Close the connection. A server that does not read what is still to be sent gets no more."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await super().close()
        self._line.abort()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        """Close it. What waits for a line that is lost is dropped: to send it fails, and then nobody hears the end."""
        if not self.is_connected or self._line.is_lost:
            self._pending, self._pending_data_size = [], 0
        try:
            await super()._close(status, do_cbs)
        finally:  # whoever waits until much is sent: nobody else tells them any more
            while self._flush_queue is not None and not self._flush_queue.empty():
                waiting = self._flush_queue.get_nowait()
                if not waiting.done():
                    waiting.set_result(None)

    async def _process_err(self, err_msg: str) -> None:
        """Process an error that the server reports, given in lower case and in quotation marks.

        The library closes the connection for good. One that comes back after a loss comes back after an error, too,
        and not without a pause: the server may report the same each time.
        """
        if nats.protocol.parser.PERMISSIONS_ERR in err_msg or not self.options["allow_reconnect"]:
            await super()._process_err(err_msg)
            return
        text = err_msg.strip("'")
        _log.warning("the server has ended the connection, which begins anew: %s", text)
        if self._current_server is not None:
            self._current_server.last_attempt = time.monotonic()
        await self._process_op_err(nats.errors.Error(f"nats: {text}"))

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        """Read the headers of a message, whatever bytes they are. Of those with one name, the last one counts."""
        if not headers:
            return None
        first, *lines = headers.decode("utf-8", "replace").split("\r\n")
        status, _, description = first.partition(" ")[2].strip().partition(" ")
        found = {"Status": status} if status.isascii() and status.isdecimal() else {}
        if found and description:
            found["Description"] = description
        for line in lines:
            name, _, value = line.partition(":")
            if name:
                found[name] = value.strip()
        return found or None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        """Return a message. In its subjects, `\ufffd` stands for what is no UTF-8: no other message has those."""
        subject, reply = (text.decode("utf-8", "replace").encode() for text in (subject, reply))
        message: Msg = super()._build_message(sid, subject, reply, data, headers)
        return message
