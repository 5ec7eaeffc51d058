"""A simulated store: cameras and a cloud on loopback, and the settings with which a gateway uses them."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import StateError
from gateway.protocol.catalogue.cloud_labels import PICTURE_FORMATS
from gateway.protocol.models import CameraModel
from gateway.simulator.account import APP_ID, SECRET_KEY, SHOP_ID
from gateway.simulator.camera import DEFAULT_ACCESS_POINTS, SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from gateway.simulator.cloud_memory import CloudMemory
from gateway.simulator.discovery import DiscoveryResponder
from gateway.simulator.ports import find_free_port

WIFI_SSID: Final = DEFAULT_ACCESS_POINTS[0].ssid
WIFI_PASSWORD: Final = "plenty-of-coffee"  # noqa: S105 - of a network that does not exist
MAX_CAMERAS: Final = 100
_LOOPBACK_BROADCAST: Final = "127.255.255.255"
CA_FILE_NAME: Final = "simulated-cloud-ca.pem"
"""The file of the certificate that a gateway needs to trust the cloud."""
_MODELS: Final[Sequence[CameraModel]] = ("FM020", "FM010")
_SN_PREFIX: Final[dict[CameraModel, str]] = {"FM010": "SS101D8BS", "FM020": "FS101D8BS"}


class SimulatedStore:
    """A store: its first camera is on Ethernet and activated by the account, the others are factory-new.

    It has an access point with a shelf label of every model.

    All cameras serve the same port, each at an address 127.20.0.x of its own. One that joins Wi-Fi moves to another
    address, as DHCP would have it. A port that is 0 is a free one. With `https` false the cameras respond to discovery
    only. `authority` issues the cloud's certificate; a new one unless given. `memory` is what the cloud knows already.

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
        authority: CloudCertificateAuthority | None = None,
        memory: CloudMemory | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 1 <= cameras <= MAX_CAMERAS:
            raise ValueError(f"a simulated store has 1 to {MAX_CAMERAS} cameras, not {cameras}")
        self.app_id = app_id
        self.secret_key = secret_key
        self.shop_id = SHOP_ID
        self.camera_port = camera_port
        self.cloud = SimulatedCloud(port=cloud_port, accounts={app_id: secret_key}, clock=clock, authority=authority)
        self._memory = memory
        self._address_count = 0
        self._clock = clock
        self._https = https
        self._camera_count = cameras
        self.activation_numbers: dict[str, str] = {}
        """The activation number of each factory-new camera, by serial number."""
        self.cameras: list[SimulatedCamera] = []
        # At loopback's broadcast address it receives nothing from any other network.
        self.responder = DiscoveryResponder(self.cameras, port=broadcast_port, bind_address=_LOOPBACK_BROADCAST)

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
            await self._start_cameras()
            if self._memory is not None:
                self._memory.restore(self.cloud.state)
            self._add_labels()
            await self.cloud.start()
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
        for number in range(1, self._camera_count + 1):
            camera = self._create_camera(number)
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

    def _add_labels(self) -> None:
        """Add a shelf label of every model, and an access point that serves them, unless they are there."""
        state = self.cloud.state
        if state.shops[self.shop_id].access_points:
            return
        state.add_access_point(self.shop_id, sn="B201E96500001", name="Gate 5")
        for number, picture in enumerate(PICTURE_FORMATS, start=1):
            state.add_label(self.shop_id, code=f"SKDI{number:04}", sn=f"B101194N{number:05}", model=picture.model)

    def _create_camera(self, number: int) -> SimulatedCamera:
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
            host=self._assign_address(),
            app_id=self.app_id,
            secret_key=self.secret_key,
            activation_number=activation_number,
            activated=activated,
            hotspot=not activated,
            wifi_passwords={WIFI_SSID: WIFI_PASSWORD},
            clock=self._clock,
            on_wifi=lambda camera, ssid: self._assign_address(),
            https=self._https,
        )

    def site_plan_csv(self) -> str:
        """Return a list of the cameras as a site plan takes it: numbers, names, places, and the Wi-Fi."""
        rows = ["sn,activation_number,name,place,zoom,ssid,password"]
        for number, camera in enumerate(self.cameras, start=1):
            activation_number = self.activation_numbers.get(camera.sn, "")
            wifi = f"{WIFI_SSID},{WIFI_PASSWORD}"
            # As a formula, spreadsheets keep all its digits.
            number_cell = f'="{activation_number}"' if activation_number else ""
            rows.append(f"{camera.sn},{number_cell},Aisle {number},above aisle {number},120,{wifi}")
        return "\n".join(rows) + "\n"

    def _assign_address(self) -> str:
        self._address_count += 1
        return f"127.20.{self._address_count // 250}.{self._address_count % 250 + 1}"

    def settings_toml(self, directory: Path) -> str:
        """Return the sections `cloud`, `cameras` and `discovery` of a gateway's settings for this store.

        This writes the file that they name, the certificate of the cloud's authority, into `directory`.
        """
        ca_file = directory / CA_FILE_NAME
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
