"""A camera's hotspot, whether the gateway can join one, and the one that it has joined."""

import re
from dataclasses import dataclass
from typing import Final

from gateway.cameras.record import HOTSPOT_HOST

_SSID: Final = re.compile(rb"SUNMI[_ ]([0-9A-Fa-f]{4})")


@dataclass(frozen=True, slots=True)
class Hotspot:
    """The open Wi-Fi network of a camera that has not been set up."""

    ssid: str
    """Its name: `SUNMI_` and the last four digits of the camera's MAC address."""
    mac_digits: str
    """Those digits, in upper case."""
    bssid: str
    """The MAC address of the radio, as `04:12:24:E3:45:12`. Nothing proves it."""
    signal: int
    """The strength of the signal, in percent."""
    interface: str
    """The Wi-Fi interface that sees it."""

    def may_belong_to(self, mac: str) -> bool:
        """Tell whether a camera's MAC address (with colons) ends as the name says. Others may end so too."""
        return mac.upper().replace(":", "").endswith(self.mac_digits)


@dataclass(frozen=True, slots=True)
class HotspotSupport:
    """Whether the gateway can join hotspots here, and what that means for whom."""

    reason: str = ""
    """Why it cannot, and what to do about it. Empty if it can."""
    is_absent: bool = False
    """Whether it cannot since this machine has not, or is not to use, what it takes. Then nothing is wrong."""
    interface: str = ""
    """The Wi-Fi interface that it uses."""
    network: str = ""
    """The network that this interface leaves meanwhile, and comes back to. Empty if it is in none."""
    other_interfaces: tuple[str, ...] = ()
    """The interfaces that keep this machine in the shop's network meanwhile."""
    effect: str = ""
    """What will happen to whom, in one sentence for people."""

    @property
    def available(self) -> bool:
        """Whether the gateway can search for hotspots and join them."""
        return not self.reason

    @property
    def interrupts_shop(self) -> bool:
        """Whether this machine leaves the shop's network meanwhile: a person has to agree to that first."""
        return self.available and not self.other_interfaces and bool(self.network)


@dataclass(frozen=True, slots=True)
class JoinedHotspot:
    """The hotspot that an interface is in."""

    hotspot: Hotspot
    """The hotspot."""
    interface: str
    """The interface through which the camera is reached. Bind to it: all hotspots have the same addresses."""
    address: str
    """The IPv4 address of this machine there."""
    host: str = HOTSPOT_HOST
    """Where the camera is."""


def parse_hotspot_name(ssid: bytes) -> str:
    """Return the digits of a camera's hotspot in upper case, or an empty text for any other network.

    The name is bytes that anybody near can choose; only this form is ever shown or used.
    """
    found = _SSID.fullmatch(ssid)
    return found[1].decode("ascii").upper() if found is not None else ""
