"""Limits of the connections from the network: silent, half-sent and idle ones keep nobody out.

They hold where asyncio accepts connections with the listening socket's own method, so not on Windows.
"""

import asyncio
import itertools
import logging
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.runtime.failure_log import FailureLog

IDLE_TIMEOUT_S: Final = 120.0
"""How long a connection stays open between two requests."""
_UNACKNOWLEDGED_TIMEOUT_MS: Final = 60_000
"""How long a peer may take no data that was sent to it."""
_RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""What the kernel keeps of a request that is not read yet."""
_MAX_REFUSALS: Final = 64
"""How many connections are refused before others get their turn."""
_MAX_CANDIDATES: Final = 32
"""How many connections are looked at to make room."""

_log = logging.getLogger(__name__)


def _count_descriptors() -> int:
    """Return how many descriptors this process may have."""
    if sys.platform == "win32":
        return 8192
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections may be open, and how long one may be silent at its beginning.

    What remains of the process's descriptors is for the gateway's own calls of cameras and cloud, and its files.
    """

    from_network: int = 512
    """How many from the network; never more than half the descriptors."""
    per_address: int = 128
    """How many from one address of the network."""
    from_loopback: int = 128
    """How many from this machine; never more than an eighth of the descriptors."""
    first_request_s: float = 15.0
    """How long a new connection may take until the head of its first request has arrived, in seconds."""


class Connections:
    """Admits connections, and closes those on which no request arrives."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        """Take the limits; without them, the usual ones."""
        self.limits = limits or ConnectionLimits()
        descriptors = _count_descriptors()
        self._max_from_network = min(self.limits.from_network, descriptors // 2)
        self._max_from_loopback = min(self.limits.from_loopback, descriptors // 8)
        self._open: Counter[str] = Counter()
        """How many connections are open, by address."""
        self._from_loopback = 0
        self._waiting: dict[int, tuple[float, AcceptedConnection]] = {}
        """Connections without a request yet, by descriptor, the oldest first; each with the time of its beginning."""
        self._refused = False
        """Whether a connection was refused since the last sweep."""
        self._failure_log = FailureLog(_log, "connections are refused", level=logging.WARNING)

    async def listen(self, host: str, port: int) -> list[socket.socket]:
        """Return sockets that are bound to an address, and admit connections. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listeners: list[socket.socket] = []
        try:
            for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                listener = _Listener(family, self.admit)
                listeners.append(listener)
                listener.bind(address)
        except BaseException:
            for opened in listeners:
                opened.close()
            raise
        return listeners

    def admit(self, connection: "AcceptedConnection", address: str) -> bool:
        """Count a new connection, or close it if there are too many. Return whether it may go on."""
        is_loopback = address.startswith(("127.", "::1"))
        reason = self._reason_to_refuse(address, is_loopback=is_loopback)
        if reason:
            self._refused = True
            self._failure_log.failed(reason)
            connection.close()
            return False
        self._open[address] += 1
        self._from_loopback += is_loopback
        descriptor = connection.fileno()
        self._waiting[descriptor] = (time.monotonic(), connection)

        def forget() -> None:
            self._waiting.pop(descriptor, None)
            self._from_loopback -= is_loopback
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

        connection.address, connection.on_close = address, forget
        return True

    def request_began(self, request: web.Request) -> None:
        """Take note that the head of a request has arrived. It is called for every request, so it costs little."""
        if self._waiting and (transport := request.transport) is not None:
            self._waiting.pop(transport.get_extra_info("socket").fileno(), None)

    async def sweep(self) -> None:
        """Close the connections on which no request arrived in time."""
        oldest = time.monotonic() - self.limits.first_request_s
        for descriptor, (since, connection) in list(self._waiting.items()):
            if since > oldest:
                break
            self._end(descriptor, connection)
        if not self._refused:
            self._failure_log.recovered()
        self._refused = False

    def _reason_to_refuse(self, address: str, *, is_loopback: bool) -> str:
        """Return why a connection may not be opened; empty if it may. One without a request makes room for it."""
        if is_loopback:
            full = self._from_loopback >= self._max_from_loopback
            return f"this machine has {self._from_loopback} open" if full else ""
        if self._open[address] >= self.limits.per_address:
            return f"{address} has {self._open[address]} open"
        from_network = self._open.total() - self._from_loopback
        if from_network < self._max_from_network or self._make_room(self._open[address]):
            return ""
        return f"the network has {from_network} open"

    def _make_room(self, count: int) -> bool:
        """End a connection without a request, for an address that has `count` open. Return whether one went.

        It is one of the oldest, and of an address that has more: so a crowd pushes out itself, and not again and again.
        """
        for descriptor, (_, connection) in itertools.islice(self._waiting.items(), _MAX_CANDIDATES):
            if self._open[connection.address] > count:
                self._end(descriptor, connection)
                return True
        return False

    def _end(self, descriptor: int, connection: "AcceptedConnection") -> None:
        self._waiting.pop(descriptor, None)
        with suppress(OSError):  # the peer has gone
            connection.shutdown(socket.SHUT_RDWR)


class AcceptedConnection(socket.socket):
    """A connection that reports its end. asyncio closes it in every case."""

    address = ""
    """The address of the peer."""
    on_close: Callable[[], None] | None = None
    """Called when it is closed."""

    def close(self) -> None:
        """Close it, and report that once."""
        super().close()
        if self.on_close is not None:
            on_close, self.on_close = self.on_close, None
            on_close()


class _Listener(socket.socket):
    """A listening socket that hands out only the connections that are admitted."""

    def __init__(self, family: int, admit: Callable[[AcceptedConnection, str], bool]) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._admit = admit
        self.setblocking(False)
        if os.name == "posix":
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if sys.platform == "linux":
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_TIMEOUT_MS)

    def accept(self) -> tuple[socket.socket, Any]:
        for _ in range(_MAX_REFUSALS):
            accepted, address = super().accept()
            connection = AcceptedConnection(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
            if self._admit(connection, address[0]):
                return connection, address
        raise BlockingIOError  # asyncio comes back for the rest
