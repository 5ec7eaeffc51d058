"""Network interfaces of this machine that lead to the store's network."""

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import netifaces

from gateway.errors import SettingsError

_PRIVATE = tuple(ipaddress.IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")
_VIRTUAL = ("docker", "br-", "veth", "virbr", "lxc", "lxd", "cni", "podman", "flannel", "cali", "vmnet", "vboxnet",
            "tun", "tap", "utun", "wg", "ppp", "tailscale", "zt")  # fmt: skip
_SYS = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Interface:
    """One IPv4 address of a network interface; an interface with two addresses counts twice."""

    name: str
    address: str
    netmask: str
    broadcast: str

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


def lan_interfaces(names: Sequence[str] = ()) -> list[Interface]:
    """Return the interfaces to use as they are now: the named ones, else every one that leads to a store's network.

    Without names these are the interfaces that are up and have a private IPv4 address, but neither loopback nor the
    bridges and tunnels of containers, virtual machines and VPNs. Raises `SettingsError` for a name that does not exist
    now, is down or has no IPv4 address: interfaces come and go, so this may be over at the next call.
    """
    if names:
        return [interface for name in dict.fromkeys(names) for interface in _named(name)]
    return [
        interface
        for name in netifaces.interfaces()
        if not name.startswith(_VIRTUAL) and _is_up(name)
        for interface in _addresses(name)
        if interface.is_private and interface.network.prefixlen <= 30
    ]


def own_addresses() -> set[str]:
    """Return every IP address of this machine as it is now."""
    found: set[str] = set()
    for name in netifaces.interfaces():
        with contextlib.suppress(ValueError):  # the interface left since it was listed
            addresses = netifaces.ifaddresses(name)
            entries = [*addresses.get(netifaces.AF_INET, []), *addresses.get(netifaces.AF_INET6, [])]
            found |= {str(entry["addr"]).partition("%")[0] for entry in entries}
    return found


def covering(interfaces: Iterable[Interface], host: str) -> Interface | None:
    """Return the interface whose network holds the host, the narrowest first, or None where a router is needed."""
    fitting = [interface for interface in interfaces if host in interface]
    return max(fitting, key=lambda interface: interface.network.prefixlen, default=None)


def address_towards(host: str) -> str:
    """Return this machine's address as a host sees it: that from which it is called now, by the system's own routes.

    Nothing is sent. Raises `OSError` for what is no IP address and where no route leads to it.
    """
    family, kind, _, _, where = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(where)
        return str(probe.getsockname()[0])


def hardware_address(names: Sequence[str] = ()) -> str:
    """Return the MAC address that stays this machine's: of the first real interface by name, up or not, or ""."""
    for name in sorted(names or netifaces.interfaces()):
        if name.startswith(_VIRTUAL) or name not in netifaces.interfaces():
            continue
        for entry in netifaces.ifaddresses(name).get(netifaces.AF_LINK, []):
            if str(entry.get("addr", "")).strip("0:-"):
                return str(entry["addr"])
    return ""


def _named(name: str) -> list[Interface]:
    if name not in netifaces.interfaces():
        known = ", ".join(netifaces.interfaces()) or "none"
        raise SettingsError(f"discovery.interfaces: there is no interface {name!r}; there are: {known}")
    found = _addresses(name)
    if not found or not _is_up(name):
        state = "is down" if found else "has no IPv4 address"
        raise SettingsError(f"discovery.interfaces: {name} {state} now; is its cable or its Wi-Fi connected?")
    return found


def _addresses(name: str) -> list[Interface]:
    try:
        entries = netifaces.ifaddresses(name).get(netifaces.AF_INET, [])
    except ValueError:  # the interface left since it was listed
        return []
    return [_interface(name, entry) for entry in entries if entry.get("addr") and entry.get("netmask")]


def _interface(name: str, entry: dict[str, str]) -> Interface:
    network = ipaddress.IPv4Network((entry["addr"], entry["netmask"]), strict=False)
    told = "" if network.is_loopback else entry.get("broadcast", "")
    return Interface(name, entry["addr"], entry["netmask"], told or str(network.broadcast_address))


def _is_up(name: str) -> bool:
    if sys.platform != "linux":
        return True  # elsewhere an interface that is down has no address
    try:
        state = (_SYS / name / "operstate").read_text(encoding="ascii").strip()
    except OSError:
        return True  # a sandbox without /sys: its address is all there is to know
    return state not in ("down", "lowerlayerdown", "notpresent")
