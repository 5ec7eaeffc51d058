"""The relay keeps a player at one camera, whatever that sends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.cameras.video.rtsp_relay import RtspRelay, open_relay
from gateway.errors import CameraUnreachable
from gateway.protocol.stream_url import RtspAddress

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def relayed(script: Script) -> AsyncIterator[tuple[RtspRelay, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a relay in front of a scripted camera."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = RtspAddress("127.0.0.1", server.sockets[0].getsockname()[1], "/SECRET/live_hd.sdp")
    async with open_relay(address) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        yield relay, reader, writer
        writer.close()
    server.close()
    await over.wait()


def answering(*responses: bytes) -> Script:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response)
        await writer.drain()

    return answer


async def test_the_local_address_becomes_the_cameras() -> None:
    seen = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nv=0$\x00\x00\x02ab")
        await writer.drain()

    async with relayed(listen) as (relay, reader, writer):
        writer.write(f"DESCRIBE {relay.local_url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        received = await reader.read()
    assert received == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nv=0$\x00\x00\x02ab"
    [request] = seen
    assert request.startswith(b"DESCRIBE rtsp://127.0.0.1:")
    assert b"/SECRET/live_hd.sdp RTSP/1.0\r\nCSeq: 1\r\n" in request


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (b"RTSP/1.0 302 Moved\r\nLocation: rtsp://192.0.2.1/x\r\n\r\n", "redirected"),
        (b"RTSP/1.0 301 Moved\r\nLocation: http://127.0.0.1/\r\n\r\n", "redirected"),
        (b"HTTP/1.1 200 OK " + b"x" * 20000, "not RTSP"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\n", "too large"),
    ],
)
async def test_what_no_player_may_see_ends_the_connection(response: bytes, problem: str) -> None:
    async with relayed(answering(response)) as (relay, reader, writer):
        writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    assert problem in relay.problem


async def test_a_request_of_the_camera_is_not_passed_on() -> None:
    response = b"REDIRECT * RTSP/1.0\r\nLocation: rtsp://192.0.2.1/\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
    async with relayed(answering(response)) as (_, reader, writer):
        writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert await reader.read() == b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"


async def test_only_the_first_connection_is_served() -> None:
    async with relayed(answering(b"")) as (relay, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


async def test_a_camera_without_a_stream_is_named() -> None:
    with pytest.raises(CameraUnreachable, match=r"127\.0\.0\.9:9 cannot be reached"):
        await open_relay(RtspAddress("127.0.0.9", 9, "/x")).__aenter__()
