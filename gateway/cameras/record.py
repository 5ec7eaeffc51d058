"""The record of one camera: who it is, where it was seen, how it is trusted."""

import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Self

from gateway.cameras.table import Activation, StoredCamera
from gateway.discovery.device import FoundBy
from gateway.runtime.timestamps import utc_text

MISSES_UNTIL_GONE: Final = 3
"""How often in a row a camera may fail to answer at an address before it counts as gone from there."""
MAX_TEXT: Final = 128
"""How many characters are kept of anything that a camera, or what claims to be one, says of itself."""
MAX_ADDRESSES: Final = 8
"""How many addresses of one camera are remembered: two interfaces, and some that it had before."""

_SERIAL_NUMBER: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


def is_serial_number(text: str) -> bool:
    """Tell whether a text can be a serial number: letters, digits and `._-`, so that it is safe in a path or a log."""
    return _SERIAL_NUMBER.fullmatch(text) is not None


def clean_text(text: str) -> str:
    """Return a text from the network without control characters, and not longer than `MAX_TEXT`."""
    return "".join(character for character in text[: 4 * MAX_TEXT] if character.isprintable()).strip()[:MAX_TEXT]


@dataclass(slots=True)
class AddressSeen:
    """One address of a camera, `host:port`, and when it was last seen or reached there.

    `found_by` is "address" for an address that a person or the stored state named. `seen_at` is the same moment as
    `last_seen`, on the monotonic clock; both are None when the camera was not seen there since the gateway started.
    """

    address: str
    interface: str
    found_by: FoundBy
    last_seen: float | None = None
    seen_at: float | None = field(default=None, repr=False)
    misses: int = field(default=0, repr=False)


@dataclass(slots=True, kw_only=True)
class CameraRecord:
    """What is known of a camera. Unknown texts are empty, times are Unix seconds.

    `address` is the one to try first, empty when none is known. `verified_address` is the one at which the pin and,
    once activated, the serial number were proved since the gateway started, empty when there was no such proof.
    `shown_sha256` is another certificate than the pin that something at its address has shown, until a person decides.
    """

    sn: str
    first_seen: int
    managed: bool = False
    address: str = ""
    addresses: dict[str, AddressSeen] = field(default_factory=dict)
    mac: str = ""
    model: str = ""
    name: str = ""
    software_version: str = ""
    online: bool = False
    activation: Activation = "unknown"
    certificate_sha256: str = ""
    last_seen: float | None = None
    shown_sha256: str = ""
    hotspot: bool = False
    verified_address: str = ""
    seen_at: float | None = field(default=None, repr=False)

    @classmethod
    def from_stored(cls, stored: StoredCamera) -> Self:
        """Begin with what is stored; nothing was seen yet."""
        camera = cls(**asdict(stored))
        if camera.address:
            camera.addresses[camera.address] = AddressSeen(camera.address, "", "address")
        return camera

    def to_stored(self) -> StoredCamera:
        """Return what is to be stored: who it is and how it is reached and trusted, not whether it answers."""
        return StoredCamera(**{column.name: getattr(self, column.name) for column in fields(StoredCamera)})

    @property
    def proves_its_serial_number(self) -> bool:
        """Whether it can show at any address who it is: it is ours, and answers a signed call with its number."""
        return self.managed and self.activation == "activated"

    def candidates(self) -> list[str]:
        """Return the addresses to try: the preferred one, then the most recently seen."""
        others = (seen for seen in self.addresses.values() if seen.address != self.address)
        recent = sorted(others, key=lambda seen: seen.seen_at or 0.0, reverse=True)
        return [self.address] * bool(self.address) + [seen.address for seen in recent]

    def note_address(self, address: str, interface: str, found_by: FoundBy) -> AddressSeen:
        """Return the entry of an address, made if need be; the oldest of too many is forgotten."""
        if address not in self.addresses:
            for superfluous in self.candidates()[MAX_ADDRESSES - 1 :]:
                del self.addresses[superfluous]
            self.addresses[address] = AddressSeen(address, interface, found_by)
        return self.addresses[address]

    def describe(self) -> dict[str, Any]:
        """Return the camera as the local REST interface shows it."""
        return {
            "sn": self.sn,
            "managed": self.managed,
            "address": self.address or None,
            "addresses": [_described(self.addresses[address]) for address in self.candidates()],
            "mac": self.mac or None,
            "model": self.model or None,
            "name": self.name,
            "software_version": self.software_version or None,
            "online": self.online,
            "activation": self.activation,
            "certificate_sha256": self.certificate_sha256 or None,
            "last_seen": _time(self.last_seen),
        }


def _described(seen: AddressSeen) -> dict[str, Any]:
    return {
        "address": seen.address,
        "interface": seen.interface or None,
        "found_by": seen.found_by,
        "last_seen": _time(seen.last_seen),
    }


def _time(unix_s: float | None) -> str | None:
    return None if unix_s is None else utc_text(unix_s)
