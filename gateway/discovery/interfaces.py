"""The network interfaces of this machine."""

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import netifaces

from firmware_tools.language import message
from gateway.discovery.interface_kinds import SYS_CLASS_NET, describe_virtual_interface
from gateway.errors import SettingsError

_PRIVATE = tuple(ipaddress.IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")


@dataclass(frozen=True, slots=True)
class Interface:
    """One IPv4 address of a network interface; an interface with two addresses counts twice."""

    name: str
    """Name of the interface, such as eth0."""
    address: str
    """IPv4 address of this machine."""
    netmask: str
    """Netmask, such as 255.255.255.0."""
    broadcast: str
    """Broadcast address of its network."""
    shares_network: bool = False
    """Whether another interface has an address in the same network, so that routes may lead to the wrong one."""

    @property
    def network(self) -> ipaddress.IPv4Network:
        """The network that is reached without a router."""
        return ipaddress.IPv4Network((self.address, self.netmask), strict=False)

    @property
    def is_loopback(self) -> bool:
        """Whether nothing sent here leaves the machine."""
        return ipaddress.IPv4Address(self.address).is_loopback

    @property
    def is_private(self) -> bool:
        """Whether the whole network lies within the private or link-local addresses (RFC 1918, RFC 3927)."""
        return any(self.network.subnet_of(private) for private in (*_PRIVATE, _LINK_LOCAL))

    def __contains__(self, host: str) -> bool:
        return ipaddress.IPv4Address(host) in self.network


def find_lan_interfaces(names: Sequence[str] = ()) -> list[Interface]:
    """Find the interfaces to use as they are now: the named ones, or all that may lead to a store's network.

    The latter are up and have a private IPv4 address. They are neither loopback nor the bridges and tunnels of
    containers, virtual machines and VPNs; `find_unused_interfaces` says what is left out. Raises `SettingsError` for a
    name that does not exist, is down or has no IPv4 address. Interfaces come and go, so the next call may succeed.
    """
    if names:
        return _mark_shared([interface for name in dict.fromkeys(names) for interface in _find_by_name(name)])
    return _mark_shared([interface for interface in _read_all_addresses() if not _find_reason(interface)])


def find_unused_interfaces() -> list[str]:
    """Find the interfaces that `find_lan_interfaces` leaves out, loopback aside, and say of each why."""
    unused = dict[str, str].fromkeys(netifaces.interfaces(), message("has no IPv4 address, or is down"))
    for interface in _read_all_addresses():
        reason = _find_reason(interface)
        if reason and not interface.is_loopback:
            unused[interface.name] = message("({address}) {reason}", address=interface.address, reason=reason)
        else:
            unused.pop(interface.name, None)
    return [message("{name} {reason}", name=name, reason=reason) for name, reason in unused.items() if name != "lo"]


def _find_reason(interface: Interface) -> str:
    """Return why discovery does not use an interface unless it is named."""
    if interface.is_loopback:
        return message("is loopback")
    kind = describe_virtual_interface(interface.name)
    if kind:
        return message("belongs to {kind}", kind=kind)
    if not interface.is_private:
        return message("is in {network}, which is no private network", network=interface.network)
    if interface.network.prefixlen > 30:
        return message("is in {network}, where there is no other host", network=interface.network)
    return ""


def _mark_shared(found: Sequence[Interface]) -> list[Interface]:
    everything = _read_all_addresses() if any(not interface.is_loopback for interface in found) else []
    return [
        replace(
            interface,
            shares_network=any(
                other.name != interface.name and other.network.overlaps(interface.network) for other in everything
            ),
        )
        for interface in found
    ]


def _read_all_addresses() -> list[Interface]:
    """Return the addresses of all interfaces that are up."""
    return [interface for name in netifaces.interfaces() if _is_up(name) for interface in _read_addresses(name)]


def find_own_addresses() -> set[str]:
    """Find every IP address of this machine as it is now."""
    found: set[str] = set()
    for name in netifaces.interfaces():
        with contextlib.suppress(ValueError):  # the interface has disappeared since it was listed
            addresses = netifaces.ifaddresses(name)
            entries = [*addresses.get(netifaces.AF_INET, []), *addresses.get(netifaces.AF_INET6, [])]
            found |= {str(entry["addr"]).partition("%")[0] for entry in entries}
    return found


def find_interface(interfaces: Iterable[Interface], host: str) -> Interface | None:
    """Return the interface with the smallest network that holds the host, or None if a router leads there."""
    local = [interface for interface in interfaces if host in interface]
    return max(local, key=lambda interface: interface.network.prefixlen, default=None)


def find_local_address(host: str) -> str:
    """Find the address from which this machine sends to a host, by the routes of the operating system.

    Nothing is sent. Raises `OSError` if the host is no IP address, or no route leads to it.
    """
    family, kind, _, _, target = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])


def find_mac_address(names: Sequence[str] = ()) -> str:
    """Find the MAC address of the first real interface by name, up or not. It is empty if there is none."""
    for name in sorted(names or netifaces.interfaces()):
        if name not in netifaces.interfaces() or describe_virtual_interface(name):
            continue
        for entry in netifaces.ifaddresses(name).get(netifaces.AF_LINK, []):
            if str(entry.get("addr", "")).strip("0:-"):
                return str(entry["addr"])
    return ""


def _find_by_name(name: str) -> list[Interface]:
    if name not in netifaces.interfaces():
        known = ", ".join(netifaces.interfaces()) or "none"
        raise SettingsError(
            message("discovery.interfaces: there is no interface {name!r}; there are: {known}", name=name, known=known)
        )
    found = _read_addresses(name)
    if not found or not _is_up(name):
        state = message("is down") if found else message("has no IPv4 address")
        raise SettingsError(
            message(
                "discovery.interfaces: {name} {state} now; is its cable or its Wi-Fi connected?", name=name, state=state
            )
        )
    return found


def _read_addresses(name: str) -> list[Interface]:
    try:
        entries = netifaces.ifaddresses(name).get(netifaces.AF_INET, [])
    except ValueError:  # the interface has disappeared since it was listed
        return []
    return [_build_interface(name, entry) for entry in entries if entry.get("addr") and entry.get("netmask")]


def _build_interface(name: str, entry: dict[str, str]) -> Interface:
    network = ipaddress.IPv4Network((entry["addr"], entry["netmask"]), strict=False)
    broadcast = "" if network.is_loopback else entry.get("broadcast", "")
    return Interface(name, entry["addr"], entry["netmask"], broadcast or str(network.broadcast_address))


def _is_up(name: str) -> bool:
    if sys.platform != "linux":
        return True  # elsewhere an interface that is down has no address
    try:
        state = (SYS_CLASS_NET / name / "operstate").read_text(encoding="ascii").strip()
    except OSError:
        return True  # a sandbox without /sys; the interface has an address
    return state not in ("down", "lowerlayerdown", "notpresent")
