"""The record of one camera: who it is, where it was seen, how it is trusted."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.discovery.device import FoundBy
from gateway.runtime.timestamps import utc_text

Activation = Literal["unknown", "not_activated", "activated", "other_owner"]
ClockSource = Literal["", "camera", "cloud", "own"]
"""Whose clock a call is signed by: the camera's `Date`, the cloud's, this machine's; empty if that is not known yet."""

MAX_FAILURES: Final = 3
"""After how many failed calls in a row a camera counts as gone from an address."""
MAX_TEXT_LENGTH: Final = 128
"""How many characters are kept of a text that a camera, or what claims to be one, says of itself."""
MAX_ADDRESSES: Final = 8
"""How many addresses of one camera are kept: two interfaces, and some that it had before."""

HOTSPOT_NETWORK: Final = ipaddress.ip_network("192.168.200.0/24")
"""The network of every camera's own hotspot (NOTES: Camera hotspot). A shop may have the same."""
HOTSPOT_HOST: Final = "192.168.200.1"
"""Where a camera is in its own hotspot."""

_SERIAL_NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


def is_serial_number(text: str) -> bool:
    """Tell whether a text can be a serial number: letters, digits and `._-`, so that it is safe in a path or a log."""
    return _SERIAL_NUMBER.fullmatch(text) is not None


def clean_text(text: str) -> str:
    """Return a text from the network without control characters, and not longer than `MAX_TEXT_LENGTH`."""
    printable = "".join(character for character in text[: 4 * MAX_TEXT_LENGTH] if character.isprintable())
    return printable.strip()[:MAX_TEXT_LENGTH]


@dataclass(slots=True)
class CameraAddress:
    """One address of a camera."""

    address: str
    """`host:port`."""
    interface: str
    """The network interface where it was seen; empty if unknown."""
    found_by: FoundBy
    """The discovery method that saw it last; "address" if a person or the stored state named it."""
    last_seen: float | None = None
    """When it was last seen or reached there, in Unix seconds. None if not since the gateway started."""
    seen_at: float | None = field(default=None, repr=False)
    """The same moment on the monotonic clock."""
    failures: int = field(default=0, repr=False)
    """How many calls in a row have failed there."""
    mac: str = field(default="", repr=False)
    """The MAC address that was announced there."""
    answered: bool = field(default=False, repr=False)
    """Whether it completed a TLS handshake there since the gateway started. Anybody can send a frame."""


@dataclass(slots=True, kw_only=True)
class StoredCamera:
    """What is stored of a camera: each field is a column of the table `camera`. Unknown texts are empty."""

    sn: str
    """The serial number, which is the camera's identity."""
    managed: bool = False
    """Whether a person said that this gateway manages it."""
    address: str = ""
    """The address to try first, `host:port`."""
    mac: str = ""
    """The MAC address, normalised."""
    model: str = ""
    """FM010 or FM020."""
    name: str = ""
    """The name that was given to it."""
    software_version: str = ""
    """The version of its firmware."""
    activation: Activation = "unknown"
    """The activation state, as far as there is proof."""
    certificate_sha256: str = ""
    """The pin: the SHA-256 of the trusted certificate."""
    clock: ClockSource = ""
    """The clock by which the camera accepted a signed call last."""
    first_seen: int
    """When it became known, in Unix seconds."""


@dataclass(slots=True, kw_only=True)
class CameraRecord(StoredCamera):
    """All that is known of a camera: what is stored, and whether and where it answers."""

    addresses: dict[str, CameraAddress] = field(default_factory=dict)
    """All its addresses, by `host:port`."""
    online: bool = False
    """Whether it was seen or reached lately."""
    duplicates: tuple[str, str] | None = None
    """Two addresses at which different devices announce the same serial number at the same time."""
    was_scanned: bool = False
    """Whether it was seen or missed since the gateway started. Before that nobody knows whether it is online."""
    last_seen: float | None = None
    """When it was last seen or reached, in Unix seconds."""
    seen_at: float | None = field(default=None, repr=False)
    """The same moment on the monotonic clock."""
    hotspot: bool = False
    """Whether it offers its own Wi-Fi network."""
    verified_address: str = ""
    """Where it proved the pin and, if activated, its serial number since the gateway started."""
    untrusted_sha256: str = ""
    """Another certificate than the pin, shown at one of its addresses. A person has to decide about it."""

    def __post_init__(self) -> None:
        """Make the stored address one of its addresses."""
        if self.address:
            self.ensure_address(self.address, "", "address")

    @property
    def can_prove_serial_number(self) -> bool:
        """Whether it can prove its identity anywhere: it is managed, and its `getInfo` is signed by its account."""
        return self.managed and self.activation == "activated"

    def shares_address(self, address: str) -> bool:
        """Tell whether any other camera may be at this address of it, as in a hotspot."""
        try:
            return self.hotspot or ipaddress.ip_address(address.rpartition(":")[0]) in HOTSPOT_NETWORK
        except ValueError:  # a host name
            return self.hotspot

    @property
    def is_on_network(self) -> bool:
        """Whether it has an address of its own in this network, as far as is known: it is not in hotspot mode."""
        return bool(self.address) and not self.hotspot and self.address.rpartition(":")[0] != HOTSPOT_HOST

    @property
    def has_answered(self) -> bool:
        """Whether it completed a TLS handshake at any of its addresses since the gateway started."""
        return any(seen.answered for seen in self.addresses.values())

    def find_interface(self, address: str) -> str:
        """Return the name of the interface where the camera was seen at an address; an empty text if unknown."""
        seen = self.addresses.get(address)
        return seen.interface if seen is not None else ""

    def candidate_addresses(self) -> list[str]:
        """Return the addresses to try: the preferred one, then the most recently seen."""
        others = (seen for seen in self.addresses.values() if seen.address != self.address)
        recent = sorted(others, key=lambda seen: seen.seen_at or 0.0, reverse=True)
        return [self.address] * bool(self.address) + [seen.address for seen in recent]

    def ensure_address(self, address: str, interface: str, found_by: FoundBy) -> CameraAddress:
        """Return the entry of an address, made if need be. Of too many, the one seen longest ago is dropped."""
        if address not in self.addresses:
            others = [other for other in self.candidate_addresses() if other != address]
            for superfluous in others[MAX_ADDRESSES - 1 :]:
                del self.addresses[superfluous]
            self.addresses[address] = CameraAddress(address, interface, found_by)
        return self.addresses[address]

    def describe(self) -> dict[str, Any]:
        """Return the camera as the REST API shows it."""
        return {
            "sn": self.sn,
            "managed": self.managed,
            "address": self.address or None,
            "addresses": [_describe_address(self.addresses[address]) for address in self.candidate_addresses()],
            "mac": self.mac or None,
            "model": self.model or None,
            "name": self.name,
            "software_version": self.software_version or None,
            "online": self.online if self.was_scanned else None,
            "activation": self.activation,
            "certificate_sha256": self.certificate_sha256 or None,
            "last_seen": _format_time(self.last_seen),
        }


def _describe_address(seen: CameraAddress) -> dict[str, Any]:
    return {
        "address": seen.address,
        "interface": seen.interface or None,
        "found_by": seen.found_by,
        "last_seen": _format_time(seen.last_seen),
    }


def _format_time(unix_s: float | None) -> str | None:
    return None if unix_s is None else utc_text(unix_s)
