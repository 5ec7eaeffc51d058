"""The HTTPS server beneath simulated cameras and the simulated cloud: reads calls, answers, misbehaves when told to."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.protocol import json_text
from gateway.protocol.parameters import FilePart
from gateway.simulator.faults import FaultInjection, InjectedFault
from gateway.simulator.ports import find_free_port

_MOST_BYTES: Final = 4 * 1024 * 1024
_SHUTDOWN_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One call as it arrived: its path below /openapi/, its parameters, its files, and the size of its body."""

    path: str
    fields: Mapping[str, str]
    files: Mapping[str, FilePart] = field(default_factory=dict)
    multipart: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class ServedResponse:
    """What is answered: a vendor answer, or nothing but the HTTP status when there is no document."""

    document: Mapping[str, Any] | None
    status: int = 200


class _ConnectionAborted(Exception):
    """The connection is gone; there is nobody to answer."""


class _Context(ssl.SSLContext):
    """Hands each new connection to the context that holds at that moment."""

    choose: Callable[[], ssl.SSLContext]
    handshakes = 0

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Wrap a connection; asyncio calls this for each one."""
        self.handshakes += 1
        return self.choose().wrap_bio(*args, **kwargs)


class HttpsServer:
    """Serves `POST /openapi/…` over HTTPS with what `service` answers; `faults` says what goes wrong.

    `clock` tells the true time in Unix seconds. `port` 0 takes a free one, and keeps it when started again.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        context: Callable[[], ssl.SSLContext],
        service: Callable[[ReceivedRequest], ServedResponse],
        faults: FaultInjection,
        clock: Callable[[], float],
    ) -> None:
        self.host = host
        self.port = port
        self.faults = faults
        self.request_paths: list[str] = []
        """The path of every call whose head arrived, also of those that a fault swallowed."""
        self._clock = clock
        self._service = service
        self._current = context
        self._context = _Context(ssl.PROTOCOL_TLS_SERVER)
        self._context.choose = context
        self._runner: web.AppRunner | None = None

    @property
    def serving(self) -> bool:
        """Whether the service is up."""
        return self._runner is not None

    @property
    def handshakes(self) -> int:
        """How many TLS connections were begun so far."""
        return self._context.handshakes

    def now(self) -> float:
        """Return what the server believes the time is, in Unix seconds."""
        return self._clock() + self.faults.clock_offset_s

    async def start(self) -> None:
        """Begin to serve. Raises OSError when the address cannot be had, `StateError` if any port of it would do."""
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._set_date)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            # One that the system gives away by itself could belong to somebody else at the next start.
            self.port = self.port or find_free_port([self.host])
            site = web.TCPSite(runner, self.host, self.port, ssl_context=self._context)
            await site.start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop serving and drop every connection; an answer that is being written is finished first."""
        if self._runner is not None:
            await self._runner.cleanup()  # may be cut short and done again, so the runner is kept until it is through
            self._runner = None

    async def _set_date(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        del response.headers["Date"]
        if self.faults.send_date:
            response.headers["Date"] = formatdate(self.now(), usegmt=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            response = await self._respond(request)
        except _ConnectionAborted:
            return web.Response(status=500)  # goes nowhere: aiohttp wants one, the connection is closed
        if self.faults.close_after_answer:
            response.force_close()
        return response

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        if tls is None or tls.context is not self._current():
            _cut(request)
        path = request.path.removeprefix("/openapi/")
        if path == request.path:
            return web.Response(status=404, text="404 Not Found")
        self.request_paths.append(path)
        fault = self.faults.take(path)
        if fault is not None and fault.kind == "drop":
            _cut(request)
        if request.method != "POST":
            return web.Response(status=405, text="405 Method Not Allowed", headers={"Allow": "POST"})
        received = await _read(request, path)
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s)
        if fault is not None:
            misbehaviour = await self._misbehave(request, fault)
            if misbehaviour is not None:
                return misbehaviour
        reply = self._service(received)
        if fault is not None and fault.kind == "reset_after":
            _reset(request)
        return _response(reply)

    async def _misbehave(self, request: web.Request, fault: InjectedFault) -> web.StreamResponse | None:
        match fault.kind:
            case "slow":
                await asyncio.sleep(fault.seconds)
            case "silent":
                await asyncio.get_running_loop().create_future()
            case "reset_before":
                _reset(request)
            case "refuse":
                return _response(ServedResponse({"code": fault.code, "msg": "refused"}))
            case "status":
                document = {"code": fault.code, "msg": "refused"} if fault.code else None
                response = _response(ServedResponse(document, fault.status))
                if fault.retry_after_s is not None:
                    response.headers["Retry-After"] = str(fault.retry_after_s)
                return response
            case "garbage":
                return web.Response(body=b"\x00\xff\xfe{{{]", content_type="application/json")
            case "html":
                return web.Response(
                    text="<html><body>Welcome to the guest network</body></html>", content_type="text/html"
                )
            case "empty":
                return web.Response(body=b"")
            case "endless":
                return await _endless(request)
        return None


async def _read(request: web.Request, path: str) -> ReceivedRequest:
    if request.content_type != "multipart/form-data":
        raw = await request.read()
        form = request.content_type == "application/x-www-form-urlencoded"
        pairs = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True, errors="replace") if form else []
        return ReceivedRequest(path, dict(pairs), size=len(raw))
    fields: dict[str, str] = {}
    files: dict[str, FilePart] = {}
    with contextlib.suppress(ValueError):  # a body that is no multipart: what was understood of it is judged
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files[name] = FilePart(value.filename, value.content_type, value.file.read())
            else:
                fields[name] = str(value)
    return ReceivedRequest(path, fields, files, multipart=True, size=request.content_length or 0)


def _response(reply: ServedResponse) -> web.Response:
    if reply.document is None:
        return web.Response(status=reply.status, text=str(reply.status))
    body = json_text.dumps(reply.document).encode()
    return web.Response(status=reply.status, body=body, content_type="application/json", charset="utf-8")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await response.write(b'{"code":0,"data":{"x":"')
        while True:
            await response.write(b"x" * 65536)
            await asyncio.sleep(0)  # a write to a peer that has gone waits for nothing: its end would never be seen
    return response


def _reset(request: web.Request) -> NoReturn:
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        # Closing with a linger time of zero sends RST instead of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _cut(request)


def _cut(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.abort()
    raise _ConnectionAborted
