"""Free TCP ports of loopback for what is simulated: such as stay free while nobody listens on them."""

import contextlib
import random
import socket
from collections.abc import Sequence
from typing import Final

from gateway.errors import StateError

_TRIES: Final = 20
_PORTS: Final = range(15_000, 32_000)


def find_free_port(hosts: Sequence[str] = ("127.0.0.1",)) -> int:
    """Return a TCP port that is free at all of these addresses. Raises `StateError` when none was found.

    It is none of those that the system gives to outgoing connections, one of which might take it first.
    """
    reason = ""
    for _ in range(_TRIES):
        port = random.choice(_PORTS)
        try:
            with contextlib.ExitStack() as opened:
                for host in hosts:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    opened.enter_context(socket.socket(family)).bind((host, port))
                return port
        except OSError as exc:
            reason = exc.strerror or str(exc)
    raise StateError(f"found no TCP port that is free at {' and '.join(hosts)}: {reason}")
