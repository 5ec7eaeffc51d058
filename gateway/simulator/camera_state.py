"""The memory of a simulated camera, and its factory settings."""

import secrets
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.protocol.mac_address import normalise_mac
from gateway.protocol.models import CameraModel

MAX_ZOOM: Final = 500
MAX_FOCUS: Final = 780
MAX_GROUPS: Final = 10
MAX_FACES: Final = 30_000
"""The faces of all groups together (NOTES: Face library limits)."""
DEFAULT_GROUP_CAPACITY: Final = 5000
DEFAULT_GROUPS: Final = ("stranger", "regular")
"""The face groups that an activation makes (NOTES: Default face groups)."""

_USUAL_RTSP_PORT: Final = 554
_MAX_STREAMS: Final = 64

RestartReason = Literal["wifi", "reset", "reboot"]
"""Why a camera leaves the network for a moment."""


class SimulatedAccessPoint(NamedTuple):
    """A Wi-Fi network in reach of a simulated camera."""

    ssid: str
    key_mgmt: str
    """How it is protected: WPA-PSK, NONE or WEP."""


@dataclass(slots=True)
class Lens:
    """The state of the lens."""

    zoom: int = 0
    """0 to `MAX_ZOOM`."""
    focus: int = 0
    """0 to `MAX_FOCUS`."""
    focused_x: int = 50
    """The focus point from the left, in percent."""
    focused_y: int = 50
    """The focus point from the top, in percent."""


@dataclass(slots=True)
class DetectionConfig:
    """When motion and sound raise an alarm, as the vendor's setDynamicDetect sets it."""

    motion_level: int = 2
    """The sensitivity to motion."""
    audio_level: int = 2
    """The sensitivity to sound."""
    weekday: int = 128
    """The days of the week as bits; 128 for always (NOTES: Detection period)."""
    start_time: int = 0
    """The begin, in minutes of the day."""
    stop_time: int = 1440
    """The end, in minutes of the day."""


@dataclass(slots=True)
class DoorLine:
    """The line that visitors are counted at, as the vendor's setDoorLine sets it (NOTES: Door line)."""

    resolution: int = 0
    """The picture that the coordinates refer to: 0 is 1920 x 1080, 1 is 1280 x 720."""
    start_x: int = 480
    """The left end, in pixels from the left."""
    start_y: int = 720
    """The left end, in pixels from the top."""
    end_x: int = 1440
    """The right end, in pixels from the left."""
    end_y: int = 720
    """The right end, in pixels from the top."""


@dataclass(slots=True)
class CameraConfig:
    """What a factory reset puts back."""

    name: str
    """The name that a person gave the camera."""
    lens: Lens = field(default_factory=Lens)
    """Zoom and focus."""
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    """When motion and sound raise an alarm."""
    irmode: int = 2
    """Night vision, as the vendor numbers its modes."""
    led_switch: int = 1
    """1 if the LED is on."""
    rotation: int = 0
    """The rotation of the image in degrees."""
    door_line: DoorLine = field(default_factory=DoorLine)
    """The line that visitors are counted at."""
    ssid: str = ""
    """The Wi-Fi network to join; empty for none."""
    password: str = field(default="", repr=False)
    """Its password."""


@dataclass(slots=True)
class CameraState:
    """The memory of a camera."""

    sn: str
    """The serial number."""
    model: CameraModel
    """The model."""
    mac: str
    """The MAC address."""
    software_version: str
    """The version of the firmware."""
    default_name: str
    """The name of a factory-new camera."""
    access_points: tuple[SimulatedAccessPoint, ...]
    """The Wi-Fi networks in reach."""
    hotspot: bool
    """Whether the camera offers its own Wi-Fi network."""
    cable: bool
    """Whether the camera is on Ethernet."""
    internet: bool = True
    """Whether the store's network leads to the cloud."""
    hardware_version: str = "1.0.0"
    """The version of the hardware."""
    ip: str = ""
    """The IP address."""
    rtsp_port: int = 554
    """The port of its streams."""
    streams: dict[str, float] = field(default_factory=dict)
    """The streams that it has named, by path: how long each is, in seconds."""
    owner: str = ""
    """The app_id that activated the camera; empty before."""
    card_status: int = 2
    """The memory card: 0 missing, 1 not formatted, 2 working, 3 unknown."""
    groups: dict[str, int] = field(default_factory=dict)
    """The capacity of each of its face groups, by name."""
    hooks: dict[str, str] = field(default_factory=dict)
    """The callback URL of each event that somebody has subscribed to."""
    config: CameraConfig = field(init=False)
    """What a factory reset puts back."""
    pending_restart: RestartReason | None = None
    """Why the camera leaves the network after the present call, if it does."""

    def __post_init__(self) -> None:
        """Begin with factory settings."""
        self.config = CameraConfig(self.default_name)

    @property
    def activated(self) -> bool:
        """Whether an account owns the camera."""
        return self.owner != ""

    @property
    def reaches_cloud(self) -> bool:
        """Whether the camera reaches the cloud."""
        return self.internet and (self.cable or self.wifi != "")

    @property
    def wifi(self) -> str:
        """The SSID of the Wi-Fi network that the camera is on; empty for none."""
        return "" if self.hotspot else self.config.ssid

    @property
    def name(self) -> str:
        """The camera's name."""
        return self.config.name

    @property
    def zoom(self) -> int:
        """The zoom level."""
        return self.config.lens.zoom

    @property
    def rotation_angles(self) -> tuple[int, ...]:
        """The rotations that the model offers, in degrees (NOTES: Rotation)."""
        return (0, 90, 180, 270) if self.model == "FM010" else (0, 180)

    @property
    def printed_mac(self) -> str:
        """The MAC address as the vendor's sample of getInfo prints it, with a blank behind it."""
        return f"{normalise_mac(self.mac)} "

    def open_stream(self, name: str, duration_s: float) -> str:
        """Return the address of a new stream. The oldest is forgotten."""
        path = f"/{secrets.token_hex(16).upper()}/{name}.sdp"
        self.streams[path] = duration_s
        while len(self.streams) > _MAX_STREAMS:
            del self.streams[next(iter(self.streams))]
        port = "" if self.rtsp_port == _USUAL_RTSP_PORT else f":{self.rtsp_port}"
        return f"rtsp://{self.ip}{port}{path}"

    def activate(self, app_id: str) -> None:
        """Take an owner. Face groups and subscriptions are lost."""
        self.owner = app_id
        self.hooks.clear()
        self.groups = dict.fromkeys(DEFAULT_GROUPS, DEFAULT_GROUP_CAPACITY)

    def factory_reset(self) -> None:
        """Go back to the factory state. Face groups stay: they lie on the memory card."""
        self.owner = ""
        self.hooks.clear()
        self.config = CameraConfig(self.default_name)
        self.hotspot = True
