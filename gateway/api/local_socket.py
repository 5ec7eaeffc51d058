"""Client sessions over the Unix socket that a gateway serves for the commands of this machine's user."""

import socket
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

HAS_UNIX_SOCKETS: Final = hasattr(socket, "AF_UNIX") and sys.platform != "win32"
"""Whether this system has Unix sockets that aiohttp supports."""


def socket_session(path: Path) -> aiohttp.ClientSession:
    """Return a client session to the gateway that serves on this socket."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    return aiohttp.ClientSession("http://gateway", connector=aiohttp.UnixConnector(path=str(path)), timeout=timeout)


async def request_health(path: Path) -> None:
    """Request the health of the gateway on this socket, as a command would. Raises if it does not respond.

    That it does not serve yet is a response, too.
    """
    async with socket_session(path) as session, session.get("/healthz") as response:
        if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
            response.raise_for_status()
