"""The traffic generator of a simulated store: now and then a face or a motion is seen by a camera."""

import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from gateway.runtime.supervisor import Supervisor
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud

TRAFFIC_INTERVAL_S: Final = 10.0
_GROUPS: Final = ((1, "stranger"), (2, "regular"))
"""The type and the name of the face groups that are seen."""


class TrafficGenerator:
    """Lets cameras report events; the cloud reports them too where the camera is bound to a shop.

    The payload of a camera's event is not public. It is modelled on the cloud's, with further fields that no document
    names (NOTES: Camera events).
    """

    def __init__(self, cameras: Sequence[SimulatedCamera], cloud: SimulatedCloud | None = None) -> None:
        self._cameras = cameras
        self._cloud = cloud
        self._turns = itertools.count()
        self._face_ids = itertools.count(29195)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Generate an event every `TRAFFIC_INTERVAL_S` seconds while the block runs."""
        supervisor = Supervisor()
        supervisor.start_periodic("traffic generator", self.generate_event, interval_s=TRAFFIC_INTERVAL_S)
        try:
            yield
        finally:
            await supervisor.close()

    async def generate_event(self) -> None:
        """Let one camera see something: the next of those that somebody has subscribed to.

        Where there is none, the cloud reports a face from a camera that is not simulated.
        """
        subscribed = [camera for camera in self._cameras if camera.on_network and camera.state.hooks]
        if subscribed:
            camera = subscribed[next(self._turns) % len(subscribed)]
            await (self.show_face(camera) if camera.state.model == "FM020" else self.show_motion(camera))
        elif self._cloud is not None:
            shop_id = next(iter(self._cloud.state.shops))
            await self._cloud.report(2001, {"ipc_id": "928", "group_id": "8927", **self._generate_face()}, shop_id)

    async def show_face(self, camera: SimulatedCamera) -> None:
        """Let a camera see a face."""
        face = self._generate_face()
        only_camera = {
            "sn": camera.sn,
            "capture_time": int(time.time()),
            "face_rect": {"x": 812, "y": 224, "width": 96, "height": 118},
        }
        await camera.report("face_recog_event", {**face, **only_camera})
        # The cloud has face ids of its own (NOTES: Camera events).
        only_cloud = {"face_id": str(next(self._face_ids)), "group_id": "8927"}
        await self._report_by_cloud(camera, 2001, {**face, **only_cloud})

    async def show_motion(self, camera: SimulatedCamera) -> None:
        """Let a camera see a motion."""
        motion = {"sn": camera.sn, "name": camera.state.name, "motion_type": 1}
        level = camera.state.config.detection.motion_level
        await camera.report("dynamic_detect_event", {**motion, "motion_level": level})
        only_cloud = {"model_name": camera.state.model, "video_url": f"https://cloud.invalid/VIDEO/{camera.sn}"}
        await self._report_by_cloud(camera, 1010, {**motion, **only_cloud})

    async def _report_by_cloud(self, camera: SimulatedCamera, event: int, payload: dict[str, Any]) -> None:
        if self._cloud is None:
            return
        for shop in self._cloud.state.shops.values():
            for bound in shop.cameras.values():
                if bound.sn == camera.sn:
                    await self._cloud.report(event, {"ipc_id": bound.ipc_id, **payload}, shop.shop_id)

    def _generate_face(self) -> dict[str, Any]:
        group_type, group_name = random.choice(_GROUPS)
        return {
            "face_id": str(next(self._face_ids)),
            "gender": random.choice((1, 2)),
            "age_range": random.randint(1, 8),
            "group_name": group_name,
            "group_type": group_type,
        }
