"""The walk through hotspots: cameras that nothing else offers are set up one after the other, without a phone.

Their provisioning jobs look for them all the while; the walk only brings this machine to where they are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final, Protocol

from gateway.cameras.provisioning import Provisioning, ProvisioningJob, ProvisioningRequest
from gateway.cameras.registry import Registry
from gateway.errors import GatewayError, NotFound
from gateway.shop.hotspots import Hotspot, HotspotsUnavailable, HotspotSupport
from gateway.shop.plan_check import find_planned
from gateway.shop.progress import CameraProgress

SEARCH_INTERVAL_S: Final = 10.0
"""How long to wait before hotspots are searched for again."""
RETURN_S: Final = 25.0
"""How long a camera may take to leave its hotspot. One that still offers it after that did not join the network."""
MAX_VISITS: Final = 3
"""How often a hotspot is joined at most: the camera may not have answered."""
_LOOK_INTERVAL_S: Final = 0.2
_STRANGER_S: Final = 10.0
"""How long to look in a hotspot for one of the cameras that are meant."""
_MAX_VISIT_S: Final = 90.0
"""How long to stay in the hotspot of a camera."""

_log: Final = logging.getLogger(__name__)


class HotspotVisits(Protocol):
    """What can join hotspots: `gateway.shop.hotspots.Hotspots`."""

    async def describe(self) -> HotspotSupport:
        """Look whether hotspots can be joined here, and what will happen to whom."""

    async def scan(self) -> tuple[Hotspot, ...]:
        """Search for hotspots. Raises `HotspotsUnavailable`."""

    def join(self, hotspot: Hotspot) -> AbstractAsyncContextManager[Any]:
        """Be in a hotspot for a while. Raises `GatewayError`."""


class HotspotWalk:
    """Joins the hotspots of cameras whose jobs look for them, one after the other."""

    def __init__(
        self,
        hotspots: HotspotVisits,
        registry: Registry,
        provisioning: Provisioning,
        *,
        scan: Callable[[], Awaitable[None]],
        search_interval_s: float = SEARCH_INTERVAL_S,
        return_s: float = RETURN_S,
    ) -> None:
        """Take a function that scans the network."""
        self._hotspots = hotspots
        self._registry = registry
        self._provisioning = provisioning
        self._scan = scan
        self._search_interval_s = search_interval_s
        self._return_s = return_s
        self._visits: dict[str, int] = {}
        """How often each hotspot was joined, by the MAC address of its radio."""
        self._seen: set[Hotspot] = set()
        """The hotspots that were found so far."""
        self._left_at: dict[str, float] = {}
        """When the hotspot of a camera was left, by the label of the camera."""

    async def run(self, cameras: Sequence[CameraProgress]) -> None:
        """Visit hotspots for as long as a camera needs it. Ends where hotspots cannot be joined."""
        while pending := [one for one in cameras if self._may_need_hotspot(one)]:
            try:
                found = await self._hotspots.scan() if any(map(self._needs_hotspot, pending)) else ()
                self._seen.update(found)
                for hotspot in found:
                    await self._visit(hotspot, pending)
            except HotspotsUnavailable as exc:
                _log.warning("Hotspots of cameras cannot be joined; a person has to: %s", exc.detail)
                return
            await asyncio.sleep(self._search_interval_s)

    def has_seen(self, camera: CameraProgress) -> bool:
        """Tell whether a hotspot was found that bears the digits of a camera's MAC address."""
        mac = self._find_mac(camera)
        return bool(mac) and any(hotspot.may_belong_to(mac) for hotspot in self._seen)

    def _may_need_hotspot(self, camera: CameraProgress) -> bool:
        """Tell whether a camera is not on the network yet."""
        return camera.active and not (camera.get_step("wifi").ended or camera.get_step("find").state == "failed")

    def _needs_hotspot(self, camera: CameraProgress) -> bool:
        """Tell whether a camera has to be visited now: it was not told the network, or did not leave its hotspot."""
        if not self._may_need_hotspot(camera):
            return False
        left_at = self._left_at.get(camera.label)
        return left_at is None or asyncio.get_running_loop().time() - left_at >= self._return_s

    async def _visit(self, hotspot: Hotspot, cameras: Sequence[CameraProgress]) -> None:
        """Be in a hotspot until its camera was told the network, if it may be one of those that need it."""
        candidates = [one for one in cameras if self._needs_hotspot(one) and self._may_belong(hotspot, one)]
        visits = self._visits.get(hotspot.bssid, 0)
        if not candidates or visits >= MAX_VISITS:
            return
        self._visits[hotspot.bssid] = visits + 1
        try:
            async with self._hotspots.join(hotspot):
                camera = await self._wait_until_told(candidates)
        except HotspotsUnavailable:
            raise
        except GatewayError as exc:
            _log.warning("The hotspot %s: %s", hotspot.ssid, exc)
            return
        if camera is None:
            return
        self._left_at[camera.label] = asyncio.get_running_loop().time()
        await self._nudge(camera)  # it has not to wait for a person to come back

    def _may_belong(self, hotspot: Hotspot, camera: CameraProgress) -> bool:
        """Tell whether a hotspot may be that of a camera: its name fits, or nothing is known that says otherwise."""
        mac = self._find_mac(camera)
        if mac:
            return hotspot.may_belong_to(mac)
        others = [one.mac for one in self._registry.all() if one.mac and one.sn != camera.sn]
        return not any(map(hotspot.may_belong_to, others))

    def _find_mac(self, camera: CameraProgress) -> str:
        record = find_planned(camera.planned, self._registry)
        return camera.planned.mac or (record.mac if record is not None else "")

    async def _wait_until_told(self, candidates: Sequence[CameraProgress]) -> CameraProgress | None:
        """Wait until the job of one of the cameras has told it the network, or has ended. None if none is here."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._scan()
        for camera in candidates:
            await self._nudge(camera)
        while True:
            for camera in candidates:
                job = self._find_job(camera)
                if job is not None and self._is_told(job, camera):
                    return camera
            is_here = any(map(self._is_in_hotspot, candidates))
            if loop.time() - began >= (_MAX_VISIT_S if is_here else _STRANGER_S):
                return None
            await asyncio.sleep(_LOOK_INTERVAL_S)

    def _is_told(self, job: ProvisioningJob, camera: CameraProgress) -> bool:
        """Tell whether nothing is left to do in the hotspot. One that was told before has to say that it failed."""
        if not job.is_active:
            return True
        return camera.label not in self._left_at and job.get_step("wifi").state in ("done", "skipped")

    def _is_in_hotspot(self, camera: CameraProgress) -> bool:
        record = find_planned(camera.planned, self._registry)
        return record is not None and record.hotspot

    def _find_job(self, camera: CameraProgress) -> ProvisioningJob | None:
        try:
            return self._provisioning.get(camera.sn)
        except NotFound:
            return None

    async def _nudge(self, camera: CameraProgress) -> None:
        """Let the camera's job look for it at once."""
        job = self._find_job(camera)
        if job is not None and job.is_active:
            with suppress(GatewayError):
                await self._provisioning.start(camera.sn, ProvisioningRequest())
