"""Captures of cameras over real HTTPS and real discovery frames on loopback."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.cameras import capture as captures
from gateway.cameras.cameras import Cameras
from gateway.discovery.discovery import Discovery
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.camera_state import SimulatedAccessPoint
from gateway.simulator.discovery import DiscoverableDevice, DiscoveryResponder
from gateway.simulator.replay import ReplayedCamera

SECRET_SSID, SECRET_PASSWORD, NEIGHBOUR = "Chez Margot 5G", "correct-horse-battery", "FRITZ!Box 7590"
MODELS = {
    "FM020": {"sn": "FS101D8BS00106", "model": "FM020", "mac": "04:12:24:E3:45:12", "host": "127.77.0.2"},
    "FM010": {"sn": "SS101D8BS00207", "model": "FM010", "mac": "04:12:24:E3:45:13", "host": "127.77.0.3"},
}


class CaptureBench:
    """Captures cameras over real HTTPS and real discovery frames on loopback."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("", 0))
            self.udp_port = int(probe.getsockname()[1])
        self.discovery = Discovery(
            DiscoverySettings(interfaces=["lo"], broadcast_port=self.udp_port, interval_s=0),
            Supervisor(),
            camera_port=443,
            on_device=lambda _: None,
        )

    @asynccontextmanager
    async def responding(self, camera: DiscoverableDevice) -> AsyncIterator[DiscoveryResponder]:
        responder = DiscoveryResponder([camera], port=self.udp_port)
        await responder.start()
        try:
            yield responder
        finally:
            await responder.stop()

    async def simulate(self, model: str = "FM020", **options: Any) -> SimulatedCamera:
        networks = (
            SimulatedAccessPoint(SECRET_SSID, "WPA-PSK"),
            SimulatedAccessPoint(NEIGHBOUR, "WPA-PSK"),
            SimulatedAccessPoint("", "NONE"),
        )
        usual = {"activated": True, "name": "Margot's till", "wifi_networks": networks}
        camera: SimulatedCamera = await self.bench.simulate(**{**MODELS[model], **usual, **options})
        camera.state.config.ssid, camera.state.config.password = SECRET_SSID, SECRET_PASSWORD
        return await self.bench.manage(camera)  # type: ignore[no-any-return]

    async def capture(self, sn: str, cameras: Cameras | None = None) -> dict[str, Any]:
        return await captures.capture(
            sn, cameras=cameras or self.bench.cameras, registry=self.bench.registry, discovery=self.discovery
        )

    async def captured(self, camera: SimulatedCamera) -> dict[str, Any]:
        async with self.responding(camera):
            return await self.capture(camera.sn)

    @asynccontextmanager
    async def replaying(self, document: dict[str, Any]) -> AsyncIterator[ReplayedCamera]:
        camera = ReplayedCamera(document, host="127.77.0.9")
        await camera.start()
        try:
            await self.bench.registry.manage(camera.sn, camera.address)
            await self.bench.cameras.confirm_certificate(camera.sn)
            async with self.responding(camera):
                yield camera
        finally:
            await camera.stop()


def read_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    return next(read for read in document["reads"] if read["path"] == path)


def repeatable_part(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what tells of the capturing gateway and of the wire: a replay has those of its own."""
    frames = [
        {name: value for name, value in frame.items() if name not in ("answered", "source_port")}
        for frame in document["frames"]
        if "frame" in frame
    ]
    reads = [
        {name: value for name, value in read.items() if name != "raw" or read.get("answer") is None}
        for read in document["reads"]
    ]
    return {**document, "reads": reads, "frames": frames, "gateway": None, "tls": None}
