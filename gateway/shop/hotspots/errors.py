"""What goes wrong with hotspots."""

from firmware_tools.language import message
from gateway.errors import CameraUnreachable, Conflict


class HotspotsUnavailable(Conflict):
    """The gateway cannot search for hotspots or join them here. The detail says why, and what to do."""

    title = message("The gateway cannot join the hotspots of cameras")
    advice = message("Do what `detail` says, or join the camera's hotspot by hand, as `cameras provision` asks for it.")

    def __init__(self, detail: str, *, is_absent: bool = False) -> None:
        super().__init__(detail)
        self.is_absent = is_absent
        """Whether this machine has not, or is not to use, what it takes: no fault of anything."""


class HotspotJoinFailed(CameraUnreachable):
    """A hotspot could not be joined. The Wi-Fi interface is back in its own network."""

    title = message("The camera's hotspot cannot be joined")
    advice = message("See that the camera is on and near, that its LED blinks green, then search for hotspots again.")


class WifiNotRestored(Conflict):
    """The Wi-Fi interface did not come back to its own network in time. What was done in the hotspot is done."""

    title = message("The Wi-Fi interface is not back in its own network")
    advice = message("Look at the Wi-Fi of this machine (`nmcli device`), and connect it again as `detail` says.")


class NetworkManagerError(Exception):
    """NetworkManager refused a call."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        """The name of the error, such as `org.freedesktop.NetworkManager.PermissionDenied`."""
