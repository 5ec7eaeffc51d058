"""Addresses of cameras as people write them: `host` or `host:port`."""

import ipaddress
import re
from typing import Final

from firmware_tools.language import message
from gateway.protocol.host_name import is_host_name

_HOST: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z_.-]*[0-9A-Za-z.])?")
_NUMBER: Final = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)(\.(0[xX][0-9a-fA-F]+|[0-9]+))*\.?")


def find_address_problem(address: str) -> str:
    """Return in one sentence why no camera can be at an address; an empty text if one can."""
    if address.count(":") > 1 or address.startswith("["):
        return message("is an IPv6 address; cameras are reached by IPv4: give the address as 192.168.1.20")
    host, colon, port = address.partition(":")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return message("has no port from 1 to 65535 after the colon")
    try:
        ip = ipaddress.IPv4Address(host)
    except ValueError:
        if _NUMBER.fullmatch(host):
            return message("is a number; write an IPv4 address as four numbers from 0 to 255: 192.168.1.20")
        if _HOST.fullmatch(host) and is_host_name(host):
            return ""
        return message("is neither an IPv4 address nor the name of a host")
    if ip.is_unspecified:
        return message("means every address of this machine, and no camera's")
    if ip.is_multicast or ip == ipaddress.IPv4Address("255.255.255.255"):
        return message("is the address of many hosts, and not of one camera")
    return ""
