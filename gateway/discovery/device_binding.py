"""Binding sockets to an interface, where several are in the same network but on different wires."""

import contextlib
import ipaddress
import socket
import sys
from typing import Final

from gateway.discovery.interfaces import find_lan_interfaces
from gateway.errors import SettingsError

_IP_BOUND_IF: Final = 25  # macOS: netinet/in.h
_IP_UNICAST_IF: Final = 31  # Windows: ws2ipdef.h


def bind_to_interface(opened: socket.socket, name: str) -> bool:
    """Let what a socket sends leave by an interface, whatever the routes are. Return False where the system forbids it.

    Linux allows it to everyone since 5.7.
    """
    try:
        if sys.platform == "linux":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
        elif sys.platform == "darwin":
            opened.setsockopt(socket.IPPROTO_IP, _IP_BOUND_IF, socket.if_nametoindex(name))
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_UNICAST_IF, socket.htonl(socket.if_nametoindex(name)))
    except OSError:
        return False
    return True


def can_bind_to_interface(name: str) -> bool:
    """Tell whether this process may bind sockets to an interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return bind_to_interface(probe, name)


def must_bind(name: str, host: str) -> bool:
    """Tell whether only a bound socket reaches a host through an interface: another one is in the same network."""
    if not name:
        return False
    with contextlib.suppress(SettingsError, ipaddress.AddressValueError):  # it is down; a host name
        return any(host in interface and interface.shares_network for interface in find_lan_interfaces([name]))
    return False
