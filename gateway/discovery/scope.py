"""The networks around the gateway at this moment, and the addresses in them that are worth a try."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from gateway.discovery.device import FoundBy
from gateway.discovery.interfaces import Interface, covering, lan_interfaces
from gateway.errors import SettingsError
from gateway.settings import DiscoverySettings

MOST_ADDRESSES: Final = 1024
MOST_ADDRESSES_NAMED: Final = 65536
"""The largest network that is swept at all: that of an interface which the settings name."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to try. `interface` is the one whose network holds it, None where a router is needed."""

    host: str
    port: int
    interface: Interface | None
    found_by: FoundBy


@dataclass(frozen=True, slots=True)
class ScanScope:
    """The interfaces that discovery may use now, and what is wrong with them, in words.

    `confined` says that nothing beyond the interfaces' own networks may be spoken to: the settings name interfaces, and
    of those there is only loopback, or none.
    """

    interfaces: tuple[Interface, ...]
    problems: tuple[str, ...]
    confined: bool
    named: bool

    @classmethod
    def now(cls, settings: DiscoverySettings) -> Self:
        """Look at the interfaces as they are now; one that is missing is a problem, not an error."""
        interfaces: list[Interface] = []
        problems = []
        if settings.interfaces:
            for name in settings.interfaces:
                try:
                    interfaces += lan_interfaces([name])
                except SettingsError as exc:
                    problems.append(str(exc))
        else:
            interfaces = lan_interfaces()
            if not interfaces:
                problems.append("no interface is up that has a private IPv4 address; name one in discovery.interfaces")
        named = bool(settings.interfaces)
        confined = named and all(interface.is_loopback for interface in interfaces)
        return cls(tuple(dict.fromkeys(interfaces)), tuple(problems), confined, named)

    async def target(self, text: str, port: int, found_by: FoundBy) -> Target:
        """Return the target for `host` or `host:port`. Raises `ValueError` with the reason why there is none.

        A name is looked up, unless that would be the first thing to leave a machine confined to loopback.
        """
        name, _, own_port = text.partition(":")
        name = "127.0.0.1" if name == "localhost" else name
        flags = socket.AI_NUMERICHOST if self.confined else 0
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET, flags=flags)
        except (OSError, UnicodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no host name"
            raise ValueError(f"{text}: cannot be looked up: {reason}") from exc
        host = str(found[0][4][0])
        interface = covering(self.interfaces, host)
        if interface is None and self.confined:
            raise ValueError(f"{text}: lies outside of the interfaces to which discovery.interfaces confines")
        return Target(host, int(own_port) if own_port else port, interface, found_by)

    async def targets(
        self, texts: Iterable[str], port: int, found_by: FoundBy, *, until: float
    ) -> tuple[list[Target], list[str]]:
        """Return the targets for several addresses, and the reasons where there is none."""

        async def one(text: str) -> Target | str:
            try:
                async with asyncio.timeout_at(until):
                    return await self.target(text, port, found_by)
            except TimeoutError:
                return f"{text}: was not looked up in time"
            except ValueError as exc:
                return str(exc)

        results = await asyncio.gather(*(one(text) for text in texts))
        found = [result for result in results if isinstance(result, Target)]
        return list(dict.fromkeys(found)), [result for result in results if isinstance(result, str)]

    def network_targets(self, port: int) -> tuple[list[Target], list[str]]:
        """Return every address of the interfaces' networks, and the reasons why a network is left out."""
        targets: dict[ipaddress.IPv4Address, Target] = {}
        problems = []
        for interface in self.interfaces:
            reason = self._too_much(interface)
            if reason:
                problems.append(reason)
            elif not interface.is_loopback:  # it has 16 million addresses; only known ones are tried
                for address in interface.network.hosts():
                    targets.setdefault(address, Target(str(address), port, interface, "sweep"))
        own = {interface.address for interface in self.interfaces}
        return [target for target in targets.values() if target.host not in own], problems

    def _too_much(self, interface: Interface) -> str | None:
        network = interface.network
        if interface.is_loopback:
            return None
        if not interface.is_private:
            return f"{interface.name}: {network} is no private network; name its cameras in discovery.addresses"
        if network.num_addresses > (MOST_ADDRESSES_NAMED if self.named else MOST_ADDRESSES):
            choice = "its cameras in discovery.addresses"
            if network.num_addresses <= MOST_ADDRESSES_NAMED:
                choice += " or the interface in discovery.interfaces"
            return f"{interface.name}: {network} has {network.num_addresses} addresses, too many to try; name {choice}"
        return None
