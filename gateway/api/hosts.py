"""Which hosts a plain HTTP request may name: a page of an attacker's domain that resolves to this gateway gets nothing.

A browser sends such a page's requests (DNS rebinding) as if they were of one origin, but names the attacker's domain in
`Host`. Over HTTPS the certificate keeps them off.
"""

import ipaddress
import re
import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from firmware_tools.language import message
from gateway.errors import Misdirected
from gateway.settings import Settings

_OWN: Final = re.compile(r"sunmi-gateway(-[a-z0-9-]+)?\.local|.+\.localhost|[a-z0-9_-]+")
"""A name of one word is this network's or this machine's own, since nobody can register one."""
_PRIVATE_DOMAINS: Final = ("local", "lan", "home", "internal", "localdomain", "home.arpa")
"""Under these a router or mDNS makes this machine's name known. Nobody can register a name there."""
_MAX_REMEMBERED: Final = 256


class AcceptedHosts:
    """Checks the `Host` of requests."""

    def __init__(self, settings: Settings, own_host: str) -> None:
        """Take the settings, and the name under which the gateway announces itself."""
        self._own_host = own_host
        self._names = {
            name.lower().rstrip(".") for name in (own_host, *_machine_names(), *_list_configured_names(settings))
        }
        self._remembered: set[str | None] = {None}
        """Headers that were found good. None is for programs that send none; a browser does."""

    def check(self, request: web.Request) -> None:
        """Raise `Misdirected` if a plain HTTP request names a host that is not this gateway."""
        header = request.headers.get("Host")
        if header in self._remembered:
            return
        host = _parse_host(header or "")
        if host in self._names or _OWN.fullmatch(host) or _is_address(host):
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered.add(header)
            return
        if not request.secure:
            raise Misdirected(
                message(
                    "the gateway is not called {host!r}: use its IP address or {own_host}, or add this name "
                    "to server.hosts in the settings",
                    host=host[:255],
                    own_host=self._own_host,
                )
            )


def _machine_names() -> Iterator[str]:
    machine = socket.gethostname()
    yield machine
    yield from (f"{machine.partition('.')[0]}.{domain}" for domain in _PRIVATE_DOMAINS)


def _list_configured_names(settings: Settings) -> Iterator[str]:
    yield settings.server.host
    yield from settings.server.hosts
    for url in (settings.hooks.public_url, settings.hooks.camera_url):
        if host := urlsplit(url).hostname:
            yield host


def _parse_host(header: str) -> str:
    """Return the host of a header, without its port; what is no host as it is."""
    try:
        return (urlsplit(f"//{header}").hostname or header).rstrip(".")
    except ValueError:
        return header


def _is_address(host: str) -> bool:
    """Tell whether a host is an IP address: such a page has no name that somebody could point elsewhere.

    It need not be one of this machine: a router or a container may forward a port.
    """
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
