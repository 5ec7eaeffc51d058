"""The addresses under which people open the console."""

import ipaddress
from typing import Final

from yarl import URL

from gateway.app import Gateway
from gateway.discovery.interfaces import find_lan_interfaces
from gateway.storage.state_directory import StateDirectory

_PATH: Final = "/console/"


def find_console_urls(gateway: Gateway) -> list[str]:
    """Return the addresses of the console, the one that most devices reach first.

    Some phones do not know `.local` names, so addresses come first.
    """
    served = URL(StateDirectory.load_address(gateway.directory.path) or "http://127.0.0.1/")
    port = served.port or gateway.settings.server.port
    host = gateway.settings.server.host
    is_any = host in ("0.0.0.0", "::")  # noqa: S104  compared, not bound
    hosts = [*_lan_addresses(), gateway.advertisement.host] if is_any else [host]
    return [str(URL.build(scheme="http", host=one, port=port, path=_PATH)) for one in hosts]


def find_sign_in_urls(gateway: Gateway, code: str) -> list[str]:
    """Return the addresses that sign in by themselves: the code is in the fragment, which no server and no log sees."""
    return [f"{url}sign-in#code={code}" for url in find_console_urls(gateway)]


def _lan_addresses() -> list[str]:
    interfaces = find_lan_interfaces()
    addresses = {one.address for one in interfaces if not one.is_loopback}
    return sorted(addresses, key=lambda address: ipaddress.ip_address(address).packed)
