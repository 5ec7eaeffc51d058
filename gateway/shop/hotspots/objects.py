"""The objects of NetworkManager as they were at one moment, and the numbers that it uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

NAME: Final = "org.freedesktop.NetworkManager"
ROOT: Final = "/org/freedesktop/NetworkManager"
NO_OBJECT: Final = "/"
"""The path that NetworkManager gives where there is no object."""

WIFI: Final = 2
"""The type of a Wi-Fi device."""
STATE_UNMANAGED: Final = 10
STATE_DISCONNECTED: Final = 30
STATE_PREPARE: Final = 40
STATE_ACTIVATED: Final = 100
STATE_DEACTIVATING: Final = 110
STATE_FAILED: Final = 120
"""States of a device, in the order in which it passes through them."""

T = TypeVar("T")

Settings = Mapping[str, Mapping[str, tuple[str, object]]]
"""The settings of a profile: for each group and name the D-Bus type of a value, and the value."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A device has changed its state."""

    state: int
    """The new state."""
    reason: int
    """Why, as a number of NetworkManager's `NMDeviceStateReason`."""


class Objects:
    """All objects of NetworkManager, as they were at one moment. A property that is missing has its default."""

    def __init__(self, objects: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self._objects = objects

    def list_paths(self, interface: str) -> list[str]:
        """Return the paths of the objects that have an interface, in order."""
        return sorted(path for path, found in self._objects.items() if f"{NAME}.{interface}" in found)

    def read(self, path: str, interface: str, name: str, default: T) -> T:
        """Return a property of the default's type; the default if there is no such thing."""
        suffix = f".{interface}" if interface else ""
        value = self._objects.get(path, {}).get(f"{NAME}{suffix}", {}).get(name)
        return value if isinstance(value, type(default)) else default
