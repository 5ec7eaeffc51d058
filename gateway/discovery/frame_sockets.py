"""UDP sockets for the vendor's discovery frames. They are open while a scan lasts."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from firmware_tools.language import message
from gateway.discovery.device_binding import bind_to_interface
from gateway.discovery.interfaces import Interface, find_interface
from gateway.protocol.discovery_frames import (
    MAX_FRAME_BYTES,
    Announcement,
    MalformedFrame,
    encode_request,
    parse_announcement,
)
from gateway.protocol.models import parse_model

_LIMITED_BROADCAST: Final = "255.255.255.255"
_RECEIVE_BUFFER_BYTES: Final = 1 << 20
"""Hundreds of cameras may answer within a millisecond."""
_MAX_ANNOUNCEMENTS: Final = 4096
"""The most hosts whose announcement is remembered: anybody can send frames."""


@dataclass(frozen=True, slots=True)
class ReceivedAnnouncement:
    """An announcement that arrived, and where it came from."""

    announcement: Announcement
    """What the device says about itself."""
    host: str
    """Source address of the datagram."""
    interface: str
    """Name of the interface at which it arrived; empty if that is not known."""
    is_remote: bool = False
    """Whether it answers a request that was sent to the host through a router, where no broadcast goes."""

    @property
    def is_camera(self) -> bool:
        """Whether a camera announced itself: other SUNMI products answer, too (NOTES: Discovery replies)."""
        return parse_model(self.announcement.model) is not None


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A datagram as it arrived."""

    data: bytes
    """Its content."""
    host: str
    """Source address."""
    port: int
    """Source port."""
    broadcast: bool | None
    """Whether it was sent to everyone; None where the operating system does not show that."""


class FrameSockets:
    """For each interface a socket that is bound to its address, and one that receives broadcasts.

    All are bound to the discovery port with address reuse, because it is not known whether a camera answers to that
    port or to the request's source port, by unicast or by broadcast (NOTES: Discovery replies). If another program
    keeps the port to itself, they are bound to a free one.
    """

    def __init__(self, interfaces: Sequence[Interface], port: int, *, loopback_only: bool) -> None:
        """With `loopback_only`, nothing is sent to and received from hosts outside the interfaces' networks."""
        self._interfaces = tuple(interfaces)
        self._port = port
        self._loopback_only = loopback_only
        self._transports: list[asyncio.DatagramTransport] = []
        self._senders: dict[Interface | None, _Endpoint] = {}
        self._listeners: list[Callable[[ReceivedAnnouncement], None]] = []
        self._raw_listeners: list[Callable[[RawFrame], None]] = []
        self._requested: set[str] = set()
        """Hosts to which a request was sent."""
        self.problems: list[str] = []
        """What does not work."""
        self.announcements: dict[str, ReceivedAnnouncement] = {}
        """The last announcement of each host."""
        self.ambiguous_hosts: set[str] = set()
        """Hosts that have announced several serial numbers: somebody else sends frames in their name."""

    async def open(self) -> None:
        """Open the sockets. What cannot be opened is added to the problems."""
        try:
            for interface in self._interfaces:
                await self._add(interface, interface.address, sends=True)
                if interface.is_loopback and sys.platform == "linux":
                    # Bound to "" it would take unicast frames that are meant for simulated cameras on this machine.
                    await self._add(interface, interface.broadcast, sends=False)
            if not self._loopback_only:
                await self._add(None, "", sends=True)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the sockets."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()
        self._senders.clear()
        await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn

    @contextlib.contextmanager
    def listen(self, listener: Callable[[ReceivedAnnouncement], None]) -> Iterator[None]:
        """Call the listener with every announcement while the context lasts."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    @contextlib.contextmanager
    def listen_raw(self, listener: Callable[[RawFrame], None]) -> Iterator[None]:
        """Call the listener with every datagram, valid or not, while the context lasts."""
        self._raw_listeners.append(listener)
        try:
            yield
        finally:
            self._raw_listeners.remove(listener)

    def send_request(self, host: str) -> None:
        """Send a request to one host. A failure is ignored: like a lost frame, it shows as a missing answer."""
        self._requested.add(host)
        leading: list[Interface | None] = [one for one in self._interfaces if one.shares_network and host in one]
        for interface in leading or [find_interface(self._interfaces, host)]:
            sender = self._senders.get(interface) or self._senders.get(None)
            if sender is not None:
                sender.send_request(host, self._port)

    def broadcast_request(self) -> list[str]:
        """Send a request to each interface's broadcast addresses; return where and why none could be sent."""
        problems: list[str] = []
        for interface, sender in self._senders.items():
            if interface is not None:
                targets = [interface.broadcast] if interface.is_loopback else [interface.broadcast, _LIMITED_BROADCAST]
                errors = [error for target in targets if (error := sender.send_request(target, self._port))]
                if len(errors) == len(targets):
                    problems.append(message("{interface}: {reason}", interface=interface.name, reason=errors[0]))
        return problems

    async def _add(self, interface: Interface | None, address: str, *, sends: bool) -> None:
        try:
            opened = self._open_socket(address)
            if interface is not None and interface.shares_network:
                bind_to_interface(opened, interface.name)
        except OSError as exc:
            name = interface.name if interface else message("every interface")
            self.problems.append(message("{interface}: {reason}", interface=name, reason=exc))
            return
        loop = asyncio.get_running_loop()
        transport, endpoint = await loop.create_datagram_endpoint(
            lambda: _Endpoint(self, interface, is_unicast=interface is not None and sends), sock=opened
        )
        self._transports.append(transport)
        if sends:
            self._senders[interface] = endpoint

    def _open_socket(self, address: str) -> socket.socket:
        try:
            return _bind_socket(address, self._port)
        except OSError as exc:
            if exc.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            problem = message(
                "UDP port {port} is used by another program; cameras that answer to it are not found", port=self._port
            )
            if problem not in self.problems:
                self.problems.append(problem)
            return _bind_socket(address, 0)

    def receive(self, data: bytes, source: tuple[str, int], interface: Interface | None, *, is_unicast: bool) -> None:
        """Take a datagram from the socket of an interface, or of all interfaces.

        Raw listeners get it as it is, listeners if it is an announcement. `is_unicast` is whether the socket receives
        no broadcasts.
        """
        local = find_interface(self._interfaces, source[0])
        if self._loopback_only and local is None:
            return
        # Only Linux delivers a datagram to the socket with the closest address alone.
        is_known = sys.platform == "linux" and (is_unicast or local is not None)
        raw = RawFrame(data, *source, broadcast=not is_unicast if is_known else None)
        for raw_listener in list(self._raw_listeners):
            raw_listener(raw)
        announcement = _parse(data)
        if announcement is None:
            return
        arrival = interface or local
        received = ReceivedAnnouncement(
            announcement,
            source[0],
            arrival.name if arrival else "",
            is_remote=local is None and source[0] in self._requested,
        )
        self._remember(received)
        for listener in list(self._listeners):
            listener(received)

    def _remember(self, received: ReceivedAnnouncement) -> None:
        known = self.announcements.get(received.host)
        if known is not None and known.announcement.sn != received.announcement.sn:
            self.ambiguous_hosts.add(received.host)
        if known is not None or len(self.announcements) < _MAX_ANNOUNCEMENTS:
            self.announcements[received.host] = received


class SharedFrameSockets:
    """Shares the sockets between all who need them at a time: two sets would take each other's datagrams away."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = asyncio.Lock()
        self._sockets: FrameSockets | None = None
        self._users = 0

    @contextlib.asynccontextmanager
    async def acquire(self, interfaces: Sequence[Interface], *, loopback_only: bool) -> AsyncIterator[FrameSockets]:
        """Open the sockets, or share those that are open. The last user closes them."""
        async with self._lock:
            if self._sockets is None:
                sockets = FrameSockets(interfaces, self._port, loopback_only=loopback_only)
                await sockets.open()
                self._sockets = sockets
            sockets = self._sockets
            self._users += 1
        try:
            yield sockets
        finally:
            self._users -= 1
            if not self._users:
                self._sockets = None
                await sockets.close()


class _Endpoint(asyncio.DatagramProtocol):
    def __init__(self, owner: FrameSockets, interface: Interface | None, *, is_unicast: bool) -> None:
        self._owner = owner
        self._interface = interface
        self._is_unicast = is_unicast
        self._transport: Any = None
        self._error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send_request(self, host: str, port: int) -> OSError | None:
        """Send a request; return the error if the operating system refuses at once."""
        self._error = None
        self._transport.sendto(encode_request(), (host, port))
        return self._error if isinstance(self._error, OSError) else None

    def error_received(self, exc: Exception) -> None:
        self._error = exc

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._owner.receive(data, (addr[0], addr[1]), self._interface, is_unicast=self._is_unicast)


def _parse(data: bytes) -> Announcement | None:
    """Return the announcement in a datagram; None for a request and for a malformed frame."""
    if len(data) > MAX_FRAME_BYTES:
        return None
    try:
        return parse_announcement(data)
    except MalformedFrame:
        return None


def _bind_socket(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "darwin":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # elsewhere it would share out the datagrams
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened
