"""Sets a sealed camera up through its hotspot: the provisioning of any camera, while the gateway is in the hotspot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from firmware_tools.language import message
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest
from gateway.discovery.scan import ScanResult
from gateway.errors import GatewayError
from gateway.runtime.supervisor import Supervisor
from gateway.shop.hotspots.errors import HotspotJoinFailed
from gateway.shop.hotspots.hotspot import Hotspot, JoinedHotspot
from gateway.shop.hotspots.hotspots import Hotspots

DEFAULT_FIND_S: Final = 30.0
"""How long a camera is looked for in a hotspot."""
SEARCHES: Final = 2
"""How often a hotspot is searched for. One search may miss it."""
POLL_S: Final = 0.2
_IN_HOTSPOT: Final = ("reach", "networks", "wifi")
"""The steps for which the gateway has to be in the camera's hotspot."""


class HotspotSetUp:
    """Joins the hotspot of a camera, has the camera provisioned, and comes back once it was told the shop's Wi-Fi."""

    def __init__(
        self,
        hotspots: Hotspots,
        provisioning: Provisioning,
        supervisor: Supervisor,
        *,
        scan: Callable[[], Awaitable[ScanResult]],
        find_s: float = DEFAULT_FIND_S,
    ) -> None:
        """Take a function that scans the network. A camera is looked for in its hotspot for `find_s` seconds."""
        self._hotspots = hotspots
        self._provisioning = provisioning
        self._supervisor = supervisor
        self._scan = scan
        self._find_s = find_s

    async def start(self, mac_digits: str, sn: str, request: ProvisioningRequest) -> ProvisioningJob:
        """Join the hotspot with the last four digits of a camera's MAC address, and start the job of the camera there.

        The job goes on when this returns. The interface comes back by itself as soon as the camera needs it no more.
        Raises `InvalidRequest`, `HotspotsUnavailable`, `HotspotJoinFailed` (also if another camera is there, or none),
        and the same as `Provisioning.start`. Then nothing was sent to the camera.
        """
        request.check()
        hotspot = await self._find_hotspot(mac_digits)
        started = asyncio.get_running_loop().create_future()
        visit = self._supervisor.start_job("visit of a hotspot", self._visit(hotspot, sn, request, started))
        await asyncio.wait({visit, started}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            job: ProvisioningJob = started.result()
            return job
        await visit
        return self._provisioning.get(sn)

    async def _find_hotspot(self, mac_digits: str) -> Hotspot:
        for _ in range(SEARCHES):
            for hotspot in await self._hotspots.scan():
                if hotspot.mac_digits == mac_digits.upper():
                    return hotspot
        raise HotspotJoinFailed(
            message(
                "there is no hotspot SUNMI_{digits} near: a new camera offers it about 20 s after power-on, without a "
                "network cable, when its LED blinks green; else hold RESET for 5 s",
                digits=mac_digits.upper(),
            )
        )

    async def _visit(
        self, hotspot: Hotspot, sn: str, request: ProvisioningRequest, started: "asyncio.Future[ProvisioningJob]"
    ) -> None:
        async with self._hotspots.join(hotspot) as joined:
            found = await self._find_camera(joined)
            if found != sn:
                raise HotspotJoinFailed(_describe_stranger(hotspot, sn, found))
            job = await self._provisioning.start(sn, request)
            started.set_result(job)
            while job.state == "running" and job.step in _IN_HOTSPOT:  # noqa: ASYNC110  subscribers stay for good
                await asyncio.sleep(POLL_S)
        if job.is_active:
            job.request_resume()  # the gateway has come back: nobody needs to be asked to

    async def _find_camera(self, joined: JoinedHotspot) -> str:
        deadline = asyncio.get_running_loop().time() + self._find_s
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


def _describe_stranger(hotspot: Hotspot, sn: str, found: str) -> str:
    if found:
        return message("in the hotspot {ssid} is the camera {found}, not {sn}", ssid=hotspot.ssid, found=found, sn=sn)
    return message("no camera answers in the hotspot {ssid}: move closer, then try again", ssid=hotspot.ssid)
