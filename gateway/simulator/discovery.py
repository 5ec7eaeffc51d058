"""Simulated cameras answering the vendor's discovery frames over real UDP."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.protocol.discovery_frames import (
    BROADCAST_PORT,
    MAX_FRAME_BYTES,
    MalformedFrame,
    encode_announcement,
    is_request,
)
from gateway.simulator.faults import DiscoveryFaults

_IP_PKTINFO: Final = 8  # Linux; the socket module names it from Python 3.14 on
_PKTINFO: Final = struct.Struct("@I4s4s")
_EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - the wildcard hears broadcasts; the simulator opens no other service on it


class DiscoverableDevice(Protocol):
    """What answers discovery: a simulated or a replayed camera."""

    on_start: list[Callable[[], None]]

    @property
    def host(self) -> str:
        """The IP address at which it is, or was before it left."""

    @property
    def on_network(self) -> bool:
        """Whether it is on the network just now."""

    def response_frames(self, *, broadcast: bool) -> Sequence[bytes]:
        """Return the frames that answer a request to it alone, or a `broadcast`."""


class DiscoveryResponder:
    """Answers request frames for `cameras` that are present, each from its own address, by unicast to the asker.

    A broadcast is answered by all of them, a frame to one camera's address by that camera alone. `bind` "" hears
    broadcasts on every interface. `port` 0 takes a free one. `frame_delay_s` delays every answer. Cameras that move are
    followed; the sequence may grow, call `follow` then.
    """

    def __init__(
        self,
        cameras: Sequence[DiscoverableDevice],
        *,
        port: int = BROADCAST_PORT,
        bind: str = "",
        frame_delay_s: float = 0,
        faults: DiscoveryFaults | None = None,
    ) -> None:
        self.cameras = cameras
        self.port = port
        self.faults = faults if faults is not None else DiscoveryFaults()
        self.requests = 0
        """How many request frames were heard."""
        self._bind = bind or _EVERY_ADDRESS
        self._delay_s = frame_delay_s
        self._wildcard: socket.socket | None = None
        self._own: dict[str, socket.socket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to listen. Raises OSError when the port cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._wildcard = self._listen(self._bind, self.port)
        self.port = self._wildcard.getsockname()[1]
        self.follow()

    async def stop(self) -> None:
        """Stop listening."""
        for camera in self.cameras:
            with contextlib.suppress(ValueError):
                camera.on_start.remove(self.follow)
        for listener in (*self._own.values(), *([self._wildcard] if self._wildcard else [])):
            self._close(listener)
        self._own.clear()
        self._wildcard = self._loop = None

    def follow(self) -> None:
        """Listen at the addresses where the cameras are now."""
        for camera in self.cameras:
            if self.follow not in camera.on_start:
                camera.on_start.append(self.follow)
        hosts = {camera.host for camera in self.cameras} - {_EVERY_ADDRESS, "", self._bind}
        for host in set(self._own) - hosts:
            self._close(self._own.pop(host))
        for host in hosts - set(self._own):
            self._own[host] = self._listen(host, self.port)

    def _listen(self, host: str, port: int) -> socket.socket:
        assert self._loop is not None, "start first"  # noqa: S101 - a fact for the type checker
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if hasattr(listener, "recvmsg"):
                listener.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        self._loop.add_reader(listener.fileno(), self._read, listener)
        return listener

    def _close(self, listener: socket.socket) -> None:
        if self._loop is not None:
            self._loop.remove_reader(listener.fileno())
        listener.close()

    def _read(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, ancillary, _, asker = listener.recvmsg(MAX_FRAME_BYTES, 64)
                self._hear(listener, frame, _destination(ancillary), asker)

    def _hear(self, listener: socket.socket, frame: bytes, destination: str | None, asker: tuple[str, int]) -> None:
        with contextlib.suppress(MalformedFrame):
            if is_request(frame):
                self.requests += 1
                if not self.faults.silent:
                    self._answer(listener, destination, asker)

    def _answer(self, listener: socket.socket, destination: str | None, asker: tuple[str, int]) -> None:
        answers: list[tuple[socket.socket, bytes]] = []
        for camera in self.cameras:
            if camera.on_network and (destination is None or camera.host in (destination, _EVERY_ADDRESS)):
                sender = self._own.get(camera.host, listener)
                answers += [(sender, frame) for frame in camera.response_frames(broadcast=destination is None)]
        if destination is None:
            answers += [(listener, encode_announcement(stranger)) for stranger in self.faults.strangers]
        if self._delay_s and self._loop is not None:
            self._loop.call_later(self._delay_s, self._send, answers, asker)
        else:
            self._send(answers, asker)

    def _send(self, answers: Sequence[tuple[socket.socket, bytes]], asker: tuple[str, int]) -> None:
        for sender, frame in answers:
            # A camera may have moved, and closed its socket, since it was asked; an asker may be gone.
            with contextlib.suppress(OSError):
                if self.faults.corrupt_first:
                    sender.sendto(frame[:-1] + bytes([frame[-1] ^ 0xFF]), asker)
                for _ in range(self.faults.copies):
                    sender.sendto(frame, asker)


def _destination(ancillary: Sequence[tuple[int, int, bytes]]) -> str | None:
    """Return the unicast address that a datagram was sent to, or None for a broadcast."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, local, header = _PKTINFO.unpack(data[: _PKTINFO.size])
            # For a broadcast the header names another address than the interface's own.
            return socket.inet_ntoa(header) if local == header else None
    return None
