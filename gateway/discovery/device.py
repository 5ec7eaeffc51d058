"""One sighting of a camera: what a discovery method saw, at which address."""

from dataclasses import dataclass
from typing import Literal

FoundBy = Literal["broadcast", "mdns", "sweep", "address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveredDevice:
    """What one method saw once. Without `sn` the camera is unidentified: something answers there, nobody knows who.

    `address` is `host:port` of its HTTPS service, built from the datagram's source address and never from what a frame
    claims. `model` is FM010, FM020 or empty; `mac` is normalised or empty. `hotspot` says that the camera offers its
    own Wi-Fi network instead of being on the store's.
    """

    address: str
    interface: str
    found_by: FoundBy
    sn: str = ""
    mac: str = ""
    model: str = ""
    name: str = ""
    software_version: str = ""
    hotspot: bool = False
    certificate_sha256: str = ""
