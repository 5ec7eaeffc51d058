"""Where events may be pushed: to hosts of the store's own network, and never to the gateway itself."""

import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.errors import FieldError, InvalidRequest

MAX_URL: Final = 2048
_LOCAL: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "::1/128",
                    "fc00::/7", "fe80::/10")
)  # fmt: skip


class Forbidden(OSError):
    """A name that leads to where nothing is pushed; the text tells where."""


class Reachable:
    """Judges addresses. `own` tells the gateway's own addresses now, `ports` are those that it serves."""

    def __init__(self, own: Callable[[], Collection[str]], ports: Collection[int] = ()) -> None:
        self._own = own
        self.ports = frozenset(ports)

    def check_url(self, url: str) -> None:
        """Raise `InvalidRequest` naming what is wrong with the address of a webhook.

        A host name is judged whenever it is looked up, see `LocalResolver`; an IP address here.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise _fault("is no URL") from None
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or len(url) > MAX_URL or not url.isprintable():
            raise _fault("must be an http:// or https:// address of a till, such as http://192.168.1.20:8000/events")
        if parts.username or parts.password or parts.fragment:
            raise _fault("must hold no user, password or fragment")
        if (reason := self.flaw(host, port)) is not None:
            raise _fault(reason)

    def flaw(self, host: str, port: int) -> str | None:
        """Return why nothing is pushed to an IP address, None where it is; for a name, as far as that tells."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return self._own_flaw(host, port) if host.rstrip(".").lower() == "localhost" else None
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address.version == network.version and address in network for network in _LOCAL):
            return f"{host} is not in the store's network: events are pushed to private addresses only"
        if address.is_loopback or str(address) in self._own():
            return self._own_flaw(host, port)
        return None

    def _own_flaw(self, host: str, port: int) -> str | None:
        return f"{host}:{port} is this gateway itself" if port in self.ports else None


class LocalResolver(AbstractResolver):
    """Looks names up, and lets only addresses pass to which events may be pushed: names can change what they mean."""

    def __init__(self, reachable: Reachable) -> None:
        self._reachable = reachable
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises `Forbidden` when there is none to which events may be pushed."""
        found = await self._resolver.resolve(host, port, family)
        flaws = {one["host"]: self._reachable.flaw(one["host"], port) for one in found}
        if all(flaws.values()):
            raise Forbidden(f"{host}: {'; '.join(filter(None, flaws.values())) or 'has no address'}")
        return [one for one in found if flaws[one["host"]] is None]

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


def _fault(reason: str) -> InvalidRequest:
    return InvalidRequest([FieldError("url", reason)])
