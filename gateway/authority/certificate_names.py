"""The host names and addresses for which the HTTPS certificate is issued."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from gateway.discovery.advertisement import SHORT_HOST
from gateway.discovery.interfaces import find_lan_interfaces, find_own_addresses
from gateway.errors import SettingsError
from gateway.settings import Settings

_LABEL: Final = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_ANY_IPV4: Final = "0.0.0.0"  # noqa: S104  compared, not bound
_ANY: Final = "::"
_PRIVATE_IPV6: Final = ipaddress.ip_network("fc00::/7")


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names and addresses at which tills reach this gateway."""

    hosts: tuple[str, ...]
    """Host names, the gateway's own first."""
    addresses: tuple[str, ...]
    """IP addresses, those on the store's network first."""


def find_certificate_names(settings: Settings, own_host: str) -> CertificateNames:
    """Find the current names and addresses. `own_host` is the host name that the gateway advertises."""
    machine = socket.gethostname().lower().rstrip(".")
    hosts = [own_host, SHORT_HOST, machine, f"{machine.partition('.')[0]}.local", settings.server.host.lower()]
    certifiable = [*(host for host in hosts if _is_certifiable(host)), "localhost"]
    return CertificateNames(tuple(dict.fromkeys(certifiable)), tuple(dict.fromkeys(_find_addresses(settings))))


def _find_addresses(settings: Settings) -> list[str]:
    host = settings.server.host
    if host not in (_ANY_IPV4, _ANY):
        return [host, "127.0.0.1"] if _is_address(host) else _interface_addresses(settings)
    found = _interface_addresses(settings)
    if host != _ANY:
        return found
    # Without link-local addresses: a browser does not take them.
    private = [address for address in sorted(find_own_addresses()) if ipaddress.ip_address(address) in _PRIVATE_IPV6]
    return [*found, *private, "::1"]


def _interface_addresses(settings: Settings) -> list[str]:
    interfaces = find_lan_interfaces()
    for name in settings.discovery.interfaces:
        try:
            interfaces += find_lan_interfaces([name])
        except SettingsError:  # the interface has no address now
            continue
    return [*sorted(interface.address for interface in interfaces if not interface.is_loopback), "127.0.0.1"]


def _is_certifiable(host: str) -> bool:
    """Return whether a name may be among the authority's name constraints.

    A constraint permits all names below the name, too. A single word of letters can be a top-level domain, such as
    "store", so it is left out.
    """
    if not _HOST.fullmatch(host) or _is_address(host) or host.startswith("localhost."):
        return False
    return "." in host or not host.isalpha()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
