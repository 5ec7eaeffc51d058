"""Free TCP ports of loopback that stay free while the server that has one is stopped."""

import contextlib
import random
import socket
from collections.abc import Sequence
from typing import Final

from firmware_tools.language import describe_error, message
from gateway.errors import StateError

_MAX_ATTEMPTS: Final = 20
_PORTS: Final = range(15_000, 32_000)
"""Below the ports that the system gives to outgoing connections: none of those can take one first."""


def find_free_port(hosts: Sequence[str] = ("127.0.0.1",)) -> int:
    """Return a TCP port that is free at all of these addresses. Raises `StateError` if none was found."""
    reason = ""
    for _ in range(_MAX_ATTEMPTS):
        port = random.choice(_PORTS)
        try:
            with contextlib.ExitStack() as opened:
                for host in hosts:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    opened.enter_context(socket.socket(family)).bind((host, port))
                return port
        except OSError as exc:
            reason = describe_error(exc)
    raise StateError(
        message("found no TCP port that is free at {hosts}: {reason}", hosts=", ".join(hosts), reason=reason)
    )
