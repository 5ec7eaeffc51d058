"""Sets a sealed camera up through its hotspot: the provisioning of any camera, while the gateway is in the hotspot."""

import asyncio
from typing import Final

from firmware_tools.language import message
from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest, StepTimeouts
from gateway.shop.hotspots.errors import HotspotJoinFailed
from gateway.shop.hotspots.hotspot import Hotspot
from gateway.shop.hotspots.hotspots import Hotspots

POLL_S: Final = 0.2
_IN_HOTSPOT: Final = ("reach", "networks", "wifi")
"""The steps for which the gateway has to be in the camera's hotspot."""


async def provision_in_hotspot(
    hotspots: Hotspots,
    hotspot: Hotspot,
    provisioning: Provisioning,
    sn: str,
    request: ProvisioningRequest,
    *,
    timeouts: StepTimeouts | None = None,
) -> ProvisioningJob:
    """Join a hotspot, provision the camera in it, come back once it has the Wi-Fi network, and wait for the end.

    Return the ended job, or one that waits for a person. Raises the same as `Hotspots.join` and `Provisioning.start`,
    and `HotspotJoinFailed` if another camera is in that hotspot: then nothing was sent, and the job is cancelled.
    """
    async with hotspots.join(hotspot):
        job = await provisioning.start(sn, request, timeouts=timeouts)
        while job.state == "running" and job.step in _IN_HOTSPOT:  # noqa: ASYNC110  subscribers are never released
            await asyncio.sleep(POLL_S)
        if job.state == "waiting" and job.reason == "join_hotspot":
            await provisioning.cancel(sn)
            raise HotspotJoinFailed(
                message(
                    "the camera {sn} does not answer in the hotspot {ssid}: it may be the hotspot of another camera",
                    sn=sn,
                    ssid=hotspot.ssid,
                )
            )
    if job.is_active:
        job.request_resume()  # the gateway has come back: nobody needs to be asked to
    return await provisioning.wait_until_ended(sn)
