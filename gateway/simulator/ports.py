"""Free TCP ports of loopback that stay free while the server that has one is stopped."""

import contextlib
import random
import socket
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from firmware_tools.language import describe_error, message
from gateway.errors import StateError

MAX_RESERVED: Final = 64
"""So many ports a process reserves. The one that was given first is no longer reserved then."""

_MAX_ATTEMPTS: Final = 20
_PORTS: Sequence[int] = range(15_000, 32_000)
"""Below the ports that the system gives to outgoing connections: none of those can take one first."""

_reserved: Final[deque[contextlib.ExitStack]] = deque()


def find_free_port(hosts: Sequence[str] = ("127.0.0.1",)) -> int:
    """Return a TCP port that is free at all of these addresses. Raises `StateError` if none was found.

    On Linux the port is reserved: nobody else finds it before its server listens, which can be minutes later.
    """
    reason = ""
    for _ in range(_MAX_ATTEMPTS):
        port = random.choice(_PORTS)
        try:
            with contextlib.ExitStack() as opened:
                for host in hosts:
                    _bind(opened, host, port)
                if sys.platform == "linux":
                    _reserve(opened.pop_all())
                return port
        except OSError as exc:
            reason = describe_error(exc)
    raise StateError(
        message("found no TCP port that is free at {hosts}: {reason}", hosts=", ".join(hosts), reason=reason)
    )


def _bind(opened: contextlib.ExitStack, host: str, port: int) -> None:
    """Bind a socket that does not listen to a port that nobody else has bound. Raises OSError."""
    bound = opened.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    bound.bind((host, port))
    if sys.platform == "linux":
        # From now on a server, which sets this option before it binds, may have the port beside this socket.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _reserve(opened: contextlib.ExitStack) -> None:
    _reserved.append(opened)
    if len(_reserved) > MAX_RESERVED:
        _reserved.popleft().close()
