"""UDP sockets that speak the vendor's discovery frames, open for as long as a round lasts."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.discovery.interfaces import Interface, covering
from gateway.protocol.discovery_frames import (
    MAX_FRAME_BYTES,
    Announcement,
    MalformedFrame,
    encode_request,
    parse_announcement,
)
from gateway.protocol.models import parse_model

_EVERYONE = "255.255.255.255"
_RECEIVE_BUFFER = 1 << 20  # hundreds of cameras may answer within a millisecond


@dataclass(frozen=True, slots=True)
class Heard:
    """An announcement, and where it really came from: `host` is the datagram's source, `interface` the way it took."""

    announcement: Announcement
    host: str
    interface: str
    remote: bool = False
    """Whether it answers a question sent to it alone, through a router, where no broadcast goes."""

    @property
    def is_camera(self) -> bool:
        """Whether a camera announced itself: other SUNMI products answer too (NOTES: Discovery replies)."""
        return parse_model(self.announcement.model) is not None


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A datagram as it came: `host` and `port` are its source.

    `broadcast` says that it was sent to everyone; it is None where the system does not let that be told.
    """

    data: bytes
    host: str
    port: int
    broadcast: bool | None


class FrameSockets:
    """For each interface a socket that is bound to its address, and one that hears broadcasts.

    All are bound to the discovery port with address reuse, because it is not known whether a camera answers to that
    port or to the asking one, by unicast or by broadcast (NOTES: Discovery replies). Where another program keeps the
    port to itself, they take a free one. `notices` tells what does not work, `bad_frames` counts datagrams that were no
    frames, and `heard` is what each host said of itself last.

    With `confined`, nothing is sent to or heard from hosts outside the interfaces' networks.
    """

    def __init__(self, interfaces: Sequence[Interface], port: int, *, confined: bool) -> None:
        self._interfaces = tuple(interfaces)
        self._port = port
        self._confined = confined
        self._transports: list[asyncio.DatagramTransport] = []
        self._speakers: dict[Interface | None, _Endpoint] = {}
        self._listeners: list[Callable[[Heard], None]] = []
        self._eavesdroppers: list[Callable[[RawFrame], None]] = []
        self.notices: list[str] = []
        self.bad_frames = 0
        self.heard: dict[str, Heard] = {}
        self._asked: set[str] = set()

    async def open(self) -> None:
        """Open what can be opened; the rest becomes a notice."""
        try:
            for interface in self._interfaces:
                await self._add(interface, interface.address, speaks=True)
                if interface.is_loopback and sys.platform == "linux":
                    # Bound to "" it would catch unicast frames meant for simulated cameras on this machine.
                    await self._add(interface, interface.broadcast, speaks=False)
            if not self._confined:
                await self._add(None, "", speaks=True)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the sockets."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()
        self._speakers.clear()
        await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn

    @contextlib.contextmanager
    def listening(self, listener: Callable[[Heard], None]) -> Iterator[None]:
        """Call the listener with every announcement while the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextlib.contextmanager
    def overhearing(self, listener: Callable[[RawFrame], None]) -> Iterator[None]:
        """Call the listener with every datagram, whatever it holds, while the context lasts."""
        self._eavesdroppers.append(listener)
        try:
            yield
        finally:
            self._eavesdroppers.remove(listener)

    def ask(self, host: str) -> None:
        """Send the request to one host. A failure is not told: like a lost frame it shows in the missing answer."""
        self._asked.add(host)
        speaker = self._speakers.get(covering(self._interfaces, host)) or self._speakers.get(None)
        if speaker is not None:
            speaker.send(host, self._port)

    def ask_everyone(self) -> list[str]:
        """Send the request to each interface's broadcast addresses; return where nothing could be sent, and why."""
        failures = []
        for interface, speaker in self._speakers.items():
            if interface is not None:
                targets = [interface.broadcast] if interface.is_loopback else [interface.broadcast, _EVERYONE]
                errors = [error for target in targets if (error := speaker.send(target, self._port))]
                if len(errors) == len(targets):
                    failures.append(f"{interface.name}: {errors[0].strerror}")
        return failures

    async def _add(self, interface: Interface | None, address: str, *, speaks: bool) -> None:
        try:
            bound = self._bound(address)
        except OSError as exc:
            self.notices.append(f"{interface.name if interface else 'every interface'}: {exc.strerror}")
            return
        loop = asyncio.get_running_loop()
        transport, endpoint = await loop.create_datagram_endpoint(
            lambda: _Endpoint(self, interface, unicast=interface is not None and speaks), sock=bound
        )
        self._transports.append(transport)
        if speaks:
            self._speakers[interface] = endpoint

    def _bound(self, address: str) -> socket.socket:
        try:
            return _udp_socket(address, self._port)
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            notice = f"UDP port {self._port} is kept by another program; cameras that answer to it are not heard"
            if notice not in self.notices:
                self.notices.append(notice)
            return _udp_socket(address, 0)

    def overhear(self, data: bytes, source: tuple[str, int], *, unicast: bool) -> None:
        """Take any datagram that arrived, at a socket for unicast or at one for broadcasts."""
        near = covering(self._interfaces, source[0]) is not None
        if not self._eavesdroppers or (self._confined and not near):
            return
        # Linux alone hands a datagram to the socket with the closest address only.
        told = sys.platform == "linux" and (unicast or near)
        raw = RawFrame(data, *source, broadcast=not unicast if told else None)
        for listener in list(self._eavesdroppers):
            listener(raw)

    def receive(self, data: bytes, host: str, interface: Interface | None) -> None:
        """Take a datagram that arrived; what is no announcement is dropped."""
        local = covering(self._interfaces, host)
        if self._confined and local is None:
            return
        way = interface or local
        try:
            if len(data) > MAX_FRAME_BYTES:
                raise MalformedFrame(f"{len(data)} bytes are too long")
            announcement = parse_announcement(data)
        except MalformedFrame:
            self.bad_frames += 1
            return
        if announcement is not None:  # None: a request, our own or another searcher's
            remote = local is None and host in self._asked
            heard = Heard(announcement, host, way.name if way else "", remote)
            self.heard[host] = heard
            for listener in list(self._listeners):
                listener(heard)


class SharedFrameSockets:
    """The sockets for whoever needs them now: two sets of them would take each other's answers away."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = asyncio.Lock()
        self._open: FrameSockets | None = None
        self._users = 0

    @contextlib.asynccontextmanager
    async def use(self, interfaces: Sequence[Interface], *, confined: bool) -> AsyncIterator[FrameSockets]:
        """Open the sockets, or share those that are open; the last user closes them."""
        async with self._lock:
            if self._open is None:
                sockets = FrameSockets(interfaces, self._port, confined=confined)
                await sockets.open()
                self._open = sockets
            sockets = self._open
            self._users += 1
        try:
            yield sockets
        finally:
            self._users -= 1
            if not self._users:
                self._open = None
                await sockets.close()


class _Endpoint(asyncio.DatagramProtocol):
    def __init__(self, owner: FrameSockets, interface: Interface | None, *, unicast: bool) -> None:
        self._owner = owner
        self._interface = interface
        self._unicast = unicast
        self._transport: Any = None
        self._error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, host: str, port: int) -> OSError | None:
        """Send the request; return the error with which the system refused at once."""
        self._error = None
        self._transport.sendto(encode_request(), (host, port))
        return self._error if isinstance(self._error, OSError) else None

    def error_received(self, exc: Exception) -> None:
        self._error = exc

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._owner.overhear(data, (addr[0], addr[1]), unicast=self._unicast)
        self._owner.receive(data, addr[0], self._interface)


def _udp_socket(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # elsewhere it would share out the datagrams
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened
