"""The Unix socket for commands of this machine's user: whether there are any here, and a session to one."""

import socket
import sys
from pathlib import Path
from typing import Final

import aiohttp

HAS_UNIX_SOCKETS: Final = hasattr(socket, "AF_UNIX") and sys.platform != "win32"


def socket_session(path: Path) -> aiohttp.ClientSession:
    """Return a client session to the gateway whose Unix socket this is."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
    return aiohttp.ClientSession("http://gateway", connector=aiohttp.UnixConnector(path=str(path)), timeout=timeout)
