"""A device that discovery has found."""

from dataclasses import dataclass
from typing import Literal

FoundBy = Literal["broadcast", "mdns", "sweep", "address"]
"""How a device was found; `address` means at an address from the settings or from a caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredDevice:
    """What one method found out about a camera at one address."""

    address: str
    """`host:port` of its HTTPS service. The host is the source address of its frame, never the address inside it."""
    interface: str
    """Name of the network interface that leads there; empty if a router does."""
    found_by: FoundBy
    """The method that found it."""
    sn: str = ""
    """Serial number; empty if the device is unidentified."""
    mac: str = ""
    """MAC address in the usual notation, or empty."""
    model: str = ""
    """FM010, FM020 or empty."""
    name: str = ""
    """Name that a person gave it."""
    software_version: str = ""
    """Version of its firmware."""
    hotspot: bool = False
    """Whether it offers its own Wi-Fi network instead of being on the store's."""
    certificate_sha256: str = ""
    """Fingerprint of its TLS certificate; empty if there was no handshake with it in this scan."""
