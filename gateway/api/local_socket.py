"""How a gateway is reached on its own machine: over the Unix socket for the commands of its user, or as by a till."""

import socket
import sys
from collections.abc import Sequence
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
        _check(response)


async def request_health_at(urls: Sequence[str]) -> None:
    """Request the health of the gateway at each base URL, as a till would. Raises if one does not respond."""
    async with aiohttp.ClientSession() as session:
        for url in urls:
            # Whose names the certificate has is not the question here.
            async with session.get(f"{url}healthz", ssl=False) as response:
                _check(response)


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
        response.raise_for_status()
