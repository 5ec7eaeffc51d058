"""The camera connection against a real TLS server that behaves, and against many that do not."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.cameras.connection import (
    MAX_RESPONSE_BYTES,
    CallOutcomeUnknown,
    CameraConnection,
    CameraConnectionLost,
    CameraResponseTimeout,
    MalformedCameraResponse,
    fetch_certificate_sha256,
)
from gateway.discovery.camera_tls import camera_tls_context
from gateway.errors import CameraUnreachable, CameraUntrusted, PeerTimeout

Serve = Any  # the fixtures of conftest.py, which cannot be imported
CONTEXT = camera_tls_context(None, "")
PATH = "/openapi/config/getName"


@pytest.fixture
def connect(identity: Any) -> Callable[[Any], CameraConnection]:
    return lambda camera: CameraConnection(camera.host, camera.port, CONTEXT, pin=identity.sha256)


async def test_a_call_and_its_answer(serve: Serve, connect: Any, answer: Any) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(answer(b'{"code":0}', "Date: Tue, 15 Nov 1994 08:12:31 GMT"))

    async with serve(script) as camera:
        connection = connect(camera)
        got = await connection.post(PATH, b"ssid=a%20b", timeout_s=60)
        connection.close()
    assert (got.status, got.date, got.body) == (200, "Tue, 15 Nov 1994 08:12:31 GMT", b'{"code":0}')
    head, _, body = camera.requests[0].partition(b"\r\n\r\n")
    assert body == b"ssid=a%20b"
    assert head.split(b"\r\n") == [
        b"POST /openapi/config/getName HTTP/1.1",
        b"Host: 127.0.0.1:%d" % camera.port,
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: 10",
    ]


async def test_one_connection_serves_many_calls(serve: Serve, connect: Any, answer: Any) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.say(answer((await visit.request()).rpartition(b"\r\n")[2]))

    async with serve(script) as camera:
        connection = connect(camera)
        answers = [(await connection.post(PATH, b"%d" % n, timeout_s=60)).body for n in range(20)]
        connection.close()
    assert answers == [b"%d" % n for n in range(20)]
    assert camera.connections == 1


async def test_a_call_that_must_not_be_repeated_gets_a_connection_of_its_own(
    serve: Serve, connect: Any, answer: Any
) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.say(answer(b"{}"))

    async with serve(script) as camera:
        connection = connect(camera)
        await connection.post(PATH, b"", timeout_s=60)
        await connection.post(PATH, b"", timeout_s=60, repeatable=False)
        connection.close()
    assert camera.connections == 2


@pytest.mark.parametrize("header", ["Connection: close", "connection: Close"])
async def test_a_camera_that_closes_after_every_answer(serve: Serve, connect: Any, answer: Any, header: str) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(answer(b"{}", header))

    async with serve(script) as camera:
        connection = connect(camera)
        for _ in range(3):
            assert (await connection.post(PATH, b"", timeout_s=60)).body == b"{}"
        connection.close()
    assert camera.connections == 3


async def test_a_camera_that_closes_without_saying_so_is_called_anew(
    serve: Serve, connect: Any, answer: Any, until: Any
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(answer(b"{}"))

    async with serve(script) as camera:
        connection = connect(camera)
        await connection.post(PATH, b"", timeout_s=60)
        await until(lambda: not connection.is_open)
        assert (await connection.post(PATH, b"", timeout_s=60)).body == b"{}"
        connection.close()
    assert camera.connections == 2


KEPT_OPEN = {
    "chunked": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cod\r\n5\r\ne":0}\r\n0\r\n\r\n',
    "after 100 Continue": b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}',
    "bare line feeds": b'HTTP/1.1 200 OK\nContent-Length: 10\n\n{"code":0}',
    "mixed line ends": b'HTTP/1.1 200 OK\r\nServer: x\nContent-Length: 10\n\r\n{"code":0}',
    "a blank before the colon": b'HTTP/1.1 200 OK\r\nContent-Length : 10\r\n\r\n{"code":0}',
    "a folded header": b'HTTP/1.1 200 OK\r\nServer: a\r\n  b\r\nContent-Length: 10\r\n\r\n{"code":0}',
    "control bytes in a header": b'HTTP/1.1 200 OK\r\nServer: \x01\x7f\r\nContent-Length: 10\r\n\r\n{"code":0}',
    "chunks and a length": (
        b'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{"code":0}\r\n0\r\n\r\n'
    ),
    "padded chunk sizes": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na \r\n{"code":0}\r\n0  \r\n\r\n',
}
CLOSED = {
    "until the connection ends": b'HTTP/1.1 200 OK\r\n\r\n{"code":0}',
    "HTTP/1.0": b'HTTP/1.0 200 OK\r\nServer: GoAhead\r\n\r\n{"code":0}',
    "more than its length": b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}HTTP/1.1 200 OK\r\n\r\n',
    "more after close": b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{"code":0}garbage',
}
WHOLE = KEPT_OPEN | CLOSED


@pytest.mark.parametrize("split", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", WHOLE)
async def test_bodies_of_every_framing(serve: Serve, connect: Any, name: str, split: bool) -> None:
    text = WHOLE[name]

    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            for part in [text[n : n + 1] for n in range(len(text))] if split else [text]:
                await visit.say(part)
            if name in CLOSED:
                return

    async with serve(script) as camera:
        connection = connect(camera)
        first = await connection.post(PATH, b"", timeout_s=60)
        if split:  # what follows the answer may come after it has been taken
            connection.close()
        second = await connection.post(PATH, b"", timeout_s=60)  # never fed with what was left of the first
        connection.close()
    assert first.body == second.body == b'{"code":0}'
    assert first.status == second.status == 200
    assert second.reused_connection == (name in KEPT_OPEN and not split)


async def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve, connect: Any) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(
            b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % camera.port
        )
        await visit.request()

    async with serve(script) as camera:
        connection = connect(camera)
        assert (await connection.post(PATH, b"", timeout_s=60)).status == 302
        connection.close()
    assert len(camera.requests) == 1


GARBLED = {
    "no HTTP": b"hello\r\n\r\n",
    "nonsense status": b"HTTP/1.1 abc\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a body without end": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_RESPONSE_BYTES + 1),
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (MAX_RESPONSE_BYTES // 6 + 1),
}


@pytest.mark.parametrize("text", GARBLED.values(), ids=GARBLED)
async def test_garbage_is_named(serve: Serve, connect: Any, text: bytes) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(text)
        await visit.request()  # stays connected

    async with serve(script) as camera:
        with pytest.raises(MalformedCameraResponse, match=rf"the camera at 127\.0\.0\.1:{camera.port} answered"):
            await connect(camera).post(PATH, b"", timeout_s=60)


DROPPED = {
    "nothing": (b"", "without an answer"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", "in the middle"),
    "half a body": (b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"co', "in the middle"),
    "half a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "in the middle"),
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(("text", "reason"), DROPPED.values(), ids=DROPPED)
async def test_a_dropped_connection_leaves_the_outcome_unknown(
    serve: Serve, connect: Any, text: bytes, reason: str, reset: bool
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(text)
        if reset:
            visit.reset()

    async with serve(script) as camera:
        with pytest.raises(CameraConnectionLost, match=reason if not reset else "dropped") as caught:
            await connect(camera).post(PATH, b"", timeout_s=60)
    assert isinstance(caught.value, CameraUnreachable)
    assert isinstance(caught.value, CallOutcomeUnknown)
    assert len(camera.requests) == 1


@pytest.mark.parametrize("drip", [False, True], ids=["silence", "a drip"])
async def test_the_time_limit_holds_for_the_whole_answer(serve: Serve, connect: Any, drip: bool) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n" if drip else b"")
        while True:
            await asyncio.sleep(0.02)
            await visit.say(b"x" if drip else b"")

    async with serve(script) as camera:
        started = time.monotonic()
        with pytest.raises(CameraResponseTimeout) as caught:
            await connect(camera).post(PATH, b"", timeout_s=0.3)
    assert time.monotonic() - started > 0.25
    assert caught.value.status == 504
    assert isinstance(caught.value, PeerTimeout)


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_another(
    serve: Serve, connect: Any, answer: Any
) -> None:
    late = asyncio.Event()

    async def script(visit: Any) -> None:
        body = (await visit.request()).rpartition(b"\r\n")[2]
        if body == b"first":
            late.set()
            await visit.reader.read(1)  # until the client is gone
        await visit.say(answer(body))

    async with serve(script) as camera:
        connection = connect(camera)
        task = asyncio.create_task(connection.post(PATH, b"first", timeout_s=60))
        await late.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await connection.post(PATH, b"second", timeout_s=60)).body == b"second"
        connection.close()


async def test_bytes_that_nobody_asked_for_end_the_connection(
    serve: Serve, connect: Any, answer: Any, until: Any
) -> None:
    async def script(visit: Any) -> None:
        if camera.connections == 1:
            await visit.request()
            await visit.say(answer(b"wanted"))
            await asyncio.sleep(0.02)
            await visit.say(answer(b"unwanted"))
        await visit.request()
        await visit.say(answer(b"second"))

    async with serve(script) as camera:
        connection = connect(camera)
        assert (await connection.post(PATH, b"", timeout_s=60)).body == b"wanted"
        await until(lambda: not connection.is_open)
        assert (await connection.post(PATH, b"", timeout_s=60)).body == b"second"
        connection.close()


async def test_another_certificate_stops_everything_before_a_byte_of_http(
    serve: Serve, identity: Any, other_identity: Any, until: Any
) -> None:
    heard = bytearray()

    async def script(visit: Any) -> None:
        heard.extend(await visit.reader.read())

    async with serve(script) as camera:
        connection = CameraConnection(camera.host, camera.port, CONTEXT, pin=other_identity.sha256)
        with pytest.raises(CameraUntrusted, match="nothing was sent") as caught:
            await connection.post(PATH, b"password=secret", timeout_s=60)
        await until(lambda: bool(camera.finished))
    assert caught.value.certificate_sha256 == identity.sha256
    assert not heard


async def test_a_bare_handshake_sends_nothing(serve: Serve, identity: Any, until: Any) -> None:
    heard = bytearray()

    async def script(visit: Any) -> None:
        heard.extend(await visit.reader.read())

    async with serve(script) as camera:
        assert await fetch_certificate_sha256(camera.host, camera.port, CONTEXT, 5) == identity.sha256
        await until(lambda: bool(camera.finished))
    assert not heard


async def test_plain_http_is_no_camera(serve: Serve) -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CameraUnreachable, match="does not speak TLS") as caught:
            await CameraConnection("127.0.0.1", port, CONTEXT, pin="").post(PATH, b"", timeout_s=60)
    assert not isinstance(caught.value, CallOutcomeUnknown)


async def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CameraUnreachable, match=r"nothing listens at 127\.0\.0\.1") as caught:
            await CameraConnection("127.0.0.1", taken.getsockname()[1], CONTEXT, pin="").post(PATH, b"", timeout_s=60)
    assert not isinstance(caught.value, CallOutcomeUnknown)


async def test_a_handshake_that_never_ends_is_a_timeout_with_nothing_sent() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(PeerTimeout, match=r"within 0\.2 s") as caught:
            await CameraConnection("127.0.0.1", silent.getsockname()[1], CONTEXT, pin="").post(PATH, b"", timeout_s=0.2)
    assert not isinstance(caught.value, CallOutcomeUnknown)


@pytest.mark.parametrize("host", ["x" * 70, "a..b", "127.0.0.1.1.1.1"])
async def test_no_address_at_all(host: str) -> None:
    with pytest.raises(CameraUnreachable):
        await fetch_certificate_sha256(host, 443, CONTEXT, 5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_camera_that_insists_on_a_client_certificate(
    identity: Any, other_identity: Any, version: ssl.TLSVersion
) -> None:
    tls = identity.server_context()
    tls.minimum_version = tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(other_identity.file)

    def refuse(listener: socket.socket) -> None:  # asyncio's servers drop the connection without the alert
        for _ in range(2 if version == ssl.TLSVersion.TLSv1_2 else 1):  # the first time it might be about the curve
            refuse_once(listener.accept()[0])

    def refuse_once(plain: socket.socket) -> None:
        with tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as secured:
            with pytest.raises(ssl.SSLError):
                secured.do_handshake()
            socket.socket.shutdown(secured, socket.SHUT_WR)
            while socket.socket.recv(secured, 4096):  # closing with bytes unread would reset, and lose the alert
                pass

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(5)
        served = asyncio.create_task(asyncio.to_thread(refuse, listener))
        with pytest.raises(CameraUnreachable, match=r"cameras\.client_certificate") as caught:
            await CameraConnection("127.0.0.1", listener.getsockname()[1], CONTEXT, pin=identity.sha256).post(
                PATH, b"", timeout_s=60
            )
        await served
    assert not isinstance(caught.value, CallOutcomeUnknown)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_handshake_of_a_camera_that_gives_no_reason(
    serve: Serve, connect: Any, identity: Any, other_identity: Any, version: ssl.TLSVersion
) -> None:
    tls = identity.server_context()
    tls.minimum_version = tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(other_identity.file)

    async def script(visit: Any) -> None:
        await visit.request()

    async with serve(script, tls=tls) as camera:
        with pytest.raises(CameraUnreachable):
            await connect(camera).post(PATH, b"", timeout_s=60)
    assert not camera.requests
