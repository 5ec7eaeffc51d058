"""Simulated cameras that respond to the vendor's discovery frames over UDP."""

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
_ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - needed to receive broadcasts; nothing else of the simulator listens there


class DiscoverableDevice(Protocol):
    """What responds to discovery: a simulated or a replayed camera."""

    on_start: list[Callable[[], None]]
    """Called when the device has come to the network, perhaps at another address."""

    @property
    def host(self) -> str:
        """The IP address of the device, or its last one."""

    @property
    def on_network(self) -> bool:
        """Whether the device is on the network now."""

    def response_frames(self, *, broadcast: bool) -> Sequence[bytes]:
        """Return the frames that respond to a request to the device alone, or to a `broadcast`."""


class DiscoveryResponder:
    """Responds to request frames for devices, each from its own address, by unicast to the sender.

    All devices on the network respond to a broadcast; to a frame for one address, the device there does. Devices that
    move are followed. `devices` may grow; call `follow_devices` then. `bind_address` is where broadcasts are received,
    "" for every interface. `port` 0 takes a free one. `response_delay_s` delays every response.
    """

    def __init__(
        self,
        devices: Sequence[DiscoverableDevice],
        *,
        port: int = BROADCAST_PORT,
        bind_address: str = "",
        response_delay_s: float = 0,
        faults: DiscoveryFaults | None = None,
    ) -> None:
        self.devices = devices
        self.port = port
        self.faults = faults if faults is not None else DiscoveryFaults()
        self.request_count = 0
        """How many request frames were received."""
        self._bind_address = bind_address or _ANY_ADDRESS
        self._response_delay_s = response_delay_s
        self._broadcast_socket: socket.socket | None = None
        self._device_sockets: dict[str, socket.socket] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Begin to listen. Raises OSError if the port cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._broadcast_socket = self._listen(self._bind_address, self.port)
        self.port = self._broadcast_socket.getsockname()[1]
        self.follow_devices()

    async def stop(self) -> None:
        """Stop listening."""
        for device in self.devices:
            with contextlib.suppress(ValueError):
                device.on_start.remove(self.follow_devices)
        for listener in (*self._device_sockets.values(), *([self._broadcast_socket] if self._broadcast_socket else [])):
            self._close(listener)
        self._device_sockets.clear()
        self._broadcast_socket = self._loop = None

    def follow_devices(self) -> None:
        """Listen at the addresses where the devices are now."""
        for device in self.devices:
            if self.follow_devices not in device.on_start:
                device.on_start.append(self.follow_devices)
        hosts = {device.host for device in self.devices} - {_ANY_ADDRESS, "", self._bind_address}
        for host in set(self._device_sockets) - hosts:
            self._close(self._device_sockets.pop(host))
        for host in hosts - set(self._device_sockets):
            self._device_sockets[host] = self._listen(host, self.port)

    def _listen(self, host: str, port: int) -> socket.socket:
        assert self._loop is not None, "start first"  # noqa: S101 - a fact for the type checker
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listener.setblocking(False)
            if port:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            if hasattr(listener, "recvmsg"):
                listener.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            listener.bind((host, port))
            # Set before, the system may choose a port that another simulator has, whose cameras would respond, too.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except OSError:
            listener.close()
            raise
        self._loop.add_reader(listener.fileno(), self._receive, listener)
        return listener

    def _close(self, listener: socket.socket) -> None:
        if self._loop is not None:
            self._loop.remove_reader(listener.fileno())
        listener.close()

    def _receive(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, ancillary, _, sender = listener.recvmsg(MAX_FRAME_BYTES, 64)
                self._handle_frame(listener, frame, _unicast_destination(ancillary), sender)

    def _handle_frame(
        self, listener: socket.socket, frame: bytes, destination: str | None, sender: tuple[str, int]
    ) -> None:
        with contextlib.suppress(MalformedFrame):
            if is_request(frame):
                self.request_count += 1
                if not self.faults.silent:
                    self._respond(listener, destination, sender)

    def _respond(self, listener: socket.socket, destination: str | None, sender: tuple[str, int]) -> None:
        responses: list[tuple[socket.socket, bytes]] = []
        for device in self.devices:
            if device.on_network and (destination is None or device.host in (destination, _ANY_ADDRESS)):
                own_socket = self._device_sockets.get(device.host, listener)
                responses += [(own_socket, frame) for frame in device.response_frames(broadcast=destination is None)]
        if destination is None:
            responses += [(listener, encode_announcement(other)) for other in self.faults.other_devices]
        if self._response_delay_s and self._loop is not None:
            self._loop.call_later(self._response_delay_s, self._send, responses, sender)
        else:
            self._send(responses, sender)

    def _send(self, responses: Sequence[tuple[socket.socket, bytes]], receiver: tuple[str, int]) -> None:
        for own_socket, frame in responses:
            # The device may have moved since, which closed its socket; the receiver may be gone.
            with contextlib.suppress(OSError):
                if self.faults.corrupt_first:
                    own_socket.sendto(frame[:-1] + bytes([frame[-1] ^ 0xFF]), receiver)
                for _ in range(self.faults.copies):
                    own_socket.sendto(frame, receiver)


def _unicast_destination(ancillary: Sequence[tuple[int, int, bytes]]) -> str | None:
    """Return the unicast address that a datagram was sent to, or None for a broadcast."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, local, header = _PKTINFO.unpack(data[: _PKTINFO.size])
            # For a broadcast the header names another address than the interface's own.
            return socket.inet_ntoa(header) if local == header else None
    return None
