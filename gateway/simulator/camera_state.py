"""What a simulated camera knows and remembers, and what its factory state is."""

from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import CameraModel

MAX_ZOOM: Final = 500
MAX_FOCUS: Final = 780
DEFAULT_GROUPS: Final = ("stranger", "regular")
"""The face groups that an activation makes (NOTES: Default face groups)."""


class SimulatedAccessPoint(NamedTuple):
    """A Wi-Fi network that the camera sees: `key_mgmt` is WPA-PSK, NONE or WEP."""

    ssid: str
    key_mgmt: str


@dataclass(slots=True)
class Lens:
    """Zoom, focus and focus point, in the camera's own units and in percent."""

    zoom: int = 0
    focus: int = 0
    focused_x: int = 50
    focused_y: int = 50


@dataclass(slots=True)
class DetectionConfig:
    """When and how readily motion and sound raise an alarm; times in minutes of the day."""

    motion_level: int = 2
    audio_level: int = 2
    weekday: int = 128
    start_time: int = 0
    stop_time: int = 1440


@dataclass(slots=True)
class CameraConfig:
    """What a factory reset puts back."""

    name: str
    lens: Lens = field(default_factory=Lens)
    detect: DetectionConfig = field(default_factory=DetectionConfig)
    irmode: int = 2
    led_switch: int = 1
    rotation: int = 0
    ssid: str = ""
    password: str = field(default="", repr=False)


RestartReason = Literal["wifi", "reset", "reboot"]


@dataclass(slots=True)
class CameraState:
    """A camera's memory.

    `owner` is the app_id that activated it. `hotspot` says that it offers its own Wi-Fi network, `cable` that it is on
    Ethernet, `internet` that the network it is on leads to the cloud. `card_status` is 0 to 3 as the camera tells it;
    `groups` are the names of its face groups, `hooks` the subscribed addresses by event. `pending_restart` is why it
    is about to leave the network, if it is.
    """

    sn: str
    model: CameraModel
    mac: str
    software_version: str
    default_name: str
    access_points: tuple[SimulatedAccessPoint, ...]
    hotspot: bool
    cable: bool
    internet: bool = True
    hardware_version: str = "1.0.0"
    ip: str = ""
    owner: str = ""
    card_status: int = 2
    groups: list[str] = field(default_factory=list)
    hooks: dict[str, str] = field(default_factory=dict)
    settings: CameraConfig = field(init=False)
    pending_restart: RestartReason | None = None

    def __post_init__(self) -> None:
        """Begin with factory settings."""
        self.settings = CameraConfig(self.default_name)

    @property
    def activated(self) -> bool:
        """Whether an account owns the camera."""
        return self.owner != ""

    @property
    def online(self) -> bool:
        """Whether the camera reaches the cloud."""
        return self.internet and (self.cable or self.wifi != "")

    @property
    def wifi(self) -> str:
        """The SSID of the Wi-Fi network that the camera is on, or nothing."""
        return "" if self.hotspot else self.settings.ssid

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.settings.name

    @property
    def zoom(self) -> int:
        """The zoom level."""
        return self.settings.lens.zoom

    @property
    def rotation(self) -> int:
        """The rotation of the image in degrees."""
        return self.settings.rotation

    @property
    def angles(self) -> tuple[int, ...]:
        """The rotations that the model offers (NOTES: Rotation)."""
        return (0, 90, 180, 270) if self.model == "FM010" else (0, 180)

    @property
    def spaced_mac(self) -> str:
        """The MAC address as the vendor's sample of getInfo prints it, trailing blank included."""
        return f"{normalise_mac(self.mac)} "

    def activate(self, app_id: str) -> None:
        """Take an owner; the face groups and subscriptions of before are lost."""
        self.owner = app_id
        self.hooks.clear()
        self.groups = list(DEFAULT_GROUPS)

    def factory_reset(self) -> None:
        """Go back to the factory state; face groups lie on the memory card and stay."""
        self.owner = ""
        self.hooks.clear()
        self.settings = CameraConfig(self.default_name)
        self.hotspot = True
