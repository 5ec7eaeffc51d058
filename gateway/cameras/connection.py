"""One kept-alive HTTPS connection to one camera address. Errors of the OS, TLS and HTTP become the gateway's here.

It is an `asyncio.Protocol` with llhttp's response parser and not aiohttp's client, for three reasons. aiohttp's client
cannot connect without sending a request, but the pin has to be compared at one address after the other before it is
decided where the request goes. It keeps bytes that arrive on an idle connection and returns them as the response to
the next request. And it needs 100 microseconds of CPU more for each call: the proxy benchmark fell from 0.96 of the
pass-through's rate to 0.71.
"""

import asyncio
import socket
import ssl
from typing import Final, NamedTuple, cast

import httptools

from firmware_tools.language import message
from gateway.discovery.camera_tls import CameraTlsContext, fingerprint
from gateway.discovery.device_binding import bind_to_interface, must_bind
from gateway.errors import CameraResponseMalformed, CameraUnreachable, CameraUntrusted, PeerTimeout, Problem

MAX_RESPONSE_BYTES: Final = 1024 * 1024
"""The largest response that is read, its head included."""
MAX_RECORDED_BYTES: Final = 16 * 1024
"""How many bytes of a response are kept as they were received, for a capture."""


class CallOutcomeUnknown(Problem):
    """The request went out and no usable response came: whether the camera acted on it is not known.

    Each failure after the request was written is one of the three below. Any other failure means that the camera never
    got the request.
    """

    def __init__(self, detail: str, *, received: bytes = b"") -> None:
        super().__init__(detail)
        self.received = received
        """The first bytes of the response as they were received, head included. Empty if none came."""


class CameraConnectionLost(CallOutcomeUnknown, CameraUnreachable):
    """The connection ended before the whole response had come."""


class CameraResponseTimeout(CallOutcomeUnknown, PeerTimeout):
    """The response did not come within the time allowed."""


class MalformedCameraResponse(CallOutcomeUnknown, CameraResponseMalformed):
    """Something came that is not a camera's response. `http_status` is its HTTP status, where it had one."""

    def __init__(self, detail: str, *, received: bytes = b"", http_status: int | None = None) -> None:
        super().__init__(detail, received=received)
        self.http_status = http_status


class HttpResponse(NamedTuple):
    """An HTTP response of any status."""

    status: int
    """The HTTP status."""
    date: str | None
    """The `Date` header."""
    body: bytes
    """The whole body."""
    received: bytes
    """The first bytes as they were received, head included."""
    keep_alive: bool
    """Whether the camera keeps the connection open."""
    reused_connection: bool
    """Whether the connection had served an earlier call."""
    tls_version: str
    """The TLS version of the connection, such as `TLSv1.2`."""


class CameraConnection:
    """HTTPS to one address, one request at a time. It connects when needed and stays connected if the camera lets it.

    The camera's certificate must have the fingerprint `pin`. That is compared right after the handshake, before any
    byte of HTTP is written. A redirect is a response like any other: it is not followed.
    """

    def __init__(self, host: str, port: int, context: CameraTlsContext, *, pin: str, interface: str = "") -> None:
        """Take the name of the interface where the camera is, if that is known."""
        self.address = f"{host}:{port}"
        self.pin = pin
        self._host = host
        self._port = port
        self._context = context
        self._interface = interface
        self._stream: _ResponseStream | None = None

    @property
    def is_open(self) -> bool:
        """Whether a connection is open that the next call can use."""
        return self._stream is not None and not self._stream.closed

    async def open(self, *, timeout_s: float) -> None:
        """Connect and compare the pin, unless connected already.

        Raises `CameraUntrusted` with the certificate that was shown, `CameraUnreachable` or `PeerTimeout`.
        """
        if self.is_open:
            return
        stream = await _connect(self._host, self._port, self._context, timeout_s, self._interface)
        if stream.certificate_sha256 != self.pin:
            stream.abort()
            raise CameraUntrusted(
                message(
                    "the camera at {address} shows another certificate than the remembered one, so nothing "
                    "was sent; compare it and trust it if it is right",
                    address=self.address,
                ),
                certificate_sha256=stream.certificate_sha256,
            )
        self._stream = stream

    async def post(self, path: str, body: bytes, *, timeout_s: float, repeatable: bool = True) -> HttpResponse:
        """Post a form to `path` (with its leading slash) and return the response, whatever its status.

        `timeout_s` covers connecting and the response together. A call that is not `repeatable` never goes over a
        connection used before, which the camera may be closing at this very moment. Raises `CameraUntrusted`,
        `CameraUnreachable` or `PeerTimeout` when nothing was sent, otherwise `CallOutcomeUnknown`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        if not repeatable and self._stream is not None and self._stream.used:
            self.close()
        await self.open(timeout_s=timeout_s)
        stream = cast(_ResponseStream, self._stream)
        response = stream.send(self._encode_request(path, body))
        timer = loop.call_at(deadline, stream.time_out)
        try:
            return await response
        except BaseException:  # also when the caller is cancelled: nobody takes the response that is still to come
            self.close()
            raise
        finally:
            timer.cancel()
            if not stream.reusable:
                self.close()

    def close(self) -> None:
        """Drop the connection. The next call opens another."""
        if self._stream is not None:
            self._stream.abort()
            self._stream = None

    def _encode_request(self, path: str, body: bytes) -> bytes:
        host = self._host if self._port == 443 else self.address
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


async def fetch_certificate_sha256(
    host: str, port: int, context: CameraTlsContext, timeout_s: float, *, interface: str = ""
) -> str:
    """Return the fingerprint of the certificate that is shown in a bare handshake. Nothing is sent after it.

    Raises `CameraUnreachable` or `PeerTimeout`.
    """
    stream = await _connect(host, port, context, timeout_s, interface)
    stream.abort()
    return stream.certificate_sha256


async def _connect(
    host: str, port: int, context: CameraTlsContext, timeout_s: float, interface: str
) -> "_ResponseStream":
    address = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout_s):
            try:
                return await _shake_hands(host, port, context, interface)
            except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError):
                return await _shake_hands(host, port, context.all_curves, interface)
    except TimeoutError as exc:
        raise PeerTimeout(
            message(
                "{address} did not accept a TLS connection within {timeout_s:.3g} s",
                address=address,
                timeout_s=timeout_s,
            )
        ) from exc
    except (OSError, UnicodeError, OverflowError) as exc:
        raise CameraUnreachable(_describe_failure(address, exc)) from exc


async def _shake_hands(host: str, port: int, context: ssl.SSLContext, interface: str) -> "_ResponseStream":
    loop = asyncio.get_running_loop()
    if not must_bind(interface, host):
        _, stream = await loop.create_connection(lambda: _ResponseStream(f"{host}:{port}"), host, port, ssl=context)
        return stream
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        bind_to_interface(opened, interface)
        await loop.sock_connect(opened, (host, port))
        _, stream = await loop.create_connection(
            lambda: _ResponseStream(f"{host}:{port}"), sock=opened, ssl=context, server_hostname=host
        )
    except BaseException:
        opened.close()
        raise
    return stream


def _describe_failure(address: str, exc: Exception) -> str:
    match exc:
        case ssl.SSLError(reason=reason) if reason and "CERTIFICATE_REQUIRED" in reason:
            return message(
                "{address} insists on a client certificate: set cameras.client_certificate to the vendor's p12 file",
                address=address,
            )
        case ConnectionResetError() | ConnectionAbortedError():
            return message(
                "{address} cut off the TLS handshake; it may want a client certificate: see cameras.client_certificate",
                address=address,
            )
        case ssl.SSLError(reason=reason) if reason and "HANDSHAKE_FAILURE" in reason:
            return message(
                "{address} refused the TLS handshake; it may want a client certificate: see cameras.client_certificate",
                address=address,
            )
        case ssl.SSLError(reason=reason):
            return message(
                "{address} does not speak TLS as a camera does ({reason})", address=address, reason=reason or "cut off"
            )
        case ConnectionRefusedError():
            return message(
                "nothing listens at {address}: is it the camera's address, and is the camera switched on?",
                address=address,
            )
        case socket.gaierror() | UnicodeError() | OverflowError():
            return message("{address} is no address that can be reached", address=address)
        case _:
            return message("{address} cannot be reached: {reason}", address=address, reason=exc)


class _ResponseStream(asyncio.Protocol):
    """The bytes of one connection. A request goes out, and the parser's callbacks collect the response."""

    _transport: asyncio.Transport

    def __init__(self, address: str) -> None:
        self.certificate_sha256 = ""
        self.closed = False
        self.used = False
        """Whether a request was sent."""
        self.reusable = True
        """Whether another request may be sent after the present response."""
        self._address = address
        self._tls_version = ""
        self._reused = False
        self._response: asyncio.Future[HttpResponse] | None = None
        self._received = 0
        self._record: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        # Small devices end lines with a bare LF, fold headers, and put blanks where HTTP has none. Being lenient costs
        # nothing here: no other party parses the same bytes.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
            lenient_chunked_length=True,
        )
        self._clear()

    def _clear(self) -> None:
        self._date: bytes | None = None
        self._has_length = False  # otherwise the body ends with the connection
        self._in_body = False
        self._body: list[bytes] = []

    def send(self, request: bytes) -> asyncio.Future[HttpResponse]:
        self._reused, self.used = self.used, True
        self._received = 0
        self._record.clear()
        self._clear()
        self._response = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._response

    def abort(self) -> None:
        self.closed = True
        self._transport.abort()

    def time_out(self) -> None:
        detail = message("the camera at {address} did not answer in time", address=self._address)
        self._fail(CameraResponseTimeout(detail, received=self._get_recorded_bytes()))

    def _get_recorded_bytes(self) -> bytes:
        return b"".join(self._record)[:MAX_RECORDED_BYTES]

    def _fail(self, problem: Problem, cause: Exception | None = None) -> None:
        problem.__cause__ = cause
        if self._response is not None and not self._response.done():
            self._response.set_exception(problem)
        self.abort()

    # Called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        self.certificate_sha256 = fingerprint(tls.getpeercert(binary_form=True))
        self._tls_version = tls.version()

    def data_received(self, data: bytes) -> None:
        if self._response is None or self._response.done():  # unsolicited: it must not answer the next request
            self.abort()
            return
        if self._received < MAX_RECORDED_BYTES:
            self._record.append(data)
        self._received += len(data)
        if self._received > MAX_RESPONSE_BYTES:
            too_large = message(
                "the camera at {address} answered more than {max_bytes} bytes without an end",
                address=self._address,
                max_bytes=MAX_RESPONSE_BYTES,
            )
            self._fail(MalformedCameraResponse(too_large, received=self._get_recorded_bytes()))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.reusable = False
            no_http = message("the camera at {address} answered something other than HTTP", address=self._address)
            self._fail(MalformedCameraResponse(no_http, received=self._get_recorded_bytes()), exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._response is None or self._response.done():
            return
        if isinstance(exc, ssl.SSLError) and exc.reason and "CERTIFICATE_REQUIRED" in exc.reason:
            # With TLS 1.3 the camera says so only after the handshake, and before it reads the request.
            self._fail(CameraUnreachable(_describe_failure(self._address, exc)), exc)
        elif self._in_body and not self._has_length:
            self.on_message_complete()
        else:
            where = message("after the request went out, without an answer")
            if self._received:
                where = message("in the middle of its answer")
            detail = message(
                "the camera at {address} dropped the connection {where}", address=self._address, where=where
            )
            self._fail(CameraConnectionLost(detail, received=self._get_recorded_bytes()), exc)

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._response is not None and self._response.done():  # more than one response to a request
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.strip().lower():
            case b"date":
                self._date = value
            case b"content-length" | b"transfer-encoding":
                self._has_length = True

    def on_headers_complete(self) -> None:
        self._in_body = True
        self.reusable = self.reusable and self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # such as 100 Continue: the response is still to come
            self._clear()
            return
        if self._response is not None and not self._response.done():
            date = self._date.decode("latin-1") if self._date is not None else None
            body = b"".join(self._body)
            self._response.set_result(
                HttpResponse(
                    status, date, body, self._get_recorded_bytes(), self.reusable, self._reused, self._tls_version
                )
            )
