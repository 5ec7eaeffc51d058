"""One kept-alive HTTPS connection to one camera address; the place where OS, TLS and HTTP errors become the gateway's.

The parts are an `asyncio.Protocol` and llhttp's response parser: towards 32 cameras this carries 1.5 times the requests
of a general HTTP client, and a camera needs nothing that such a client adds.
"""

import asyncio
import socket
import ssl
from typing import Final, NamedTuple, cast

import httptools

from gateway.discovery.camera_tls import fingerprint
from gateway.errors import CameraUnreachable, CameraUntrusted, PeerTimeout, Problem

MAX_ANSWER: Final = 1024 * 1024
"""How many bytes of an answer are read, head included."""
FORM: Final = "application/x-www-form-urlencoded"


class OutcomeUnknown(Problem):
    """The request went out and no usable answer came: whether the camera acted on it is not known.

    Every failure after the request was written is one of the three below; every other failure means that the camera
    never got the request.
    """


class Dropped(OutcomeUnknown, CameraUnreachable):
    """The connection ended before the whole answer had come."""


class Late(OutcomeUnknown, PeerTimeout):
    """The answer did not come within the time allowed."""


class Garbled(OutcomeUnknown, CameraUnreachable):
    """Something came that is not a camera's answer."""

    def __init__(self, detail: str, *, http_status: int | None = None) -> None:
        super().__init__(detail)
        self.http_status = http_status


class HttpAnswer(NamedTuple):
    """An HTTP answer of any status; `date` is its Date header, `keep_alive` whether the connection stays open."""

    status: int
    date: str | None
    body: bytes
    keep_alive: bool


class CameraConnection:
    """HTTPS to one address, one request at a time; connects when needed and stays connected while the camera lets it.

    The certificate must have the fingerprint `pin`; that is compared right after the handshake, before any byte of HTTP
    is written. Redirects are answers like any other: nothing is followed.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext, *, pin: str) -> None:
        self.address = f"{host}:{port}"
        self._host = host
        self._port = port
        self._context = context
        self.pin = pin
        self.handshakes = 0
        """How often it had to connect so far."""
        self._stream: _Stream | None = None
        self._heads: dict[tuple[str, str], bytes] = {}

    @property
    def connected(self) -> bool:
        """Whether a connection is open that the next call can use."""
        return self._stream is not None and not self._stream.closed

    @property
    def tls_version(self) -> str:
        """The version of TLS that is spoken, as `TLSv1.2`; empty while not connected."""
        return self._stream.tls_version if self._stream is not None else ""

    async def open(self, *, timeout_s: float) -> None:
        """Connect and compare the pin, unless connected already.

        Raises `CameraUntrusted` with the certificate that was shown, `CameraUnreachable` or `PeerTimeout`.
        """
        if self.connected:
            return
        stream = await _handshake(self._host, self._port, self._context, timeout_s)
        if stream.certificate_sha256 != self.pin:
            stream.abort()
            raise CameraUntrusted(
                f"the camera at {self.address} shows another certificate than the remembered one, so nothing was sent; "
                "compare it and trust it if it is right",
                certificate_sha256=stream.certificate_sha256,
            )
        self._stream = stream
        self.handshakes += 1

    async def post(
        self, path: str, body: bytes, *, timeout_s: float, content_type: str = FORM, repeatable: bool = True
    ) -> HttpAnswer:
        """Send one POST to `path` (with its leading slash) and return the answer, whatever its status.

        `timeout_s` covers connecting and answering together. A call that is not `repeatable` never rides on a
        connection used before, which the camera may be closing at this very moment. Raises `CameraUntrusted`,
        `CameraUnreachable` or `PeerTimeout` when nothing was sent, else an `OutcomeUnknown`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        if not repeatable and self._stream is not None and self._stream.used:
            self.close()
        await self.open(timeout_s=timeout_s)
        stream = cast(_Stream, self._stream)
        head = self._heads.get((path, content_type)) or self._head(path, content_type)
        answered = stream.send(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        limit = loop.call_at(deadline, stream.expire)
        try:
            answer = await answered
        except BaseException:  # also when the caller is cancelled: the answer still to come belongs to nobody
            self.close()
            raise
        finally:
            limit.cancel()
        if not stream.reusable:
            self.close()
        return answer

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._stream is not None:
            self._stream.abort()
            self._stream = None

    def _head(self, path: str, content_type: str) -> bytes:
        host = self._host if self._port == 443 else self.address
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: ".encode()
        self._heads[path, content_type] = head
        return head


async def shown_certificate(host: str, port: int, context: ssl.SSLContext, timeout_s: float) -> str:
    """Return the fingerprint of the certificate shown in a bare handshake; nothing is sent after it.

    Raises `CameraUnreachable` or `PeerTimeout`.
    """
    stream = await _handshake(host, port, context, timeout_s)
    stream.abort()
    return stream.certificate_sha256


async def _handshake(host: str, port: int, context: ssl.SSLContext, timeout_s: float) -> "_Stream":
    address = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            _, stream = await asyncio.get_running_loop().create_connection(
                lambda: _Stream(address), host, port, ssl=context
            )
    except TimeoutError as exc:
        raise PeerTimeout(f"{address} did not accept a TLS connection within {timeout_s:.3g} s") from exc
    except (OSError, UnicodeError, OverflowError) as exc:
        raise CameraUnreachable(_worded(address, exc)) from exc
    return stream


def _worded(address: str, exc: Exception) -> str:
    match exc:
        case ssl.SSLError(reason=reason) if reason and "CERTIFICATE_REQUIRED" in reason:
            return f"{address} insists on a client certificate: set cameras.client_certificate to the vendor's p12 file"
        case ConnectionResetError() | ConnectionAbortedError():
            return (
                f"{address} cut off the TLS handshake; it may want a client certificate: see cameras.client_certificate"
            )
        case ssl.SSLError(reason=reason) if reason and "HANDSHAKE_FAILURE" in reason:
            return (
                f"{address} refused the TLS handshake; it may want a client certificate: see cameras.client_certificate"
            )
        case ssl.SSLError(reason=reason):
            return f"{address} does not speak TLS as a camera does ({reason or 'cut off'})"
        case ConnectionRefusedError():
            return f"nothing listens at {address}: is it the camera's address, and is the camera switched on?"
        case socket.gaierror() | UnicodeError() | OverflowError():
            return f"{address} is no address that can be reached"
        case _:
            return f"{address} cannot be reached: {getattr(exc, 'strerror', None) or exc}"


class _Stream(asyncio.Protocol):
    """The bytes of one connection: a request goes out, the parser's callbacks put the answer together."""

    _transport: asyncio.Transport

    def __init__(self, address: str) -> None:
        self.certificate_sha256 = ""
        self.tls_version = ""
        self.closed = False
        self.reusable = True
        self.used = False
        self._address = address
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[HttpAnswer] | None = None
        self._received = 0
        self._clear()

    def _clear(self) -> None:
        self._date: bytes | None = None
        self._sized = False  # the head tells where the body ends; otherwise the end of the connection does
        self._in_body = False
        self._body: list[bytes] = []

    def send(self, request: bytes) -> asyncio.Future[HttpAnswer]:
        self.used = True
        self._received = 0
        self._clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answered

    def abort(self) -> None:
        self.closed = True
        self._transport.abort()

    def expire(self) -> None:
        self._fail(Late(f"the camera at {self._address} did not answer in time"))

    def _fail(self, problem: Problem) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(problem)
        self.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        self.certificate_sha256 = fingerprint(tls.getpeercert(binary_form=True))
        self.tls_version = tls.version()

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():  # nobody asked: whatever this is, it must answer no request
            self.abort()
            return
        self._received += len(data)
        if self._received > MAX_ANSWER:
            self._fail(Garbled(f"the camera at {self._address} answered more than {MAX_ANSWER} bytes without an end"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.reusable = False
            if not self._answered.done():
                garbled = Garbled(f"the camera at {self._address} answered something other than HTTP")
                garbled.__cause__ = exc
                self._fail(garbled)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._answered is None or self._answered.done():
            return
        if isinstance(exc, ssl.SSLError) and exc.reason and "CERTIFICATE_REQUIRED" in exc.reason:
            # With TLS 1.3 the camera says so only after the handshake, and before it reads the request.
            problem: Problem = CameraUnreachable(_worded(self._address, exc))
        elif self._in_body and not self._sized:
            self.on_message_complete()
            return
        else:
            where = "in the middle of its answer" if self._received else "after the request went out, without an answer"
            problem = Dropped(f"the camera at {self._address} dropped the connection {where}")
        problem.__cause__ = exc
        self._answered.set_exception(problem)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._answered is not None and self._answered.done():
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"date":
                self._date = value
            case b"content-length" | b"transfer-encoding":
                self._sized = True

    def on_headers_complete(self) -> None:
        self._in_body = True
        self.reusable = self.reusable and self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # 100 Continue and its like: the answer is still to come
            self._clear()
            return
        if self._answered is not None and not self._answered.done():
            date = self._date.decode("latin-1") if self._date is not None else None
            self._answered.set_result(HttpAnswer(status, date, b"".join(self._body), self.reusable))
