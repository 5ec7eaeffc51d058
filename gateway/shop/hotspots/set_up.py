"""Sets sealed cameras up through their hotspots: the provisioning of any camera, while the gateway is in the hotspot.

A provisioning job that does not find its camera waits for a person to join the camera's hotspot. Here the gateway does
that itself, and goes back when the camera has the Wi-Fi network of the shop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from firmware_tools.language import message
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.discovery.scan import ScanResult
from gateway.errors import GatewayError, NotFound
from gateway.shop.hotspots.errors import HotspotJoinFailed, WifiNotRestored
from gateway.shop.hotspots.hotspot import Hotspot, JoinedHotspot
from gateway.shop.hotspots.hotspots import Hotspots

DEFAULT_FIND_S: Final = 30.0
"""How long a camera is looked for in a hotspot, and a job for it."""
POLL_S: Final = 0.2
_IN_HOTSPOT: Final = ("reach", "networks", "wifi")
"""The steps for which the gateway has to be in the camera's hotspot."""


class HotspotSetUp:
    """Visits hotspots, and lets the provisioning jobs of the cameras there go on."""

    def __init__(
        self,
        hotspots: Hotspots,
        provisioning: Provisioning,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        find_s: float = DEFAULT_FIND_S,
    ) -> None:
        """Take a function that scans the network. When it returns, the registry has the devices."""
        self._hotspots = hotspots
        self._provisioning = provisioning
        self._scan = scan
        self._find_s = find_s

    async def visit(self, hotspot: Hotspot) -> str:
        """Be in a hotspot until the camera there has the shop's Wi-Fi, or its job has failed or waits for a person.

        Return the serial number of the camera; an empty text if none answers. A camera for which there is no job stays
        as it is. Raises the same as `Hotspots.join`.
        """
        async with self._hotspots.join(hotspot) as joined:
            deadline = asyncio.get_running_loop().time() + self._find_s
            sn = await self._find_camera(joined, deadline)
            job = await self._wait_for_job(sn, deadline) if sn else None
            if job is None:
                return sn
            job.request_resume()
            while _needs_hotspot(job):  # noqa: ASYNC110  who subscribes to changes does so for good
                await asyncio.sleep(POLL_S)
        if job.is_active:
            job.request_resume()  # the gateway has come back: nobody needs to be asked to
        return sn

    async def provision(
        self, hotspot: Hotspot, sn: str, request: ProvisioningRequest, *, timeouts: StepTimeouts | None = None
    ) -> ProvisioningJob:
        """Provision a camera through its hotspot. Return the job when it has ended.

        Raises the same as `Hotspots.join` and `Provisioning.start`, and `HotspotJoinFailed` if another camera is in
        that hotspot, or none: then nothing was sent. Whenever this fails or is cancelled, the job is cancelled, but
        for `WifiNotRestored`: then the camera has the shop's Wi-Fi, and the job goes on.
        """
        job = await self._provisioning.start(sn, request, timeouts=timeouts)
        try:
            found = await self.visit(hotspot)
            if found != sn:
                raise HotspotJoinFailed(_describe_stranger(hotspot, sn, found))
            return await self._provisioning.wait_until_ended(sn)
        except WifiNotRestored:
            raise
        except BaseException:
            if job.is_active:
                await self._provisioning.cancel(sn)
            raise

    async def _find_camera(self, joined: JoinedHotspot, deadline: float) -> str:
        while True:
            try:
                devices = (await self._scan()).devices
            except GatewayError:
                devices = []
            for device in devices:
                if device.hotspot and device.sn and device.interface == joined.interface:
                    return device.sn
            if asyncio.get_running_loop().time() >= deadline:
                return ""
            await asyncio.sleep(POLL_S)

    async def _wait_for_job(self, sn: str, deadline: float) -> ProvisioningJob | None:
        """Return the job of a camera. It may begin only now: some cameras are known by their MAC address alone."""
        while True:
            try:
                job = self._provisioning.get(sn)
            except NotFound:
                job = None
            if job is not None and job.is_active:
                return job
            if asyncio.get_running_loop().time() >= deadline:
                return None
            await asyncio.sleep(POLL_S)


def _needs_hotspot(job: ProvisioningJob) -> bool:
    return job.state == "running" and job.step in _IN_HOTSPOT


def _describe_stranger(hotspot: Hotspot, sn: str, found: str) -> str:
    if found:
        return message("in the hotspot {ssid} is the camera {found}, not {sn}", ssid=hotspot.ssid, found=found, sn=sn)
    return message("no camera answers in the hotspot {ssid}: move closer, then try again", ssid=hotspot.ssid)
