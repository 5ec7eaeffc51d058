"""A simulated store: cameras and a cloud on loopback, and the settings by which a gateway uses them."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import StateError
from gateway.protocol.models import CameraModel
from gateway.simulator.camera import NETWORKS, SimulatedCamera
from gateway.simulator.cloud import SHOPS, SimulatedCloud
from gateway.simulator.discovery import DiscoveryResponder
from gateway.simulator.ports import find_free_port

WIFI_SSID: Final = NETWORKS[0].ssid
WIFI_PASSWORD: Final = "plenty-of-coffee"  # noqa: S105 - of a network that does not exist
APP_ID: Final = "EF3OG8R5B32X0"
SECRET_KEY: Final = "kdsofkdsnflke9382938k"  # noqa: S105 - the notes' worked example
MAX_CAMERAS: Final = 100
_LOOPBACK_BROADCAST: Final = "127.255.255.255"
_MODELS: Final[Sequence[CameraModel]] = ("FM020", "FM010")
_SN_PREFIX: Final[dict[CameraModel, str]] = {"FM010": "SS101D8BS", "FM020": "FS101D8BS"}


class SimulatedStore:
    """A store with `cameras` cameras: the first activated by this account and on Ethernet, the others factory-new.

    All cameras serve the same port at addresses 127.20.0.x of their own, and one that joins Wi-Fi moves to another
    address, as DHCP would have it. Ports are free ones unless given. `https` false leaves the cameras to discovery.

        async with SimulatedStore(cameras=3) as store:
            Path("gateway.toml").write_text(store.settings_toml(directory))
    """

    def __init__(
        self,
        *,
        cameras: int = 3,
        app_id: str = APP_ID,
        secret_key: str = SECRET_KEY,
        camera_port: int = 0,
        broadcast_port: int = 0,
        cloud_port: int = 0,
        https: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= cameras <= MAX_CAMERAS:
            raise ValueError(f"a simulated store has 1 to {MAX_CAMERAS} cameras, not {cameras}")
        self.app_id = app_id
        self.secret_key = secret_key
        self.shop_id, self.sunmi_shop_no = next(iter(SHOPS.items()))
        self.camera_port = camera_port
        self.cloud = SimulatedCloud(port=cloud_port, accounts={app_id: secret_key}, clock=clock)
        self._next_address = 0
        self._clock = clock
        self._https = https
        self._count = cameras
        self.activation_numbers: dict[str, str] = {}
        """The activation number of each factory-new camera, by serial number."""
        self.cameras: list[SimulatedCamera] = []
        # Bound to loopback's broadcast address, it hears nothing from any other network.
        self.responder = DiscoveryResponder(self.cameras, port=broadcast_port, bind=_LOOPBACK_BROADCAST)

    @property
    def broadcast_port(self) -> int:
        """The UDP port of discovery."""
        return self.responder.port

    async def __aenter__(self) -> Self:
        """Start everything. Raises `StateError` where the system has only one loopback address."""
        if sys.platform != "linux":
            raise StateError(
                "the simulated store needs many loopback addresses (127.20.0.x), which only Linux has without "
                "preparation; simulate a single camera or the cloud instead"
            )
        async with contextlib.AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await self.cloud.start()
            await self._start_cameras()
            await self.responder.start()
            undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def stop(self) -> None:
        """Stop everything."""
        await self.responder.stop()
        for camera in self.cameras:
            await camera.stop()
        await self.cloud.stop()

    def camera(self, sn: str) -> SimulatedCamera:
        """Return the camera with this serial number. Raises KeyError."""
        return {camera.sn: camera for camera in self.cameras}[sn]

    async def _start_cameras(self) -> None:
        for number in range(1, self._count + 1):
            camera = self._make(number)
            self.cameras.append(camera)
            if camera.state.activated:
                state = camera.state
                self.cloud.state.bind_camera(
                    self.shop_id, sn=state.sn, name=state.name, model=state.model,
                    software_version=state.software_version,
                )  # fmt: skip
        if self.camera_port == 0 and self._https:
            self.camera_port = find_free_port([camera.host for camera in self.cameras])
        for camera in self.cameras:
            camera.set_address(camera.host, self.camera_port)
            await camera.start()

    def _make(self, number: int) -> SimulatedCamera:
        model = _MODELS[(number - 1) % len(_MODELS)]
        sn = f"{_SN_PREFIX[model]}{number:05}"
        activated = number == 1
        activation_number = f"8{number:023}"
        if not activated:
            self.activation_numbers[sn] = activation_number
        return SimulatedCamera(
            sn=sn,
            model=model,
            mac=f"04:12:24:E3:{number // 256:02X}:{number % 256:02X}",
            host=self._new_address(),
            app_id=self.app_id,
            secret_key=self.secret_key,
            activation_number=activation_number,
            activated=activated,
            hotspot=not activated,
            wifi_passwords={WIFI_SSID: WIFI_PASSWORD},
            clock=self._clock,
            on_wifi=self._move,
            https=self._https,
        )

    def _move(self, camera: SimulatedCamera, ssid: str) -> str:
        return self._new_address()

    def _new_address(self) -> str:
        self._next_address += 1
        return f"127.20.{self._next_address // 250}.{self._next_address % 250 + 1}"

    def settings_toml(self, directory: Path) -> str:
        """Return the sections `cloud`, `cameras` and `discovery` of a gateway's settings for this store.

        Writes the certificate of the cloud's authority into `directory`.
        """
        ca_file = directory / "simulated-cloud-ca.pem"
        ca_file.write_text(self.cloud.ca_pem)
        sections: dict[str, dict[str, object]] = {
            "cloud": {
                "base_url": self.cloud.base_url,
                "app_id": self.app_id,
                "secret_key": self.secret_key,
                "shop_id": self.shop_id,
                "ca_file": str(ca_file),
            },
            "cameras": {"port": self.camera_port},
            "discovery": {"interfaces": ["lo"], "broadcast_port": self.broadcast_port},
        }
        # JSON's texts, numbers and lists are TOML's too.
        return "\n".join(
            "\n".join([f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items()), ""])
            for section, keys in sections.items()
        )
