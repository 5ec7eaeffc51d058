"""What happens in a simulated store: now and then somebody comes in, or something moves, before a camera."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud

EVERY_S: Final = 10.0
"""How long nothing happens between two events, in seconds."""

_GROUPS: Final = ((1, "stranger"), (2, "regular"))


class TrafficGenerator:
    """Lets cameras report what happens before them, and the cloud report it too where the camera is bound to a shop.

    What a camera puts into a payload is not public; it is modelled on the cloud's, with fields of its own that
    no document names (NOTES: Camera events).
    """

    def __init__(self, cameras: Sequence[SimulatedCamera], cloud: SimulatedCloud | None = None) -> None:
        self._cameras = cameras
        self._cloud = cloud
        self._visitors = itertools.count(29195)

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Let something happen every `EVERY_S` seconds, by turns at every camera that somebody listens to."""
        task = asyncio.create_task(self._go_on())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _go_on(self) -> None:
        for turn in itertools.count():
            await asyncio.sleep(EVERY_S)
            able = [camera for camera in self._cameras if camera.on_network and camera.state.hooks]
            if able:
                await self.happen(able[turn % len(able)])
            elif self._cloud is not None:
                await self._heard_of_elsewhere(self._cloud)

    async def happen(self, camera: SimulatedCamera) -> None:
        """Let a camera notice what it can: a face if it knows faces, else motion."""
        if camera.state.model == "FM020":
            await self.visit(camera)
        else:
            await self.motion(camera)

    async def visit(self, camera: SimulatedCamera) -> None:
        """Let somebody come in."""
        face = self._face()
        of_its_own = {
            "sn": camera.sn,
            "capture_time": int(time.time()),
            "face_rect": {"x": 812, "y": 224, "width": 96, "height": 118},
        }
        await camera.report("face_recog_event", {**face, **of_its_own})
        await self._told_by_the_cloud(camera, 2001, {**face, "group_id": "8927"})

    async def motion(self, camera: SimulatedCamera) -> None:
        """Let something move."""
        motion = {"sn": camera.sn, "name": camera.state.name, "motion_type": 1}
        level = camera.state.settings.detect.motion_level
        await camera.report("dynamic_detect_event", {**motion, "motion_level": level})
        of_the_cloud = {"model_name": camera.state.model, "video_url": f"https://cloud.invalid/VIDEO/{camera.sn}"}
        await self._told_by_the_cloud(camera, 1010, motion | of_the_cloud)

    async def _told_by_the_cloud(self, camera: SimulatedCamera, event: int, payload: dict[str, Any]) -> None:
        for shop in self._cloud.state.shops.values() if self._cloud is not None else ():
            for ipc in shop.cameras.values():
                if ipc.sn == camera.sn and self._cloud is not None:
                    # The cloud has numbers of its own for faces (NOTES: Camera events).
                    given = {"ipc_id": ipc.ipc_id, **payload}
                    if "face_id" in given:
                        given["face_id"] = str(next(self._visitors))
                    await self._cloud.report(event, given, shop.shop_id)

    async def _heard_of_elsewhere(self, cloud: SimulatedCloud) -> None:
        """Report a face from a camera that is simulated nowhere."""
        shop_id = next(iter(cloud.state.shops))
        await cloud.report(2001, {"ipc_id": "928", "group_id": "8927", **self._face()}, shop_id)

    def _face(self) -> dict[str, Any]:
        group_type, group_name = random.choice(_GROUPS)
        return {
            "face_id": str(next(self._visitors)),
            "gender": random.choice((1, 2)),
            "age_range": random.randint(1, 8),
            "group_name": group_name,
            "group_type": group_type,
        }
