"""The networks that a scan may use, and the addresses in them that it tries."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from firmware_tools.language import describe_error, join, message
from gateway.discovery.device import FoundBy
from gateway.discovery.interfaces import (
    Interface,
    find_interface,
    find_lan_interfaces,
    find_unused_interfaces,
)
from gateway.errors import SettingsError
from gateway.settings import DiscoverySettings

MAX_NETWORK_ADDRESSES: Final = 1024
"""The largest network that is swept, in addresses."""
MAX_NAMED_NETWORK_ADDRESSES: Final = 65536
"""The largest network that is swept if the settings name its interface."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address to try."""

    host: str
    """IPv4 address."""
    port: int
    """TCP port."""
    interface: Interface | None
    """The interface whose network holds it; None if a router leads there."""
    found_by: FoundBy
    """The method that tries it."""


@dataclass(frozen=True, slots=True)
class ScanScope:
    """The interfaces that a scan may use."""

    interfaces: tuple[Interface, ...]
    """The interfaces that are up."""
    problems: tuple[str, ...]
    """What is wrong with the others."""
    loopback_only: bool
    """Whether nothing outside of the interfaces' networks may be contacted: the settings name interfaces, and of those
    only loopback is up, or none."""
    named: bool
    """Whether the settings name the interfaces."""

    @classmethod
    def detect(cls, settings: DiscoverySettings) -> Self:
        """Look up the interfaces as they are now. A missing one is a problem of the scope, not an error."""
        interfaces: list[Interface] = []
        problems = []
        if settings.interfaces:
            for name in settings.interfaces:
                try:
                    interfaces += find_lan_interfaces([name])
                except SettingsError as exc:
                    problems.append(describe_error(exc))
        else:
            interfaces = find_lan_interfaces()
            if not interfaces:
                unused = join("; ", find_unused_interfaces()) or message("there is none but loopback")
                problems.append(message("no interface is up that leads to a store's network: {unused}", unused=unused))
        named = bool(settings.interfaces)
        loopback_only = named and all(interface.is_loopback for interface in interfaces)
        return cls(tuple(dict.fromkeys(interfaces)), tuple(problems), loopback_only, named)

    async def resolve_target(self, address: str, port: int, found_by: FoundBy) -> Target:
        """Return the target at `host` or `host:port`. Raises `ValueError` with the reason if there is none.

        A host name is looked up, unless only loopback may be used: the query would leave the machine.
        """
        name, _, own_port = address.partition(":")
        host = await self._look_up("127.0.0.1" if name == "localhost" else name, address)
        interface = find_interface(self.interfaces, host)
        if interface is None and self.loopback_only:
            raise ValueError(
                message(
                    "{address}: lies outside of the interfaces to which discovery.interfaces confines", address=address
                )
            )
        return Target(host, int(own_port) if own_port else port, interface, found_by)

    async def _look_up(self, name: str, address: str) -> str:
        with contextlib.suppress(ValueError):
            return str(ipaddress.IPv4Address(name))  # nearly always, and without a thread
        flags = socket.AI_NUMERICHOST if self.loopback_only else 0
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, family=socket.AF_INET, flags=flags)
        except (OSError, UnicodeError) as exc:
            reason = exc if isinstance(exc, OSError) else message("it is no host name")
            raise ValueError(
                message("{address}: cannot be looked up: {reason}", address=address, reason=reason)
            ) from exc
        return str(found[0][4][0])

    async def resolve_targets(
        self, addresses: Iterable[str], port: int, found_by: FoundBy, *, until: float
    ) -> tuple[list[Target], list[str]]:
        """Return the targets at several addresses, and the reasons why others have none."""

        async def resolve(address: str) -> Target | str:
            try:
                async with asyncio.timeout_at(until):
                    return await self.resolve_target(address, port, found_by)
            except TimeoutError:
                return message("{address}: was not looked up in time", address=address)
            except ValueError as exc:
                return describe_error(exc)

        results = await asyncio.gather(*map(resolve, addresses))
        targets = [result for result in results if isinstance(result, Target)]
        return list(dict.fromkeys(targets)), [result for result in results if isinstance(result, str)]

    def list_network_targets(self, port: int) -> tuple[list[Target], list[str]]:
        """Return every address of the interfaces' networks, and the reasons why networks are left out.

        An address in the network of several interfaces is tried through each: they may be on different wires.
        """
        targets: dict[tuple[ipaddress.IPv4Address, str], Target] = {}
        problems = []
        for interface in self.interfaces:
            problem = self._find_problem(interface)
            if problem:
                problems.append(problem)
            elif not interface.is_loopback:  # it has 16 million addresses; only known ones are tried
                for address in interface.network.hosts():
                    targets.setdefault((address, interface.name), Target(str(address), port, interface, "sweep"))
        own = {interface.address for interface in self.interfaces}
        return [target for target in targets.values() if target.host not in own], problems

    def _find_problem(self, interface: Interface) -> str | None:
        """Return why the interface's network is not swept."""
        network = interface.network
        if interface.is_loopback:
            return None
        if not interface.is_private:
            return message(
                "{interface}: {network} is no private network; name its cameras in discovery.addresses",
                interface=interface.name,
                network=network,
            )
        if network.num_addresses > (MAX_NAMED_NETWORK_ADDRESSES if self.named else MAX_NETWORK_ADDRESSES):
            choice = message("its cameras in discovery.addresses")
            if network.num_addresses <= MAX_NAMED_NETWORK_ADDRESSES:
                choice = message("its cameras in discovery.addresses or the interface in discovery.interfaces")
            return message(
                "{interface}: {network} has {count} addresses, too many to try; name {choice}",
                interface=interface.name,
                network=network,
                count=network.num_addresses,
                choice=choice,
            )
        return None
