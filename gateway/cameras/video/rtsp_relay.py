"""A relay between ffmpeg and a camera's RTSP server, which keeps ffmpeg at this camera.

A camera can redirect a player to any host and port, and ffmpeg would follow. So ffmpeg connects to the gateway, for one
connection on loopback, and the gateway to the camera. Redirects are refused. The camera's address, which is a secret,
does not stand among the arguments of a process either.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Final, NamedTuple

from firmware_tools.language import describe_error, message
from gateway.discovery.device_binding import bind_to_interface, must_bind
from gateway.errors import CameraUnreachable
from gateway.protocol.stream_url import RtspAddress

CONNECT_TIMEOUT_S: Final = 5.0
_LOCAL_PATH: Final = "/picture"
_READ_BYTES: Final = 64 * 1024
_MAX_HEAD_BYTES: Final = 16 * 1024
_MAX_BODY_BYTES: Final = 64 * 1024
_LENGTH: Final = re.compile(rb"^content-length:\s*(\d{1,9})\s*$", re.IGNORECASE | re.MULTILINE)
_STATUS: Final = re.compile(rb"RTSP/1\.\d (\d{3})\b")


class RtspRefused(Exception):
    """The camera sent something that no player may see."""


class _Message(NamedTuple):
    """One message of a connection."""

    raw: bytes
    """All of it."""
    is_data: bool
    """Whether it is a packet of the picture, not a request or a response."""


class RtspRelay:
    """One relayed connection; `open_relay` makes it."""

    def __init__(self, address: RtspAddress, camera: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self.problem = ""
        """Why the connection was broken off; empty if it was not."""
        self.port = 0
        """The port on loopback where ffmpeg connects."""
        self._address = address
        self._camera = camera
        self._player: asyncio.StreamWriter | None = None
        self._ended = asyncio.Event()

    @property
    def local_url(self) -> str:
        """The URL for ffmpeg."""
        return f"rtsp://127.0.0.1:{self.port}{_LOCAL_PATH}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay the first connection; refuse others."""
        if self._player is not None:
            writer.transport.abort()
            return
        self._player = writer
        camera_reader, camera_writer = self._camera
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._to_camera(reader, camera_writer))
                group.create_task(self._to_player(camera_reader, writer))
        except* (OSError, RtspRefused):
            pass
        finally:
            self._abort()
            self._ended.set()

    async def close(self) -> None:
        """Break off both sides and wait until nothing is relayed."""
        self._abort()
        if self._player is not None:
            await self._ended.wait()

    def _abort(self) -> None:
        self._camera[1].transport.abort()
        if self._player is not None:
            self._player.transport.abort()

    async def _to_camera(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        local, real = self.local_url.encode(), self._address.url.encode()
        async for one in _read_messages(reader):
            if one.is_data:
                writer.write(one.raw)
            else:
                first, separator, rest = one.raw.partition(b"\r\n")
                writer.write(first.replace(local, real, 1) + separator + rest)
            await writer.drain()
        raise RtspRefused(message("the player has gone"))

    async def _to_player(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for message in _read_messages(reader):
                if message.is_data or _check_response(message.raw):
                    writer.write(message.raw)
                    await writer.drain()
        except RtspRefused as exc:
            self.problem = describe_error(exc)
            raise
        # Let the player read what was sent.
        writer.write_eof()


@contextlib.asynccontextmanager
async def open_relay(address: RtspAddress, interface: str = "") -> AsyncIterator[RtspRelay]:
    """Connect to a camera and relay one connection for the time of the block. Raises `CameraUnreachable`.

    `interface` is the name of the one through which the camera is reached, where that is known.
    """
    camera = await _connect(address, interface)
    relay = RtspRelay(address, camera)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.close()


async def _connect(address: RtspAddress, interface: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.host, address.port
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if not must_bind(interface, host):
                return await asyncio.open_connection(host, port)
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                connection.setblocking(False)
                bind_to_interface(connection, interface)
                await asyncio.get_running_loop().sock_connect(connection, (host, port))
                return await asyncio.open_connection(sock=connection)
            except BaseException:
                connection.close()
                raise
    except TimeoutError as exc:
        raise CameraUnreachable(
            message(
                "the camera's stream at {host}:{port} did not answer within {connect_timeout_s:g} s",
                host=host,
                port=port,
                connect_timeout_s=CONNECT_TIMEOUT_S,
            )
        ) from exc
    except OSError as exc:
        raise CameraUnreachable(
            message(
                "the camera's stream at {host}:{port} cannot be reached: {reason}", host=host, port=port, reason=exc
            )
        ) from exc


def _check_response(raw: bytes) -> bool:
    """Tell whether a player may see a message of the camera. Raises `RtspRefused` for a redirect."""
    status = _STATUS.match(raw)
    if status is None:
        return False  # a request of the camera's own, which no player needs to answer
    if 300 <= int(status[1]) < 400:
        raise RtspRefused(message("the camera redirected to another address, which is not followed"))
    return True


async def _read_messages(reader: asyncio.StreamReader) -> AsyncIterator[_Message]:
    """Yield the messages of one side until it ends. Raises `RtspRefused` for one that is too large."""
    received = bytearray()
    while data := await reader.read(_READ_BYTES):
        received += data
        for one in _take_messages(received):
            yield one


def _take_messages(received: bytearray) -> Iterator[_Message]:
    """Take the complete messages from what was received."""
    while received:
        is_data = received[0] == ord("$")
        size = _data_size(received) if is_data else _text_size(received)
        if size is None or len(received) < size:
            return
        yield _Message(bytes(received[:size]), is_data)
        del received[:size]


def _data_size(received: bytearray) -> int | None:
    return 4 + int.from_bytes(received[2:4]) if len(received) >= 4 else None


def _text_size(received: bytearray) -> int | None:
    end = received.find(b"\r\n\r\n", 0, _MAX_HEAD_BYTES)
    if end < 0:
        if len(received) >= _MAX_HEAD_BYTES:
            raise RtspRefused(message("the camera sent something that is not RTSP"))
        return None
    length = _LENGTH.search(received, 0, end + 2)
    body_bytes = int(length[1]) if length is not None else 0
    if body_bytes > _MAX_BODY_BYTES:
        raise RtspRefused(message("the camera sent a description of its stream that is too large"))
    return end + 4 + body_bytes
