"""The HTTPS server of simulated cameras and of the simulated cloud. It injects the faults that it is given."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.protocol import json_text
from gateway.protocol.parameters import FilePart
from gateway.simulator.faults import FaultInjection, InjectedFault
from gateway.simulator.malformed_json import print_malformed
from gateway.simulator.ports import find_free_port

MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
_SHUTDOWN_TIMEOUT_S: Final = 0.1
_ENDLESS_CHUNK: Final = b"x" * 65536


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One call as it was received."""

    path: str
    """The path below /openapi/."""
    fields: Mapping[str, str]
    """The parameters."""
    files: Mapping[str, FilePart] = field(default_factory=dict)
    """The files, by parameter."""
    multipart: bool = False
    """Whether it came as multipart/form-data."""
    size: int = 0
    """The size of the body in bytes."""


@dataclass(frozen=True, slots=True)
class ServedResponse:
    """What is sent back."""

    document: Mapping[str, Any] | None
    """The vendor's JSON document; None for the HTTP status alone."""
    status: int = 200
    """The HTTP status."""
    raw: bytes = b""
    """What is sent instead of all that: bytes as they go over the connection."""
    keep_alive: bool = True
    """Whether the connection is kept after `raw`."""


class _RawResponse(web.StreamResponse):
    """Bytes that are sent as they are, whether they are HTTP or not."""

    def __init__(self, raw: bytes, *, keep_alive: bool) -> None:
        super().__init__()
        self._raw = raw
        self._keeps_alive = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether aiohttp keeps the connection."""
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send the bytes."""
        if request.transport is not None:
            request.transport.write(self._raw)

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all is sent."""


class _ConnectionAborted(Exception):
    """The connection was closed: no response can be sent."""


class _SelectingContext(ssl.SSLContext):
    """Hands each new connection to the context that is to be used at that moment."""

    select: Callable[[], ssl.SSLContext]
    handshakes = 0

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Wrap a connection; asyncio calls this for each one."""
        self.handshakes += 1
        return self.select().wrap_bio(*args, **kwargs)


class HttpsServer:
    """Serves `POST /openapi/…` over HTTPS; `handler` makes the responses.

    `serve_get` responds to GET requests, where there is something to get.
    `select_context` returns the TLS context for a new connection, and `clock` the true time in Unix seconds. `port` 0
    takes a free one, and keeps it when the server is started again.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        select_context: Callable[[], ssl.SSLContext],
        handler: Callable[[ReceivedRequest], ServedResponse],
        faults: FaultInjection,
        clock: Callable[[], float],
        serve_get: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.faults = faults
        self.request_paths: list[str] = []
        """The path of every request, also of those that a fault swallowed."""
        self._clock = clock
        self._handler = handler
        self._serve_get = serve_get
        self._select_context = select_context
        self._context = _SelectingContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.select = select_context
        self._runner: web.AppRunner | None = None

    @property
    def serving(self) -> bool:
        """Whether the server is up."""
        return self._runner is not None

    @property
    def handshakes(self) -> int:
        """How many TLS connections were begun so far."""
        return self._context.handshakes

    def now(self) -> float:
        """Return the time by the server's clock, in Unix seconds."""
        return self._clock() + self.faults.clock_offset_s

    async def start(self) -> None:
        """Begin to serve. Raises OSError if the port is taken, `StateError` if no port of the address is free."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._set_date)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        try:
            # A port that the system gives away by itself could belong to somebody else at the next start.
            self.port = self.port or find_free_port([self.host])
            site = web.TCPSite(runner, self.host, self.port, ssl_context=self._context)
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop serving and close every connection. A response that is being written is finished first."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None  # only now: a cleanup that was cancelled is repeated by the next call

    async def _set_date(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        del response.headers["Date"]
        if self.faults.send_date:
            response.headers["Date"] = formatdate(self.now() + self.faults.date_offset_s, usegmt=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            response = await self._respond(request)
        except _ConnectionAborted:
            return web.Response(status=500)  # aiohttp wants one, though nobody receives it
        if self.faults.close_after_answer:
            response.force_close()
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        if tls is None or tls.context is not self._select_context():
            _abort_connection(request)
        if request.method == "GET" and self._serve_get is not None:
            return await self._serve_get(request)
        path = request.path.removeprefix("/openapi/")
        if path == request.path:
            return web.Response(status=404, text="404 Not Found")
        self.request_paths.append(path)
        fault = self.faults.take(path)
        if fault is not None and fault.kind == "drop":
            _abort_connection(request)
        if request.method != "POST":
            return web.Response(status=405, text="405 Method Not Allowed", headers={"Allow": "POST"})
        received = await _read(request, path)
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s)
        if fault is not None:
            faulty_response = await _inject(fault, request)
            if faulty_response is not None:
                return faulty_response
        response = self._handler(received)
        if fault is not None and fault.kind == "reset_after":
            _reset_connection(request)
        return _encode(response, fault.flaw if fault is not None else "")


async def _read(request: web.Request, path: str) -> ReceivedRequest:
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        form = request.content_type == "application/x-www-form-urlencoded"
        pairs = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True, errors="replace") if form else []
        return ReceivedRequest(path, dict(pairs), size=len(raw))
    fields: dict[str, str] = {}
    files: dict[str, FilePart] = {}
    with contextlib.suppress(ValueError):  # a malformed body: what could be read of it is checked as any other call
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = FilePart(value.filename, value.content_type, value.file.read())
            else:
                fields[name] = str(value)
    return ReceivedRequest(path, fields, files, multipart=True, size=request.content_length or 0)


def _encode(response: ServedResponse, flaw: str = "") -> web.StreamResponse:
    if response.raw:
        return _RawResponse(response.raw, keep_alive=response.keep_alive)
    if response.document is None:
        return web.Response(status=response.status, text=str(response.status))
    body = print_malformed(response.document, flaw) if flaw else json_text.dumps(response.document).encode()
    return web.Response(status=response.status, body=body, content_type="application/json", charset="utf-8")


async def _inject(fault: InjectedFault, request: web.Request) -> web.StreamResponse | None:
    """Let a fault happen. Return the response in which it consists, or None to handle the call as usual."""
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "silent":
            await asyncio.get_running_loop().create_future()
        case "reset_before":
            _reset_connection(request)
        case "refuse":
            return _encode(ServedResponse({"code": fault.code, "msg": "refused"}))
        case "status":
            document = {"code": fault.code, "msg": "refused"} if fault.code else None
            response = _encode(ServedResponse(document, fault.status))
            if fault.retry_after_s is not None:
                response.headers["Retry-After"] = str(fault.retry_after_s)
            return response
        case "garbage":
            return web.Response(body=b"\x00\xff\xfe{{{]", content_type="application/json")
        case "html":
            return web.Response(text="<html><body>Welcome to the guest network</body></html>", content_type="text/html")
        case "empty":
            return web.Response(body=b"")
        case "endless":
            return await _send_endless_body(request)
    return None


async def _send_endless_body(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await response.write(b'{"code":0,"data":{"x":"')
        while True:
            await response.write(_ENDLESS_CHUNK)
            await asyncio.sleep(0)  # a write to a closed connection does not wait: its end would never be noticed
    return response


def _reset_connection(request: web.Request) -> NoReturn:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        # Closing with a linger time of zero sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _abort_connection(request)


def _abort_connection(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.abort()
    raise _ConnectionAborted
