"""The names and addresses at which tills reach this gateway, as they are now."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from gateway.discovery.advertisement import SHORT_HOST
from gateway.discovery.interfaces import lan_interfaces, own_addresses
from gateway.errors import SettingsError
from gateway.settings import Settings

_LABEL: Final = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_ANY_IPV4: Final = "0.0.0.0"  # noqa: S104  compared, not bound
_ANY: Final = "::"
_PRIVATE_IPV6: Final = ipaddress.ip_network("fc00::/7")


@dataclass(frozen=True, slots=True)
class Names:
    """Host names, the gateway's own first, and addresses, those on the store's network first."""

    hosts: tuple[str, ...]
    addresses: tuple[str, ...]


def present_names(settings: Settings, own_host: str) -> Names:
    """Return the names and addresses of this moment; `own_host` is the one under which the gateway announces itself."""
    machine = socket.gethostname().lower().rstrip(".")
    hosts = [own_host, SHORT_HOST, machine, f"{machine.partition('.')[0]}.local", settings.server.host.lower()]
    fitting = [host for host in hosts if _can_be_vouched_for(host)]
    return Names(tuple(dict.fromkeys([*fitting, "localhost"])), tuple(dict.fromkeys(_addresses(settings))))


def _addresses(settings: Settings) -> list[str]:
    host = settings.server.host
    if host not in (_ANY_IPV4, _ANY):
        return [host, "127.0.0.1"] if _is_address(host) else _of_interfaces(settings)
    found = _of_interfaces(settings)
    if host != _ANY:
        return found
    # No link-local ones: in a browser's address they cannot be written.
    return [*found, *(one for one in sorted(own_addresses()) if ipaddress.ip_address(one) in _PRIVATE_IPV6), "::1"]


def _of_interfaces(settings: Settings) -> list[str]:
    interfaces = lan_interfaces()
    for name in settings.discovery.interfaces:
        try:
            interfaces += lan_interfaces([name])
        except SettingsError:  # it has no address now
            continue
    return [*sorted(one.address for one in interfaces if not one.is_loopback), "127.0.0.1"]


def _can_be_vouched_for(host: str) -> bool:
    """Tell whether a name may stand among those that the authority is confined to.

    To permit a name is to permit all names below it. A single word of letters can be a top-level domain, as a machine
    called "store" shows, so such a one is not permitted.
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
