"""The probe of found cameras: what a new camera says about its activation without a signature."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from gateway.cameras.cameras import Cameras
from gateway.cameras.registry import Registry
from gateway.discovery.device import DiscoveredDevice
from gateway.errors import GatewayError, NotManaged

MAX_PROBES: Final = 64
"""How many cameras are asked after one scan: anybody can announce some."""
MAX_CONCURRENCY: Final = 16
"""How many cameras are asked at a time."""
PROBE_TIMEOUT_S: Final = 2.0
"""How long all of them have to answer, in seconds."""
_MAX_PROBED: Final = 4096


class FoundCameraProbe:
    """Asks each camera that nobody manages once, at each address, for its unsigned list of networks."""

    def __init__(self, cameras: Cameras, registry: Registry, *, is_ours: Callable[[str], bool]) -> None:
        """Take a function that tells whether the cloud names a serial number as one of this shop's."""
        self._cameras = cameras
        self._registry = registry
        self._is_ours = is_ours
        self._probed: set[tuple[str, str]] = set()

    async def probe(self, devices: Sequence[DiscoveredDevice]) -> None:
        """Ask the cameras of a scan of which nothing is known yet. What does not answer stays unknown."""
        chosen = [sn for sn in dict.fromkeys(device.sn for device in devices) if self._is_new(sn)][:MAX_PROBES]
        turns = asyncio.Semaphore(MAX_CONCURRENCY)

        async def probe_one(sn: str) -> None:
            async with turns:
                await self._probe(sn)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await asyncio.gather(*map(probe_one, chosen))

    def _is_new(self, sn: str) -> bool:
        camera = self._registry.find(sn)
        return (
            camera is not None
            and not camera.managed
            and camera.activation == "unknown"
            and (sn, camera.address) not in self._probed
        )

    async def _probe(self, sn: str) -> None:
        if len(self._probed) >= _MAX_PROBED:
            self._probed.clear()
        with contextlib.suppress(GatewayError):
            address = self._registry.get(sn).address
            try:
                await self._cameras.list_access_points(sn)
            except NotManaged:  # it is activated, by whom only a signed call would tell
                if self._is_ours(sn):
                    await self._registry.update(sn, activation="activated")
            self._probed.add((sn, address))
