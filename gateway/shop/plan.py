"""The site plan: the cameras of a shop as they shall be. It is checked as a whole before anything is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

MAX_CAMERAS: Final = 500
"""How many cameras a plan has at most."""
MAX_PLACE_LENGTH: Final = 100
"""How many characters the place of a camera may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiNetwork:
    """The Wi-Fi network of the shop, for cameras that are in hotspot mode."""

    ssid: str
    """Its name."""
    password: str = field(default="", repr=False)
    """Its password; blank if it is open."""
    hidden: bool = False
    """Whether it hides its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCamera:
    """One camera of a plan."""

    row: int
    """Where the list has it: the line of the file, or its number in the JSON list, from 1."""
    sn: str = ""
    """The serial number; empty if only the MAC address is given."""
    mac: str = ""
    """The MAC address, normalised; empty if only the serial number is given."""
    activation_number: str | None = field(default=None, repr=False)
    """The number to activate it with; None if it need not be activated, or once it is done."""
    name: str | None = None
    """The name that it shall have; None leaves its name alone."""
    place: str = ""
    """Where it hangs, for people."""
    settings: Mapping[str, int] = field(default_factory=dict)
    """Lens and detection settings, by the names in `plan_settings`; those of the whole list are included."""

    @property
    def label(self) -> str:
        """What people call it: its serial number, or else its MAC address."""
        return self.sn or self.mac

    def to_document(self) -> dict[str, Any]:
        """Return it as it is stored: without the activation number."""
        return {
            "row": self.row,
            "sn": self.sn,
            "mac": self.mac,
            "name": self.name,
            "place": self.place,
            "settings": dict(self.settings),
        }

    @classmethod
    def from_document(cls, document: Any, activation_number: str | None) -> Self:
        """Return a stored camera. Raises `KeyError` or `TypeError` for a malformed document."""
        return cls(
            **{name: document[name] for name in ("row", "sn", "mac", "name", "place", "settings")},
            activation_number=activation_number,
        )

    def has_same_values(self, other: Self) -> bool:
        """Tell whether another plan wants the same of this camera, wherever it stands in the list."""
        return {**self.to_document(), "row": 0} == {**other.to_document(), "row": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """A whole plan, checked."""

    cameras: tuple[PlannedCamera, ...]
    """Its cameras, in the order of the list."""
    wifi: WifiNetwork | None = None
    """The network that cameras in hotspot mode are put on; None if the plan and the settings name none."""
    ignored: tuple[str, ...] = ()
    """Columns and lines of the list that were not used, for people."""
