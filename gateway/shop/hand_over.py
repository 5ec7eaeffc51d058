"""A list that is handed over again: what was done for a camera stays done, unless the camera has lost it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Final

from firmware_tools.language import count_message
from gateway.cameras.cameras import Cameras
from gateway.errors import Conflict, GatewayError
from gateway.shop.plan import PlannedCamera, SitePlan
from gateway.shop.progress import CameraProgress

MAX_CONCURRENCY: Final = 16
"""How many cameras are asked at a time."""
ANSWER_TIMEOUT_S: Final = 5.0
"""How long all of them have to answer."""


def require_unfinished(plan: SitePlan, former: Sequence[CameraProgress]) -> None:
    """Raise `Conflict` if a plan lacks a camera of the former one that is not done yet."""
    given = {name.casefold() for camera in plan.cameras for name in (camera.sn, camera.mac) if name}
    dropped = [
        one.label
        for one in former
        if one.state != "done" and not given & {one.sn.casefold(), one.planned.mac.casefold()}
    ]
    if dropped:
        raise Conflict(
            count_message(
                "another plan has {count} camera that is not done and not in this one, {first}: delete that plan first "
                "if it is no longer needed (`sunmi-gateway shop forget`)",
                "another plan has {count} cameras that are not done and not in this one, as {first}: delete that plan "
                "first if it is no longer needed (`sunmi-gateway shop forget`)",
                len(dropped),
                first=dropped[0],
            )
        )


def continue_progress(plan: SitePlan, former: Sequence[CameraProgress]) -> list[CameraProgress]:
    """Return the progress of each camera: that of the former plan if both want the same of it."""
    return [_continue(camera, former) for camera in plan.cameras]


def _continue(camera: PlannedCamera, former: Sequence[CameraProgress]) -> CameraProgress:
    same = next((one for one in former if one.planned.has_same_values(camera)), None)
    progress = CameraProgress.create(camera)
    if same is not None:
        progress.sn, progress.steps = same.sn or progress.sn, same.steps
        progress.accepted = same.accepted
    return progress


async def look_at_done(progress: Sequence[CameraProgress], cameras: Cameras) -> None:
    """Ask the cameras that are done whether they are activated still. One that does not say so is to be looked at anew.

    Only cameras that come with a number are asked: without one there is nothing to do for a camera that was reset.
    """
    done = [one for one in progress if one.state == "done" and one.planned.activation_number is not None]
    activated: list[CameraProgress] = []
    turns = asyncio.Semaphore(MAX_CONCURRENCY)

    async def ask(one: CameraProgress) -> None:
        async with turns:
            with contextlib.suppress(GatewayError):
                if await cameras.probe_activation(one.sn) == "activated":
                    activated.append(one)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await asyncio.gather(*map(ask, done))
    for one in done:
        if one not in activated:
            one.restart(only_failed=False)


def drop_secrets(plan: SitePlan, progress: Sequence[CameraProgress]) -> SitePlan:
    """Return the plan without the secrets that nothing needs any more: those of cameras that are done."""
    for one in progress:
        if one.state == "done":
            one.planned = dataclasses.replace(one.planned, activation_number=None)
    wifi = plan.wifi
    if wifi is not None and all(one.state == "done" for one in progress):
        wifi = dataclasses.replace(wifi, password="")
    return dataclasses.replace(plan, cameras=tuple(one.planned for one in progress), wifi=wifi)
