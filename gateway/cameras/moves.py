"""Moved cameras: a managed camera that a scan found at a new address only has to prove its identity there at once."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.cameras.cameras import Cameras
from gateway.cameras.record import CameraRecord
from gateway.cameras.registry import Registry
from gateway.discovery.device import DiscoveredDevice
from gateway.discovery.scan import ScanResult
from gateway.errors import GatewayError
from gateway.runtime.supervisor import Supervisor

MAX_CONCURRENCY: Final = 8
"""How many cameras are asked at a time."""
VERIFY_TIMEOUT_S: Final = 5.0
"""How long a camera has to prove itself at its new address, in seconds."""
FOLLOW_INTERVAL_S: Final = 2.0
"""The time between two scans for a camera that is about to move, in seconds."""
MAX_FOLLOW_S: Final = 120.0
"""How long a camera that is about to move is looked for, in seconds."""


class MoveTracker:
    """Follows managed cameras to new addresses."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        supervisor: Supervisor,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
    ) -> None:
        """Take a function that scans the network, and hands what it found to `verify`."""
        self._cameras = cameras
        self._registry = registry
        self._supervisor = supervisor
        self._scan = scan
        self._followed: set[str] = set()

    async def verify(self, devices: Sequence[DiscoveredDevice]) -> None:
        """Let each managed camera that a scan saw only at other addresses prove itself there."""
        seen: defaultdict[str, list[str]] = defaultdict(list)
        for device in devices:
            seen[device.sn].append(device.address)
        turns = asyncio.Semaphore(MAX_CONCURRENCY)

        async def verify_one(camera: CameraRecord, addresses: Sequence[str]) -> None:
            async with turns:
                await self._verify_at_one(camera, addresses)

        await asyncio.gather(
            *(
                verify_one(camera, list(dict.fromkeys(seen[camera.sn])))
                for camera in self._registry.all()
                if camera.managed and camera.sn in seen and camera.address not in seen[camera.sn]
            )
        )

    async def _verify_at_one(self, camera: CameraRecord, addresses: Sequence[str]) -> None:
        for address in addresses:
            with contextlib.suppress(GatewayError, TimeoutError):
                async with asyncio.timeout(VERIFY_TIMEOUT_S):
                    await self._cameras.verify_address(camera.sn, address)
                return

    def follow(self, sn: str) -> None:
        """Look for a camera that is about to move until it is at another address, or some time has passed."""
        if sn not in self._followed:
            self._followed.add(sn)
            self._supervisor.start_job("camera move", self._follow(sn))

    async def _follow(self, sn: str) -> None:
        old = self._registry.get(sn).address
        try:
            async with asyncio.timeout(MAX_FOLLOW_S):
                while (camera := self._registry.find(sn)) is not None and camera.address == old:
                    await asyncio.sleep(FOLLOW_INTERVAL_S)
                    await self._scan()
        except TimeoutError:
            pass  # it has kept its address
        finally:
            self._followed.discard(sn)
