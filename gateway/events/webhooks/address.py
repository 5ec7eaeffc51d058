"""Addresses of webhooks: hosts of the store's own network, and never the gateway itself."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from firmware_tools.language import join, message
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.host_name import is_host_name

MAX_URL_LENGTH: Final = 2048
_LOCAL_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1/128", "fc00::/7", "fe80::/10")
)
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
"""The last part of a host that is an IPv4 address, in whatever form: `2130706433`, `0x7f.1` or `127.1`."""


class AddressNotAllowed(OSError):
    """A name stands for an address to which no events are sent. The text says which."""


class AddressPolicy:
    """Decides to which addresses events are sent."""

    def __init__(self, own_addresses: Callable[[], Collection[str]], ports: Collection[int] = ()) -> None:
        """Take what returns the gateway's own addresses, and the ports that it serves."""
        self.ports = frozenset(ports)
        """The ports that the gateway serves."""
        self._own_addresses = own_addresses

    def check_url(self, url: str) -> None:
        """Raise `InvalidRequest` if no events are sent to a URL.

        An IP address is checked here, a host name whenever it is looked up: see `LocalResolver`.
        """
        try:
            parts = urlsplit(url)
            port = (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port
        except ValueError:
            raise _invalid_url(message("is no URL")) from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or len(url) > MAX_URL_LENGTH or not url.isprintable():
            raise _invalid_url(
                message("must be an http:// or https:// address of a till, such as http://192.168.1.20:8000/events")
            )
        if parts.username or parts.password or parts.fragment:
            raise _invalid_url(message("must hold no user, password or fragment"))
        if port == 0:
            raise _invalid_url(message("must name a port from 1 to 65535"))
        if not _is_ip_address(host) and not _is_host_name(host):
            raise _invalid_url(
                message("{host} is neither a host name nor an IP address such as 192.168.1.20", host=host)
            )
        if (reason := self.find_objection(host, port)) is not None:
            raise _invalid_url(reason)

    def find_objection(self, host: str, port: int) -> str | None:
        """Return why no events are sent to an IP address, or None if they are. Of names, only `localhost` is known."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return self._find_own_port(host, port) if host.rstrip(".").lower() == "localhost" else None
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address.version == network.version and address in network for network in _LOCAL_NETWORKS):
            return message(
                "{host} is not in the store's network: events are pushed to private addresses only", host=host
            )
        if address.is_loopback or str(address) in self._own_addresses():
            return self._find_own_port(host, port)
        return None

    def _find_own_port(self, host: str, port: int) -> str | None:
        return message("{host}:{port} is this gateway itself", host=host, port=port) if port in self.ports else None


class LocalResolver(AbstractResolver):
    """Looks up names, and returns only addresses to which events are sent: a name can change what it stands for.

    It has threads of its own, one for each name at most. A name server that does not answer occupies the thread of its
    name, and no other name waits for it.
    """

    def __init__(self, policy: AddressPolicy, max_names: int) -> None:
        """Look up so many different names at the same time."""
        self._policy = policy
        self._threads = ThreadPoolExecutor(max_names, thread_name_prefix="webhook-names")
        self._lookups: dict[tuple[str, int, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises `AddressNotAllowed` if events are sent to none of them."""
        found = await self._look_up(host, port, family)
        objections = {one["host"]: self._policy.find_objection(one["host"], port) for one in found}
        if all(objections.values()):
            reasons = join("; ", filter(None, objections.values())) or message("has no address")
            raise AddressNotAllowed(message("{host}: {reasons}", host=host, reasons=reasons))
        return [one for one in found if objections[one["host"]] is None]

    async def close(self) -> None:
        """Wait for no lookup."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_up(self, host: str, port: int, family: int) -> list[ResolveResult]:
        key = (host, port, family)
        lookup = self._lookups.get(key)
        if lookup is None:
            loop = asyncio.get_running_loop()
            lookup = self._lookups[key] = loop.run_in_executor(self._threads, _get_addresses, host, port, family)
            lookup.add_done_callback(partial(self._forget, key))
        return await asyncio.shield(lookup)

    def _forget(self, key: tuple[str, int, int], lookup: asyncio.Future[list[ResolveResult]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # of interest to nobody when all who asked have given up meanwhile


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_host_name(host: str) -> bool:
    """Return whether a host is a name, rather than an IPv4 address in a form that only some programs read."""
    last = host.rstrip(".").rpartition(".")[2]
    return bool(_HOST_NAME.fullmatch(host)) and is_host_name(host) and not _NUMBER.fullmatch(last)


def _get_addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    """Ask the system for the addresses of a name. Runs in a thread; raises `OSError`."""
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    results: list[ResolveResult] = []
    for found, _, protocol, _, address in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM):
        # With the zone of an address that is link-local.
        numeric_host, _ = socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        results.append(
            ResolveResult(hostname=host, host=numeric_host, port=port, family=found, proto=protocol, flags=numeric)
        )
    return results


def _invalid_url(reason: str) -> InvalidRequest:
    return InvalidRequest([FieldError("url", reason)])
