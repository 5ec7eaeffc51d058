"""Hosts of a chain as network namespaces on one bridge, so that the line of each can be cut; or this machine alone.

The process that makes namespaces must be in namespaces of its own, with a `/run/netns` that nobody else sees:
`UNSHARE` starts it so. There is no way out of them.
"""

import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

UNSHARE: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
"""Starts a program in namespaces of its own, which end with it."""
_BRIDGE: Final = "chain"
_NETWORK: Final = "10.77.0"
_OWN: Final = f"{_NETWORK}.254"
_NOBODYS_PORT: Final = 9
"""A port at which no host listens: it refuses at once."""


class HostPlace(NamedTuple):
    """Where a host is."""

    address: str
    """Its address."""
    begin: Sequence[str]
    """What begins a command that runs there."""


class LoneHost:
    """One machine: all is on loopback, and no line can be cut."""

    can_cut = False

    def __init__(self, begin: Mapping[str, Sequence[str]] | None = None) -> None:
        """Take what begins commands, by the names of hosts."""
        self._begin = begin or {}

    def add(self, name: str) -> HostPlace:
        """Return the only place that there is."""
        return HostPlace("127.0.0.1", self._begin.get(name, ()))


class BridgedHosts:
    """Namespaces on a bridge, at which this process is, too."""

    can_cut = True

    def __init__(self) -> None:
        self._names: list[str] = []
        for command in (
            "mount --make-rprivate /",
            "mount -t proc proc /proc",
            "mkdir -p /run/netns",
            "mount -t tmpfs tmpfs /run/netns",
            "ip link set lo up",
            f"ip link add {_BRIDGE} type bridge forward_delay 0",
            f"ip address add {_OWN}/24 dev {_BRIDGE}",
            f"ip link set {_BRIDGE} up",
        ):
            _run(*command.split())

    def add(self, name: str) -> HostPlace:
        """Make a host."""
        self._names.append(name)
        address = self._address(name)
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", self._port(name), "type", "veth", "peer", "name", "eth0", "netns", name)
        _run("ip", "link", "set", self._port(name), "master", _BRIDGE, "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        return HostPlace(address, ("ip", "netns", "exec", name))

    def cut(self, name: str) -> None:
        """Let nothing through to a host or from it. Connections stay open at both ends."""
        _run("ip", "link", "set", self._port(name), "nomaster")

    def reaches(self, name: str) -> bool:
        """Return whether a host can be reached from here. It takes a second if not."""
        try:
            socket.create_connection((self._address(name), _NOBODYS_PORT), timeout=1).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True

    def mend(self, name: str) -> None:
        """Let everything through again."""
        _run("ip", "link", "set", self._port(name), "master", _BRIDGE)

    def _address(self, name: str) -> str:
        return f"{_NETWORK}.{self._names.index(name) + 1}"

    def _port(self, name: str) -> str:
        return f"port{self._names.index(name)}"


Hosts = LoneHost | BridgedHosts


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
